package devserver

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"scgikit/internal/scgi"
)

// speakUWSGI sends the parameters as they are. The answer is one of HTTP, or of CGI.
//
// Source: https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html
func speakUWSGI(x *translation) error {
	head, err := uwsgiHead(x.request.Headers)
	if err != nil {
		return err
	}
	x.send(func() error {
		if _, err := x.app.Write(head); err != nil {
			return err
		}
		_, err := io.Copy(x.app, x.body)
		return err
	})
	source := bufio.NewReaderSize(x.app, copyBuffer)
	status, reason, fields, err := scgi.ReadResponseHead(source)
	if err != nil {
		return err
	}
	var answer bytes.Buffer
	fmt.Fprintf(&answer, "Status: %d %s\r\n", status, reason)
	for _, f := range fields {
		fmt.Fprintf(&answer, "%s: %s\r\n", f.Name, f.Value)
	}
	answer.WriteString("\r\n")
	if _, err := x.answer.Write(answer.Bytes()); err != nil {
		return err
	}
	_, err = io.Copy(x.answer, source)
	return err
}

// uwsgiHead returns the packet of a request for Python: its size, and pairs of words
// with their sizes before them.
func uwsgiHead(params []scgi.Header) ([]byte, error) {
	packet := make([]byte, 4) // modifier1, two bytes of size, modifier2
	for _, p := range params {
		if p.Name == "SCGI" {
			continue
		}
		for _, word := range []string{p.Name, p.Value} {
			if len(word) > math.MaxUint16 {
				return nil, errLongForUWSGI
			}
			packet = binary.LittleEndian.AppendUint16(packet, uint16(len(word))) //nolint:gosec // it fits
			packet = append(packet, word...)
		}
	}
	size := len(packet) - 4
	if size > math.MaxUint16 {
		return nil, errLongForUWSGI
	}
	binary.LittleEndian.PutUint16(packet[1:], uint16(size))
	return packet, nil
}

// errLongForUWSGI is a request that the protocol has no room for.
var errLongForUWSGI = fmt.Errorf("its parameters are longer than the %d bytes that uwsgi carries", math.MaxUint16)
