//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"scgikit/internal/scgi"
)

// request is what a client asks for.
type request struct {
	script string
	upload int64 // bytes of a body
	least  int64 // bytes that the answer has at least
	end    string
}

// asker sends one request on a connection of its own, and looks at the answer.
type asker func(s *server, r request) error

// end is what the answers end with where that is not said.
const end = "hello\n"

// parameters are those that nginx sends for a simple request.
func (r request) parameters(s *server) []scgi.Header {
	method := "GET"
	if r.upload > 0 {
		method = "POST"
	}
	return []scgi.Header{
		{Name: "CONTENT_LENGTH", Value: strconv.FormatInt(r.upload, 10)},
		{Name: "REQUEST_METHOD", Value: method},
		{Name: "REQUEST_URI", Value: r.script},
		{Name: "QUERY_STRING", Value: ""},
		{Name: "CONTENT_TYPE", Value: ""},
		{Name: "DOCUMENT_URI", Value: r.script},
		{Name: "DOCUMENT_ROOT", Value: s.bench.scripts},
		{Name: "SCGI", Value: "1"},
		{Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"},
		{Name: "REQUEST_SCHEME", Value: "http"},
		{Name: "REMOTE_ADDR", Value: "127.0.0.1"},
		{Name: "REMOTE_PORT", Value: "40000"},
		{Name: "SERVER_PORT", Value: "80"},
		{Name: "SERVER_NAME", Value: "localhost"},
		{Name: "SCRIPT_NAME", Value: r.script},
		{Name: "SCRIPT_FILENAME", Value: s.bench.scripts + r.script},
		{Name: "HTTP_HOST", Value: "localhost"},
		{Name: "HTTP_USER_AGENT", Value: "bench"},
		{Name: "HTTP_ACCEPT", Value: "*/*"},
	}
}

// dial connects, and bounds what follows.
func (s *server) dial() (net.Conn, error) {
	conn, err := net.DialTimeout(s.network, s.address, patience)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

func askSCGI(s *server, r request) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // all of the answer has come, or an error is known
	if _, err := conn.Write(scgi.AppendRequest(nil, r.parameters(s))); err != nil {
		return err
	}
	if err := sendZeros(conn, r.upload, nil); err != nil {
		return err
	}
	return r.look(conn, "")
}

func askHTTP(s *server, r request) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // as above
	method := "GET"
	if r.upload > 0 {
		method = "POST"
	}
	head := method + " " + r.script + " HTTP/1.0\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n"
	if r.upload > 0 {
		head += "Content-Length: " + strconv.FormatInt(r.upload, 10) + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return err
	}
	if err := sendZeros(conn, r.upload, nil); err != nil {
		return err
	}
	return r.look(conn, " 200 ")
}

// askFastCGI does as nginx without keep-alive does.
//
// Source: the FastCGI 1.0 specification, sections 3, 5 and 6.2.
func askFastCGI(s *server, r request) error {
	const begin, params, stdin = 1, 4, 5
	conn, err := s.dial()
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // as above
	var pairs []byte
	for _, h := range r.parameters(s) {
		for _, text := range []string{h.Name, h.Value} {
			if len(text) < 128 {
				pairs = append(pairs, byte(len(text))) //nolint:gosec // as said
			} else {
				pairs = binary.BigEndian.AppendUint32(pairs, uint32(len(text))|1<<31) //nolint:gosec // short
			}
		}
		pairs = append(append(pairs, h.Name...), h.Value...)
	}
	head := append(recordHead(begin, 8), 0, 1, 0, 0, 0, 0, 0, 0)
	head = append(append(head, recordHead(params, len(pairs))...), pairs...)
	head = append(head, recordHead(params, 0)...)
	if r.upload == 0 {
		head = append(head, recordHead(stdin, 0)...)
	}
	if _, err := conn.Write(head); err != nil {
		return err
	}
	if r.upload > 0 {
		if err := sendZeros(conn, r.upload, func(n int) []byte { return recordHead(stdin, n) }); err != nil {
			return err
		}
		if _, err := conn.Write(recordHead(stdin, 0)); err != nil {
			return err
		}
	}
	return r.look(&records{in: bufio.NewReaderSize(conn, 64<<10)}, "")
}

// recordHead is the head of a record of request 1.
func recordHead(kind byte, length int) []byte {
	return []byte{1, kind, 0, 1, byte(length >> 8), byte(length), 0, 0} //nolint:gosec // below 65536
}

// records reads the output of a FastCGI answer.
type records struct {
	in      *bufio.Reader
	left    int // of the record
	padding int
}

func (r *records) Read(p []byte) (int, error) {
	const endRequest, stdout = 3, 6
	for r.left == 0 {
		if _, err := r.in.Discard(r.padding); err != nil {
			return 0, err
		}
		var head [8]byte
		if _, err := io.ReadFull(r.in, head[:]); err != nil {
			return 0, errors.New("the answer ends without a record that says so")
		}
		length := int(binary.BigEndian.Uint16(head[4:]))
		r.padding = int(head[6])
		switch head[1] {
		case endRequest:
			return 0, io.EOF
		case stdout:
			r.left = length
		default:
			if _, err := r.in.Discard(length); err != nil {
				return 0, err
			}
		}
	}
	n, err := r.in.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// sendZeros sends that many bytes, each piece behind what head says.
func sendZeros(w io.Writer, left int64, head func(n int) []byte) error {
	const piece = 32 << 10
	var buf []byte
	for left > 0 {
		n := int(min(left, piece))
		buf = buf[:0]
		if head != nil {
			buf = append(buf, head(n)...)
		}
		buf = append(buf, make([]byte, n)...)
		if _, err := w.Write(buf); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// look reads an answer to its end. Status is what its first line contains.
func (r request) look(in io.Reader, status string) error {
	want := r.end
	if want == "" && r.least == 0 {
		want = end
	}
	size := 4 << 10
	if r.least > 0 {
		size = 128 << 10
	}
	buf := make([]byte, size)
	var total int64
	var last []byte
	for {
		n, err := in.Read(buf)
		if total == 0 && n > 0 {
			line, _, _ := bytes.Cut(buf[:n], []byte("\n"))
			if status != "" && !bytes.Contains(line, []byte(status)) {
				return fmt.Errorf("answer %q", line)
			}
		}
		total += int64(n)
		last = append(last, buf[max(0, n-64):n]...)
		last = last[max(0, len(last)-64):]
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if total < r.least || !bytes.HasSuffix(last, []byte(want)) {
		return fmt.Errorf("answer of %d bytes that ends in %q", total, last)
	}
	return nil
}
