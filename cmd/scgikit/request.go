package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"scgikit/internal/devserver"
	"scgikit/internal/scgi"
)

// requestFlags are the flags of request.
type requestFlags struct {
	method  string
	headers []string
	data    string
	hasData bool
	include bool
	raw     bool
	fail    bool
	mount   string
	host    string
	params  []string
	timeout time.Duration
}

func newRequestCmd(e *env) *cobra.Command {
	var flags requestFlags
	cmd := &cobra.Command{
		Use:   "request ADDR PATH",
		Short: "send one SCGI request to an app",
		Long: `Sends one SCGI request, as a web server would, and prints the body of the answer:
curl for SCGI. ADDR is host:port, unix:/path, or fd:N for a connection that the
caller has opened. PATH is a request target, with its query.

An answer with any status is exit code 0, unless --fail is given; no connection,
or an answer that no web server would accept, is 1.`,
		Example: `  scgikit request 127.0.0.1:8040 --mount /blog '/blog/?page=2' -i
  scgikit request unix:/run/blog.sock / -H 'Accept-Language: de' -d text=hello
  scgikit request 127.0.0.1:8040 / --param REMOTE_USER=ann -o json`,
		GroupID: groupRun,
		Args:    wants(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.hasData = cmd.Flags().Changed("data")
			return e.request(cmd.Context(), &flags, args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&flags.method, "request", "X", "", "`METHOD`; default GET, or POST with --data")
	f.StringArrayVarP(&flags.headers, "header", "H", nil, "header field, `NAME: VALUE`; repeatable")
	f.StringVarP(&flags.data, "data", "d", "", "request body: `TEXT`, @FILE for what a file holds, or @- for standard input")
	f.BoolVarP(&flags.include, "include", "i", false, "print the head of the answer as well")
	f.BoolVar(&flags.raw, "raw", false, "print the answer byte by byte as it comes, whether it is one or not")
	f.BoolVar(&flags.fail, "fail", false, "exit code 1 for a status of 400 or more")
	f.StringVar(&flags.mount, "mount", "/", "`PREFIX` that becomes SCRIPT_NAME; the rest of the path is PATH_INFO")
	f.StringVar(&flags.host, "host", "localhost", "`HOST`, with a port if there is one, for HTTP_HOST and SERVER_NAME")
	f.StringArrayVar(&flags.params, "param", nil, "SCGI parameter, `NAME=VALUE`, in place of what it would be; repeatable")
	f.DurationVar(&flags.timeout, "timeout", time.Minute, "`TIME` for all of it; 0 is no limit")
	return cmd
}

// request sends the request and prints the answer.
func (e *env) request(ctx context.Context, flags *requestFlags, addr, target string) error {
	if flags.raw && (flags.include || flags.fail || e.settings.Output != "text") {
		return usagef("leave one of them out", "--raw prints the answer without looking at it, so --include, --fail and -o have no meaning")
	}
	body, err := e.requestBody(flags)
	if err != nil {
		return err
	}
	message, err := requestMessage(flags, target, body)
	if err != nil {
		return err
	}
	if flags.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flags.timeout)
		defer cancel()
	}
	conn, err := dialSCGI(ctx, addr)
	if err != nil {
		return err
	}
	// Ends both directions in time, or at a Control-C.
	release := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer release()
	var sender sync.WaitGroup
	sender.Go(func() {
		// An app may answer without reading all of it; the answer counts.
		_, _ = conn.Write(message)
	})
	err = e.printAnswer(flags, conn)
	_ = conn.Close() // whatever there was to read is read
	sender.Wait()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && err != nil {
		return failf(exitFailed, "raise --timeout", "%s did not answer within %v", addr, flags.timeout)
	}
	return err
}

// requestBody returns what --data means.
func (e *env) requestBody(flags *requestFlags) ([]byte, error) {
	name, isFile := strings.CutPrefix(flags.data, "@")
	switch {
	case !isFile:
		return []byte(flags.data), nil
	case name == "-":
		return io.ReadAll(e.stdin)
	}
	return os.ReadFile(e.path(name))
}

// requestMessage returns the bytes of the request.
func requestMessage(flags *requestFlags, target string, body []byte) ([]byte, error) {
	r, err := requestHead(flags)
	if err != nil {
		return nil, err
	}
	t, err := devserver.ParseTarget(target)
	if err != nil {
		return nil, usagef("write it as a browser sends it, for example '/blog/?page=2'", "%q: %w", target, err)
	}
	script := strings.TrimSuffix(flags.mount, "/")
	info, ok := strings.CutPrefix(t.Path, script)
	if !ok || (info != "" && info[0] != '/') {
		return nil, usagef("", "the path %s is not below --mount %s", t.Path, flags.mount)
	}
	params, err := requestParams(flags)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	m := devserver.Mount{Script: script, PathInfo: info, Params: params}
	if err := scgi.WriteRequest(&b, devserver.Params(r, t, m), int64(len(body))); err != nil {
		return nil, usagef("", "%w", err)
	}
	b.Write(body)
	return b.Bytes(), nil
}

// requestHead returns the method and header fields as an HTTP request.
func requestHead(flags *requestFlags) (*http.Request, error) {
	r := &http.Request{Method: flags.method, Proto: "HTTP/1.1", Host: flags.host, RemoteAddr: "127.0.0.1:0", Header: make(http.Header)}
	for _, field := range flags.headers {
		name, value, ok := strings.Cut(field, ":")
		if !ok || !scgi.IsToken(name) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, usagef("for example -H 'Accept: text/html'", "-H %q is not NAME: VALUE", field)
		}
		r.Header.Add(name, strings.Trim(value, " \t"))
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	if r.Method == "" {
		r.Method = http.MethodGet
		if flags.hasData {
			r.Method = http.MethodPost
		}
	}
	if !scgi.IsToken(r.Method) {
		return nil, usagef("", "-X %q is not a method", flags.method)
	}
	if flags.hasData && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r, nil
}

// requestParams returns the parameters that differ from what dev would send.
func requestParams(flags *requestFlags) (map[string]string, error) {
	params := map[string]string{"SERVER_SOFTWARE": "scgikit-request"}
	if _, port, err := net.SplitHostPort(flags.host); err == nil {
		params["SERVER_PORT"] = port
	}
	for _, pair := range flags.params {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usagef("for example --param REMOTE_USER=ann", "--param %q is not NAME=VALUE", pair)
		}
		if name == "CONTENT_LENGTH" || name == "SCGI" {
			return nil, usagef("", "--param %s: the protocol sets it", name)
		}
		params[name] = value
	}
	return params, nil
}

// dialSCGI connects to an ADDR of the command line.
func dialSCGI(ctx context.Context, addr string) (net.Conn, error) {
	if text, ok := strings.CutPrefix(addr, "fd:"); ok {
		fd, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, usagef("for example fd:3", "%s names no descriptor", addr)
		}
		return inherited(uintptr(fd), addr)
	}
	network, place := "tcp", addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, place = "unix", path
	} else if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, usagef("write host:port, unix:/path or fd:N", "%q is not an address", addr)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, place)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, os.ErrPermission):
		return nil, failf(exitPermission, "look at the owner and mode of the socket, and of the folders above it", "%w", err)
	}
	return nil, failf(exitFailed, "does the app run, and listen there?", "%w", err)
}

// inherited returns a connection that the caller has opened.
func inherited(fd uintptr, addr string) (net.Conn, error) {
	file := os.NewFile(fd, addr)
	if file == nil {
		return nil, usagef("", "%s is not open", addr)
	}
	defer file.Close() //nolint:errcheck // FileConn has a copy
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, usagef("", "%s is no connected socket: %w", addr, err)
	}
	return conn, nil
}

// answerJSON is the answer as -o json prints it. A body that is no UTF-8 text
// is encoded.
type answerJSON struct {
	Status     int           `json:"status"`
	Reason     string        `json:"reason"`
	Headers    []answerField `json:"headers"`
	Body       string        `json:"body"`
	BodyBase64 string        `json:"body_base64,omitempty"`
}

type answerField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// printAnswer prints what comes back, as it comes where the form allows.
func (e *env) printAnswer(flags *requestFlags, conn io.Reader) error {
	if flags.raw {
		n, err := io.Copy(e.stdout, conn)
		if n == 0 && err == nil {
			return failf(exitFailed, "", "the answer is empty")
		}
		return err
	}
	answer := bufio.NewReader(conn)
	status, reason, header, err := scgi.ReadResponseHead(answer)
	if err != nil {
		return failf(exitFailed, "see what came: --raw", "no answer that a web server would accept: %w", err)
	}
	if e.settings.Output == "text" {
		err = e.printText(flags.include, status, reason, header, answer)
	} else {
		err = e.printStructured(status, reason, header, answer)
	}
	if err == nil && flags.fail && status >= http.StatusBadRequest {
		return failf(exitFailed, "", "the status is %d %s", status, reason)
	}
	return err
}

func (e *env) printText(include bool, status int, reason string, header []scgi.Header, body io.Reader) error {
	e.emitted = true
	if include {
		if _, err := fmt.Fprintf(e.stdout, "Status: %d %s\n", status, reason); err != nil {
			return err
		}
		for _, h := range header {
			if _, err := fmt.Fprintf(e.stdout, "%s: %s\n", h.Name, h.Value); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(e.stdout); err != nil {
			return err
		}
	}
	if _, err := io.Copy(e.stdout, body); err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	return nil
}

func (e *env) printStructured(status int, reason string, header []scgi.Header, body io.Reader) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	result := answerJSON{Status: status, Reason: reason, Headers: []answerField{}}
	for _, h := range header {
		result.Headers = append(result.Headers, answerField(h))
	}
	if utf8.Valid(text) {
		result.Body = string(text)
	} else {
		result.BodyBase64 = base64.StdEncoding.EncodeToString(text)
	}
	return e.result(result, nil)
}
