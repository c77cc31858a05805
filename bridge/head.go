package bridge

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/scgi"
)

// maxHead is the longest head of an answer.
const maxHead = scgi.MaxHeadBytes

// errHeadShort is a head that is not complete yet.
var errHeadShort = errors.New("the head of the answer is not complete")

// rewriteHead takes the head from the start of a script's output and returns
// what the web server gets instead, with the rest of the output after it, appended to
// to; or errHeadShort.
//
// Web servers differ in what they make of a head: without a Status line Apache
// resolves "Location: /x" by itself, and a 1xx status or a Transfer-Encoding
// breaks the protocol to the browser behind all of them. So there is exactly one
// status, in the first line, and no field that is about the connection.
func rewriteHead(to, output []byte, addStatus, bodyless bool) (answer []byte, size int64, err error) {
	for {
		end := scgi.HeadEnd(output)
		if end == 0 && len(output) < maxHead {
			return nil, 0, errHeadShort
		}
		if end == 0 || end > maxHead {
			return nil, 0, scgi.ErrHeadSize
		}
		head, err := scgi.ParseHead(output[:end])
		if err != nil {
			return nil, 0, err
		}
		output = output[end:]
		if head.Status == 0 || head.Status >= 200 { // what an interim response precedes is the answer
			return appendHead(to, head, output, addStatus, bodyless)
		}
	}
}

func appendHead(answer []byte, head scgi.Head, rest []byte, addStatus, bodyless bool) (_ []byte, size int64, err error) {
	begin := len(answer)
	status, reason := head.Effective()
	if head.Status != 0 || addStatus {
		answer = append(answer, "Status: "...)
		answer = strconv.AppendInt(answer, int64(status), 10)
		answer = append(answer, ' ')
		answer = append(answer, reason...)
		answer = append(answer, "\r\n"...)
	}
	length, announced := "", int64(-1)
	for _, h := range head.Header {
		if isHopByHop(h.Name) {
			continue
		}
		if strings.EqualFold(h.Name, "Content-Length") {
			n, ok := scgi.ParseLength(h.Value)
			if !ok || (length != "" && length != h.Value) {
				return nil, 0, errors.New("bad Content-Length " + quote(h.Value))
			}
			announced = n
			if length != "" {
				continue
			}
			length = h.Value
		}
		answer = append(answer, h.Name...)
		answer = append(answer, ": "...)
		answer = append(answer, h.Value...)
		answer = append(answer, "\r\n"...)
	}
	answer = append(answer, "\r\n"...)
	if bodyless || status == 204 || status == 304 { // RFC 9112 section 6.3
		announced = 0
	}
	if size = -1; announced >= 0 {
		size = int64(len(answer)-begin) + announced
	}
	return append(answer, rest...), size, nil
}

// isHopByHop reports whether a field is about a connection, and so not the
// script's to send.
//
// Source: RFC 9110 section 7.6.1.
func isHopByHop(name string) bool {
	switch len(name) {
	case len("te"), len("trailer"), len("connection"), len("proxy-connection"), len("transfer-encoding"):
		return slices.ContainsFunc(hopByHop[:], func(other string) bool { return strings.EqualFold(name, other) })
	}
	return false // as of nearly all
}

var hopByHop = [...]string{"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
