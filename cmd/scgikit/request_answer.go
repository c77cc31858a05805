package main

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"scgikit/internal/fastcgi"
	"scgikit/internal/printable"
	"scgikit/internal/scgi"
)

// maxStructured is the longest body of an answer that -o json and yaml hold.
const maxStructured = 64 << 20

// answerJSON is the answer as -o json prints it. A body that is no UTF-8 text
// stands in BodyBase64.
type answerJSON struct {
	Status     int           `json:"status"`
	Reason     string        `json:"reason"`
	Headers    []answerField `json:"headers"`
	Body       string        `json:"body"`
	BodyBase64 string        `json:"body_base64,omitempty"`
	Time       *answerTime   `json:"time,omitempty"`
}

type answerField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// answerTime is how long a request took, from its start, in milliseconds.
type answerTime struct {
	Connected float64 `json:"connected_ms"`
	FirstByte float64 `json:"first_byte_ms"`
	Total     float64 `json:"total_ms"`
}

// stopwatch takes the times of one request.
type stopwatch struct {
	began, connected, first time.Time
	bytes                   int64
}

// times returns them, now that all of it has come.
func (w *stopwatch) times() *answerTime {
	ms := func(t time.Time) float64 {
		return float64(t.Sub(w.began).Round(10*time.Microsecond)) / float64(time.Millisecond)
	}
	return &answerTime{Connected: ms(w.connected), FirstByte: ms(w.first), Total: ms(time.Now())}
}

// watchedReader tells a stopwatch what comes.
type watchedReader struct {
	conn  net.Conn
	watch *stopwatch
}

func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.conn.Read(p)
	if n > 0 && r.watch.bytes == 0 {
		r.watch.first = time.Now()
	}
	r.watch.bytes += int64(n)
	return n, err
}

// printAnswer prints what comes back, as it comes where the form allows.
func (e *env) printAnswer(flags *requestFlags, protocol string, conn io.Reader, watch *stopwatch) error {
	err := e.printForm(flags, protocol, conn, watch)
	if flags.time && watch.bytes > 0 && e.settings.Output == "text" {
		t := watch.times()
		e.talk("time: connected after %.2f ms, first byte after %.2f ms, all %d bytes after %.2f ms", t.Connected, t.FirstByte, watch.bytes, t.Total)
	}
	return err
}

func (e *env) printForm(flags *requestFlags, protocol string, conn io.Reader, watch *stopwatch) error {
	if flags.raw {
		out := e.bodyWriter()
		n, err := io.Copy(out, conn)
		if n == 0 && err == nil {
			return failf(exitFailed, "", "the answer is empty")
		}
		return errors.Join(err, out.end())
	}
	var records *fastcgi.Answer
	if protocol == protocolFastCGI {
		told := &lineTeller{e: e}
		defer told.end()
		records = &fastcgi.Answer{Source: conn, ID: requestID, Stderr: told.take}
		conn = records
	}
	answer := bufio.NewReader(conn)
	status, reason, header, err := scgi.ReadResponseHead(answer)
	if err != nil {
		return failf(exitFailed, "see what came: --raw", "no answer that a web server would accept: %w", err)
	}
	if e.settings.Output == "text" {
		err = e.printText(flags.include, status, reason, header, answer)
	} else {
		err = e.printStructured(flags, status, reason, header, answer, watch)
	}
	if err == nil && records != nil && records.Exit != 0 {
		e.say("note: the app ended the request with %d, not 0", records.Exit)
	}
	if err == nil && flags.fail && status >= http.StatusBadRequest {
		return failf(exitFailed, "", "the status is %d %s", status, reason)
	}
	return err
}

func (e *env) printText(include bool, status int, reason string, header []scgi.Header, body io.Reader) error {
	e.emitted = true
	out := e.bodyWriter()
	if include {
		fmt.Fprintf(out, "Status: %d %s\n", status, reason)
		for _, h := range header {
			fmt.Fprintf(out, "%s: %s\n", h.Name, h.Value)
		}
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
	}
	into := &firstError{w: out}
	if _, err := io.Copy(into, body); err != nil {
		if into.err != nil {
			return err // of our own output
		}
		return errors.Join(out.end(), fmt.Errorf("the answer broke off: %w", err))
	}
	return out.end()
}

func (e *env) printStructured(flags *requestFlags, status int, reason string, header []scgi.Header, body io.Reader, watch *stopwatch) error {
	text, err := io.ReadAll(io.LimitReader(body, maxStructured+1))
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	if len(text) > maxStructured {
		return failf(exitFailed, "leave -o out, which prints it as it comes", "the answer is longer than %d MiB", maxStructured>>20)
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
	if flags.time {
		result.Time = watch.times()
	}
	return e.result(result, nil)
}

// bodyWriter returns where answers go: standard output, as they are unless that is
// a terminal.
func (e *env) bodyWriter() *bodyWriter {
	return &bodyWriter{w: e.stdout, terminal: isTerminal(e.stdout)}
}

// bodyWriter writes what a terminal would obey as \xNN. A character that is cut
// between two writes is kept for the second.
type bodyWriter struct {
	w        io.Writer
	terminal bool
	cut      []byte
}

func (b *bodyWriter) Write(p []byte) (int, error) {
	if !b.terminal {
		return b.w.Write(p)
	}
	text := slices.Concat(b.cut, p)
	whole := len(text)
	for i := max(0, whole-utf8.UTFMax+1); i < whole; i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			whole = i
		}
	}
	b.cut = text[whole:]
	if err := b.show(string(text[:whole])); err != nil {
		return 0, err
	}
	return len(p), nil
}

// show writes lines, with their ends and tabs.
func (b *bodyWriter) show(text string) error {
	var out strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			out.WriteByte('\n')
		}
		for j, cell := range strings.Split(line, "\t") {
			if j > 0 {
				out.WriteByte('\t')
			}
			out.WriteString(printable.Text(cell))
		}
	}
	_, err := io.WriteString(b.w, out.String())
	return err
}

// end writes what was kept.
func (b *bodyWriter) end() error {
	text := string(b.cut)
	b.cut = nil
	if text == "" {
		return nil
	}
	return b.show(text)
}

// maxTold is the longest line of an app's standard error that is told as one.
const maxTold = 4 << 10

// lineTeller tells an app's standard error line by line.
type lineTeller struct {
	e    *env
	rest string
}

func (l *lineTeller) take(text []byte) {
	lines := strings.Split(l.rest+string(text), "\n")
	for _, line := range lines[:len(lines)-1] {
		l.tell(line)
	}
	if l.rest = lines[len(lines)-1]; len(l.rest) >= maxTold {
		l.end()
	}
}

func (l *lineTeller) end() {
	if l.rest != "" {
		l.tell(l.rest)
		l.rest = ""
	}
}

func (l *lineTeller) tell(line string) {
	l.e.talk("the app says: %s", printable.Text(strings.TrimRight(line, "\r")))
}
