package generate_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
)

// speaker reads one request of a protocol, and returns what the answer is
// written to, in the form of CGI: the protocol's own form is made of it.
type speaker func(in *bufio.Reader, conn net.Conn) (*request, io.WriteCloser, error)

// plain is a connection that takes an answer as it is.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

func speakSCGI(in *bufio.Reader, conn net.Conn) (*request, io.WriteCloser, error) {
	got, err := readSCGI(in)
	return got, plain{conn}, err
}

// speakUWSGI reads four bytes, the length in two of them, then pairs of words
// with their lengths, then the body. The answer is one of HTTP.
//
// Source: https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html
func speakUWSGI(in *bufio.Reader, conn net.Conn) (*request, io.WriteCloser, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, nil, err
	}
	if head[0] != 0 || head[3] != 0 {
		return nil, nil, errors.New("no request for Python")
	}
	block := make([]byte, binary.LittleEndian.Uint16(head[1:]))
	if _, err := io.ReadFull(in, block); err != nil {
		return nil, nil, err
	}
	word := func() string {
		n := binary.LittleEndian.Uint16(block)
		text := string(block[2 : 2+n])
		block = block[2+n:]
		return text
	}
	got := new(request)
	for len(block) > 0 {
		name := word()
		got.add(name, word())
	}
	if length, _ := got.get("CONTENT_LENGTH"); length == "" {
		return got, &httpAnswer{conn: conn}, nil
	}
	return got, &httpAnswer{conn: conn}, got.readBody(in)
}

// httpAnswer turns the head of a CGI answer into one of HTTP.
type httpAnswer struct {
	conn io.Writer
	head bytes.Buffer
	sent bool
}

func (h *httpAnswer) Write(p []byte) (int, error) {
	if h.sent {
		return h.conn.Write(p)
	}
	h.head.Write(p)
	fields, body, ok := strings.Cut(h.head.String(), "\r\n\r\n")
	if !ok {
		return len(p), nil
	}
	h.sent = true
	_, err := fmt.Fprintf(h.conn, "HTTP/1.1 %s\r\nConnection: close\r\n\r\n%s", strings.TrimPrefix(fields, "Status: "), body)
	return len(p), err
}

func (h *httpAnswer) Close() error { return nil }

// speakFastCGI reads the records of one request.
//
// Source: https://fastcgi-archives.github.io/FastCGI_Specification.html
func speakFastCGI(in *bufio.Reader, conn net.Conn) (*request, io.WriteCloser, error) {
	got := new(request)
	var params []byte
	for {
		kind, content, err := fastRecord(in)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case kind == 1 && (binary.BigEndian.Uint16(content) != 1 || content[2] != 0):
			return nil, nil, errors.New("no responder, or a connection to keep")
		case kind == 4:
			params = append(params, content...)
		case kind == 5 && len(content) == 0:
			return got, &fastAnswer{conn}, got.addFast(params)
		case kind == 5:
			got.Body += len(content)
		}
	}
}

func fastRecord(in io.Reader) (kind byte, content []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0] != 1 {
		return 0, nil, errors.New("not version 1")
	}
	length := int(binary.BigEndian.Uint16(head[4:]))
	content = make([]byte, length+int(head[6]))
	_, err = io.ReadFull(in, content)
	return head[1], content[:length], err
}

// addFast adds name-value pairs, whose lengths take one byte or four.
func (r *request) addFast(params []byte) error {
	length := func() int {
		if len(params) > 0 && params[0] < 0x80 {
			n := int(params[0])
			params = params[1:]
			return n
		}
		if len(params) < 4 {
			return -1
		}
		n := int(binary.BigEndian.Uint32(params) & 0x7fffffff)
		params = params[4:]
		return n
	}
	for len(params) > 0 {
		name, value := length(), length()
		if name < 0 || value < 0 || name+value > len(params) {
			return errors.New("bad lengths")
		}
		r.add(string(params[:name]), string(params[name:name+value]))
		params = params[name+value:]
	}
	return nil
}

type fastAnswer struct{ conn io.Writer }

func (f *fastAnswer) record(kind byte, content []byte) error {
	head := []byte{1, kind, 0, 1, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(head[4:], uint16(len(content)))
	_, err := f.conn.Write(append(head, content...))
	return err
}

func (f *fastAnswer) Write(p []byte) (int, error) {
	for chunk := range slices.Chunk(p, 32<<10) {
		if err := f.record(6, chunk); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (f *fastAnswer) Close() error {
	return errors.Join(f.record(6, nil), f.record(3, make([]byte, 8)))
}

// speakHTTP reads a request of HTTP, and names what it says as the other
// protocols name it: X-Forwarded-Prefix is SCRIPT_NAME, and so on.
func speakHTTP(in *bufio.Reader, conn net.Conn) (*request, io.WriteCloser, error) {
	r, err := http.ReadRequest(in)
	if err != nil {
		return nil, nil, err
	}
	if !r.Close {
		return nil, nil, errors.New("a connection to keep")
	}
	got := new(request)
	body, err := io.Copy(io.Discard, r.Body)
	got.Body = int(body)
	prefix := r.Header.Get("X-Forwarded-Prefix")
	got.addRequest(r.Method, r.RequestURI, prefix)
	got.add("REMOTE_ADDR", strings.Join(r.Header.Values("X-Forwarded-For"), ", "))
	got.add("REQUEST_SCHEME", strings.Join(r.Header.Values("X-Forwarded-Proto"), ", "))
	got.add("CONTENT_TYPE", r.Header.Get("Content-Type"))
	got.add("HTTP_HOST", r.Host)
	if r.ContentLength > 0 {
		got.add("CONTENT_LENGTH", fmt.Sprint(r.ContentLength))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			got.add("HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), value)
		}
	}
	return got, &httpAnswer{conn: conn}, err
}

// addRequest adds what a request target says, below a mount.
func (r *request) addRequest(method, uri, prefix string) {
	path, query, _ := strings.Cut(uri, "?")
	r.add("REQUEST_METHOD", method)
	r.add("REQUEST_URI", uri)
	r.add("QUERY_STRING", query)
	r.add("SCRIPT_NAME", prefix)
	r.add("PATH_INFO", strings.TrimPrefix(unescape(path), prefix))
}

// unescape decodes a path, and leaves what is no escape as it is.
func unescape(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		var c byte
		if n, _ := fmt.Sscanf(path[i:min(i+3, len(path))], "%%%02x", &c); n == 1 {
			b.WriteByte(c)
			i += 2
			continue
		}
		b.WriteByte(path[i])
	}
	return b.String()
}
