package generate_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// ajpMethods and ajpFields are the words that AJP has numbers for, from 1.
//
// Source: https://tomcat.apache.org/connectors-doc/ajp/ajpv13a.html
var (
	ajpMethods = [...]string{"", "OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE"}
	ajpFields  = [...]string{
		"", "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization", "Connection",
		"Content-Type", "Content-Length", "Cookie", "Cookie2", "Host", "Pragma", "Referer", "User-Agent",
	}
	ajpAttributes = map[byte]string{
		1: "AJP_CONTEXT", 2: "AJP_SERVLET_PATH", 3: "REMOTE_USER", 4: "AUTH_TYPE", 5: "QUERY_STRING", 6: "AJP_ROUTE",
		7: "AJP_SSL_CERT", 8: "AJP_SSL_CIPHER", 9: "AJP_SSL_SESSION", 12: "AJP_SECRET", 13: "AJP_METHOD",
	}
	ajpOwn = map[string]string{"AJP_REMOTE_PORT": "REMOTE_PORT", "AJP_LOCAL_ADDR": "SERVER_ADDR"}
)

// ajpMessage is the content of one packet. Reading beyond its end gives zeros
// and sets bad.
type ajpMessage struct {
	data []byte
	bad  bool
}

func (m *ajpMessage) take(n int) []byte {
	if n > len(m.data) {
		m.bad, m.data = true, nil
		return make([]byte, n)
	}
	out := m.data[:n]
	m.data = m.data[n:]
	return out
}

func (m *ajpMessage) byte() byte  { return m.take(1)[0] }
func (m *ajpMessage) number() int { return int(binary.BigEndian.Uint16(m.take(2))) }

func (m *ajpMessage) text() string {
	n := m.number()
	if n == 0xffff {
		return ""
	}
	text := string(m.take(n))
	m.byte()
	return text
}

// readAJP reads a packet from a web server.
func readAJP(in io.Reader) (*ajpMessage, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	if head[0] != 0x12 || head[1] != 0x34 {
		return nil, errors.New("not AJP")
	}
	data := make([]byte, binary.BigEndian.Uint16(head[2:]))
	_, err := io.ReadFull(in, data)
	return &ajpMessage{data: data}, err
}

// speakAJP reads a request and its body, which it has to ask for, all but the
// first packet.
func speakAJP(in *bufio.Reader, conn net.Conn) (*request, io.WriteCloser, error) {
	m, err := readAJP(in)
	if err != nil {
		return nil, nil, err
	}
	if kind := m.byte(); kind == 10 { // CPing
		_, _ = conn.Write([]byte{'A', 'B', 0, 1, 9})
		return speakAJP(in, conn)
	} else if kind != 2 {
		return nil, nil, fmt.Errorf("a packet of kind %d", kind)
	}
	got, length := m.request()
	if m.bad {
		return nil, nil, errors.New("a request that ends too early")
	}
	out := &ajpAnswer{conn: conn}
	if length == 0 {
		return got, out, nil
	}
	for first := true; length < 0 || got.Body < length; first = false {
		if !first || length < 0 {
			_, _ = conn.Write([]byte{'A', 'B', 0, 3, 6, 0x1f, 0xfa})
		}
		part, err := readAJP(in)
		if err != nil {
			return nil, nil, err
		}
		n := 0
		if len(part.data) > 0 {
			n = part.number()
		}
		if n == 0 {
			break
		}
		got.Body += n
	}
	return got, out, nil
}

// request decodes a request, and the length of its body: -1 is not known.
func (m *ajpMessage) request() (*request, int) {
	got, length := new(request), 0
	method := ""
	if code := int(m.byte()); code < len(ajpMethods) {
		method = ajpMethods[code]
	}
	protocol, uri, addr := m.text(), m.text(), m.text()
	m.text() // the client's name
	server, port, tls := m.text(), m.number(), m.byte()
	var fields [][2]string
	for range m.number() {
		var name string
		if code := m.number(); code>>8 == 0xa0 && code&0xff < len(ajpFields) {
			name = ajpFields[code&0xff]
		} else {
			name = string(m.take(code))
			m.byte()
		}
		fields = append(fields, [2]string{name, m.text()})
	}
	attributes := new(request)
	for kind := m.byte(); kind != 0xff && !m.bad; kind = m.byte() {
		switch kind {
		case 10:
			name := m.text()
			if own, ok := ajpOwn[name]; ok {
				name = own
			}
			attributes.add(name, m.text())
		case 11:
			m.number() // bits of a cipher's key
		default:
			attributes.add(ajpAttributes[kind], m.text())
		}
	}
	if query, ok := attributes.get("QUERY_STRING"); ok {
		uri += "?" + query
	}
	got.addRequest(method, uri, "")
	for name, value := range map[string]string{
		"SERVER_PROTOCOL": protocol, "REMOTE_ADDR": addr, "SERVER_NAME": server, "SERVER_PORT": strconv.Itoa(port),
		"REQUEST_SCHEME": map[bool]string{false: "http", true: "https"}[tls != 0],
	} {
		got.add(name, value)
	}
	for _, f := range fields {
		switch name := textproto.CanonicalMIMEHeaderKey(f[0]); name {
		case "Content-Length":
			got.add("CONTENT_LENGTH", f[1])
			length, _ = strconv.Atoi(f[1])
		case "Content-Type":
			got.add("CONTENT_TYPE", f[1])
		case "Transfer-Encoding":
			length = -1
		default:
			got.add("HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), f[1])
		}
	}
	for _, p := range attributes.Params {
		if p[0] != "QUERY_STRING" {
			got.Params = append(got.Params, p)
		}
	}
	return got, length
}

// ajpAnswer turns an answer of CGI into packets.
type ajpAnswer struct {
	conn io.Writer
	head bytes.Buffer
	sent bool
}

func (a *ajpAnswer) packet(content []byte) error {
	_, err := a.conn.Write(append(binary.BigEndian.AppendUint16([]byte{'A', 'B'}, uint16(len(content))), content...))
	return err
}

func ajpText(b []byte, s string) []byte {
	return append(append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...), 0)
}

func (a *ajpAnswer) Write(p []byte) (int, error) {
	if !a.sent {
		a.head.Write(p)
		head, body, ok := strings.Cut(a.head.String(), "\r\n\r\n")
		if !ok {
			return len(p), nil
		}
		a.sent = true
		lines := strings.Split(head, "\r\n")
		status, _ := strconv.Atoi(strings.Fields(lines[0])[1])
		content := ajpText(binary.BigEndian.AppendUint16([]byte{4}, uint16(status)), "Whatever")
		content = binary.BigEndian.AppendUint16(content, uint16(len(lines)-1))
		for _, line := range lines[1:] {
			name, value, _ := strings.Cut(line, ": ")
			content = ajpText(ajpText(content, name), value)
		}
		if err := a.packet(content); err != nil {
			return 0, err
		}
		if body == "" {
			return len(p), nil
		}
		_, err := a.Write([]byte(body))
		return len(p), err
	}
	for chunk := range slices.Chunk(p, 8000) {
		if err := a.packet(ajpText([]byte{3}, string(chunk))); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (a *ajpAnswer) Close() error { return a.packet([]byte{5, 0}) }
