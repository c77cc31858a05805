package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"

	"scgikit/internal/devserver"
	"scgikit/internal/fastcgi"
	"scgikit/internal/scgi"
)

// The protocols that request speaks.
const (
	protocolSCGI    = "scgi"
	protocolFastCGI = "fastcgi"
)

// requestID is the number of the only request on a FastCGI connection.
const requestID = 1

// maxSpooled is how much of a body, or of a request to replay, is read from what
// has no size: standard input, a pipe. Its length has to be known before it is
// sent, so it is put in a temporary file; one that never ends must not fill the
// disk.
const maxSpooled = 1 << 30

// errSlowInput is a body that does not come to its end in the time there is.
var errSlowInput = errors.New("did not end in time")

// outgoing is a request to be sent.
type outgoing struct {
	protocol string // what the answer is read as
	head     []byte // sent before the body
	body     *requestBody
	stdin    bool // the body goes in records of FastCGI
}

// writeTo sends the request. What the connection does not take is no error; what
// cannot be read is.
func (o *outgoing) writeTo(w io.Writer) error {
	into := &firstError{w: w}
	_, _ = into.Write(o.head)
	if !o.stdin {
		return o.body.copyTo(into)
	}
	stream := &fastcgi.Stream{W: into, Kind: fastcgi.Stdin, ID: requestID}
	err := o.body.copyTo(&firstError{w: stream})
	if err == nil {
		_ = stream.Close() // into has the error
	}
	return err
}

func (o *outgoing) close() { o.body.close() }

// requestBody is a body, or a whole request, of a known size. It can be read more
// than once.
type requestBody struct {
	name string
	from io.ReaderAt
	size int64
	file *os.File // to be closed; nil for none
}

// copyTo writes all of it, or up to an error of w, which is the receiver's affair.
// The error that it returns is one of reading.
func (b *requestBody) copyTo(w *firstError) error {
	n, err := io.Copy(w, io.NewSectionReader(b.from, 0, b.size))
	if err == nil && n < b.size {
		err = fmt.Errorf("%s has become shorter while it was sent: %d bytes, not %d", b.name, n, b.size)
	}
	if w.err == nil {
		return err
	}
	return nil
}

func (b *requestBody) close() {
	if b.file != nil {
		b.file.Close() //nolint:errcheck // only read from, or unlinked
	}
}

// firstError is a writer that keeps its first error, to tell it from one of the
// reader, and writes nothing after it.
type firstError struct {
	w   io.Writer
	err error
}

func (f *firstError) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.w.Write(p)
	f.err = err
	return n, err
}

// openBody returns what a file holds, or for "-" standard input.
func (e *env) openBody(ctx context.Context, name string) (*requestBody, error) {
	if name == "-" {
		return spoolBody(ctx, "standard input", maxSpooled, func() (io.Reader, error) { return e.stdin, nil })
	}
	path := e.path(name)
	// A FIFO that nobody writes to would not let a plain open return.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() {
		return &requestBody{name: path, from: file, size: info.Size(), file: file}, nil
	}
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", path)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return spoolBody(ctx, path, maxSpooled, func() (io.Reader, error) { return os.Open(path) })
}

// spoolBody reads a source of unknown size to its end, into an unlinked temporary
// file. A read that does not come back is left behind when the context ends; the
// process does not outlive it.
func spoolBody(ctx context.Context, name string, limit int64, open func() (io.Reader, error)) (*requestBody, error) {
	file, err := os.CreateTemp("", "scgikit-request-")
	if err != nil {
		return nil, err
	}
	// At once: nothing is left behind however this ends.
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	type result struct {
		size int64
		err  error
	}
	done := make(chan result, 1)
	go func() {
		source, err := open()
		if err != nil {
			done <- result{err: err}
			return
		}
		n, err := io.Copy(file, io.LimitReader(source, limit+1))
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		switch {
		case r.err != nil:
			return nil, errors.Join(r.err, file.Close())
		case r.size > limit:
			return nil, errors.Join(failf(exitFailed, "put it in a file, which may be of any size", "%s has more than %d MiB", name, limit>>20), file.Close())
		}
		return &requestBody{name: name, from: file, size: r.size, file: file}, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, failf(exitFailed, "raise --timeout", "%s: %w", name, errSlowInput)
		}
		return nil, ctx.Err()
	}
}

// newRequest returns the request that the flags describe.
func (e *env) newRequest(ctx context.Context, flags *requestFlags, target string) (*outgoing, error) {
	if flags.protocol != protocolSCGI && flags.protocol != protocolFastCGI {
		return nil, usagef("--protocol scgi or --protocol fastcgi", "--protocol %s: request speaks no such protocol", flags.protocol)
	}
	params, err := e.requestParams(flags, target)
	if err != nil {
		return nil, err
	}
	o := &outgoing{protocol: flags.protocol, stdin: flags.protocol == protocolFastCGI}
	if name, isFile := strings.CutPrefix(flags.data, "@"); isFile {
		if o.body, err = e.openBody(ctx, name); err != nil {
			return nil, err
		}
	} else {
		o.body = &requestBody{from: strings.NewReader(flags.data), size: int64(len(flags.data))}
	}
	if o.head, err = encodeHead(flags.protocol, params, o.body.size); err != nil {
		o.close()
		return nil, usagef("", "%w", err)
	}
	return o, nil
}

// encodeHead returns what precedes the body.
func encodeHead(protocol string, params []scgi.Header, size int64) ([]byte, error) {
	var block bytes.Buffer
	// It checks what neither protocol can carry, too.
	if err := scgi.WriteRequest(&block, params, size); err != nil || protocol == protocolSCGI {
		return block.Bytes(), err
	}
	list := fastcgi.AppendPair(nil, "CONTENT_LENGTH", strconv.FormatInt(size, 10))
	for _, p := range params {
		list = fastcgi.AppendPair(list, p.Name, p.Value)
	}
	var b bytes.Buffer
	b.Write(fastcgi.AppendBegin(nil, requestID))
	stream := &fastcgi.Stream{W: &b, Kind: fastcgi.Params, ID: requestID}
	// A buffer takes everything.
	_, _ = stream.Write(list)
	_ = stream.Close()
	return b.Bytes(), nil
}

// requestParams returns the parameters of the request, but for those about the
// length of its body.
func (e *env) requestParams(flags *requestFlags, target string) ([]scgi.Header, error) {
	r, err := e.requestHead(flags)
	if err != nil {
		return nil, err
	}
	t, err := devserver.ParseTarget(target)
	if err == nil && strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		err = errors.New("the request target holds a blank or a control character")
	}
	if err != nil {
		return nil, usagef("write it as a browser sends it, for example '/blog/?page=2'", "%q: %w", target, err)
	}
	script := strings.TrimSuffix(flags.mount, "/")
	info, ok := strings.CutPrefix(t.Path, script)
	if !ok || (info != "" && info[0] != '/') {
		return nil, usagef("", "the path %s is not below --mount %s", t.Path, flags.mount)
	}
	constants, err := requestConstants(flags)
	if err != nil {
		return nil, err
	}
	return devserver.Params(r, t, devserver.Mount{Script: script, PathInfo: info, Params: constants}), nil
}

// hasControl reports whether a text holds what no web server lets through in a
// field: one that ends a line would be a second field to a careless reader.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(c rune) bool { return c != '\t' && (c < ' ' || c == 0x7f) })
}

// requestHead returns the method and header fields as an HTTP request.
func (e *env) requestHead(flags *requestFlags) (*http.Request, error) {
	r := &http.Request{Method: flags.method, Proto: "HTTP/1.1", Host: flags.host, RemoteAddr: "127.0.0.1:0", Header: make(http.Header)}
	for _, field := range flags.headers {
		name, value, ok := strings.Cut(field, ":")
		if !ok || !scgi.IsToken(name) || hasControl(value) {
			return nil, usagef("for example -H 'Accept: text/html'", "-H %q is not NAME: VALUE", field)
		}
		r.Header.Add(name, strings.Trim(value, " \t"))
		if !devserver.Passes(name) && !strings.EqualFold(name, "Host") && !strings.EqualFold(name, "Content-Type") {
			e.say("note: web servers do not pass %s on, so it is not sent; --param sets any parameter", name)
		}
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	if hasControl(r.Host) || strings.ContainsAny(r.Host, " \t") {
		return nil, usagef("for example --host shop.example:8080", "--host %q is no host", r.Host)
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

// requestConstants returns the parameters that differ from what dev would send.
func requestConstants(flags *requestFlags) (map[string]string, error) {
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
