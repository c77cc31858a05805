package devserver

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"scgikit/internal/scgi"
)

// newHTTPSpeaker returns a speaker that sends what the generated configuration has
// the web servers send: the path as the client wrote it, with the mount in it, and
// what variables say to others in four fields. Those that only the server may set
// do not pass.
func newHTTPSpeaker(serverFields []string) speaker {
	own := make(map[string]bool)
	for _, name := range serverFields {
		own[http.CanonicalHeaderKey(name)] = true
	}
	return func(x *translation) error {
		head, err := httpHead(&x.request, own)
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
		return x.passHTTPAnswer()
	}
}

// errNotOneLine is a value that would be more than one line of a head.
var errNotOneLine = errors.New("a parameter of the request holds the end of a line")

// httpHead returns the head of the request, of which the body follows.
func httpHead(request *scgi.Request, own map[string]bool) ([]byte, error) {
	get := func(name string) string {
		value, _ := request.Get(name)
		return value
	}
	var fields []scgi.Header
	add := func(name, value string) { fields = append(fields, scgi.Header{Name: name, Value: value}) }
	add("Host", get("HTTP_HOST"))
	add("Connection", "close")
	add("X-Forwarded-For", get("REMOTE_ADDR"))
	add("X-Forwarded-Host", get("HTTP_HOST"))
	add("X-Forwarded-Proto", get("REQUEST_SCHEME"))
	add("X-Forwarded-Prefix", get("SCRIPT_NAME"))
	if value, ok := request.Get("CONTENT_TYPE"); ok && value != "" {
		add("Content-Type", value)
	}
	method := get("REQUEST_METHOD")
	if request.ContentLength > 0 || (method != http.MethodGet && method != http.MethodHead) {
		add("Content-Length", strconv.FormatInt(request.ContentLength, 10))
	}
	for _, h := range request.Headers {
		name, ok := strings.CutPrefix(h.Name, "HTTP_")
		name = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
		// A program that waits for the body is answered by the web server.
		if ok && !own[name] && !isPrivateField(name) && name != "Expect" {
			add(name, h.Value)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, get("REQUEST_URI"))
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	// One more than there are fields: the request line.
	if bytes.Count(b.Bytes(), []byte("\n")) != len(fields)+1 || bytes.Count(b.Bytes(), []byte("\r")) != len(fields)+1 {
		return nil, errNotOneLine
	}
	b.WriteString("\r\n")
	return b.Bytes(), nil
}

// passHTTPAnswer passes the answer on, in the form of CGI. Heads with a status of
// 1xx are skipped.
func (x *translation) passHTTPAnswer() error {
	method, _ := x.request.Get("REQUEST_METHOD")
	source := bufio.NewReaderSize(x.app, copyBuffer)
	var answer *http.Response
	for answer == nil || answer.StatusCode < http.StatusOK {
		var err error
		if answer, err = http.ReadResponse(source, &http.Request{Method: method}); err != nil {
			return err
		}
	}
	var head bytes.Buffer
	_, reason, _ := strings.Cut(answer.Status, " ")
	fmt.Fprintf(&head, "Status: %d %s\r\n", answer.StatusCode, reason)
	for name := range answer.Header {
		if isHopByHop(name) {
			answer.Header.Del(name)
		}
	}
	// A length that is named twice, or not by the answer itself, is dropped or right.
	if answer.ContentLength >= 0 && answer.Header.Get("Content-Length") != "" {
		answer.Header.Set("Content-Length", strconv.FormatInt(answer.ContentLength, 10))
	}
	if err := answer.Header.Write(&head); err != nil {
		return err
	}
	head.WriteString("\r\n")
	if _, err := x.answer.Write(head.Bytes()); err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // the connection is closed with it
	_, err := io.Copy(x.answer, answer.Body)
	return err
}
