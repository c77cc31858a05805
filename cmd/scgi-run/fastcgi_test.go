package main

import (
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"scgikit/internal/fastcgi"
)

// record is a record with its content.
func record(kind fastcgi.Kind, id uint16, content string) string {
	return string(fastcgi.AppendHead(nil, kind, id, len(content))) + content
}

// beginning is the record that begins a request.
func beginning(id uint16, role byte, keep bool) string {
	flags := byte(0)
	if keep {
		flags = 1
	}
	return record(fastcgi.Begin, id, string([]byte{0, role, flags, 0, 0, 0, 0, 0}))
}

// stream is a text as records of one kind, without the empty one at the end.
func stream(kind fastcgi.Kind, id uint16, text string) string {
	var b strings.Builder
	for len(text) > 0 {
		n := min(len(text), fastcgi.MaxContent)
		b.WriteString(record(kind, id, text[:n]))
		text = text[n:]
	}
	return b.String()
}

func paramsOf(headers []header) string {
	var pairs []byte
	for _, h := range headers {
		pairs = fastcgi.AppendPair(pairs, h.Name, h.Value)
	}
	return string(pairs)
}

// fastcgiRequest is a whole request.
func fastcgiRequest(id uint16, keep bool, headers []header, body string) string {
	return beginning(id, fastcgi.Responder, keep) +
		stream(fastcgi.Params, id, paramsOf(headers)) + record(fastcgi.Params, id, "") +
		stream(fastcgi.Stdin, id, body) + record(fastcgi.Stdin, id, "")
}

// outputOf is the output in an answer to one request.
func outputOf(t *testing.T, raw string) string {
	t.Helper()
	output, others := recordsOf(t, raw)
	if want := []string{"end 1 0"}; !slices.Equal(others, want) {
		t.Errorf("records beside the output: %q, want %q", others, want)
	}
	return output
}

// recordsOf reads records: the output, and what else there is.
func recordsOf(t *testing.T, raw string) (output string, others []string) {
	t.Helper()
	var d fastcgi.Decoder
	var content string
	for data := []byte(raw); len(data) > 0; {
		p, n, err := d.Next(data)
		if err != nil || n == 0 {
			t.Errorf("no record: %.100q, %v", data, err)
			return output, others
		}
		data = data[n:]
		content += string(p.Data)
		if !p.Last {
			continue
		}
		id := strconv.Itoa(int(p.ID))
		switch p.Kind { //nolint:exhaustive // others are errors
		case fastcgi.Stdout:
			output += content
		case fastcgi.End:
			others = append(others, "end "+id+" "+strconv.Itoa(int(content[4])))
		case fastcgi.ValuesResult:
			others = append(others, "values "+content)
		case fastcgi.Unknown:
			others = append(others, "unknown "+strconv.Itoa(int(content[0])))
		default:
			t.Errorf("record of kind %d", p.Kind)
		}
		content = ""
	}
	return output, others
}

// What is sent, and what must come back.
func TestFastCGI(t *testing.T) {
	t.Parallel()
	const (
		ok       = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n"
		hello    = ok + "hello\n"
		bad      = "Status: 400 Bad Request\r\n"
		overlong = "Status: 413 Content Too Large\r\n"
	)
	headers := func(more ...header) []header {
		return append([]header{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/hello"}}, more...)
	}
	post := func(length string) []header {
		list := []header{{"REQUEST_METHOD", "POST"}, {"SCRIPT_NAME", "/length"}}
		if length != "" {
			list = append(list, header{"CONTENT_LENGTH", length})
		}
		return list
	}
	get := fastcgiRequest(1, false, headers(), "")
	open := beginning(1, fastcgi.Responder, false)
	params := stream(fastcgi.Params, 1, paramsOf(headers())) + record(fastcgi.Params, 1, "")
	long := strings.Repeat("x", 200_000)
	tests := []struct {
		name   string
		raw    string
		output string // its start
		ends   string // its end
		others string // records, comma-separated
		log    string
	}{
		{name: "hello", raw: get, output: hello, others: "end 1 0"},
		{name: "padding", raw: open + "\x01\x05\x00\x01\x00\x00\x03\x00abc" + strings.ReplaceAll(params, "\x01\x04\x00\x01\x00\x00\x00\x00", "\x01\x04\x00\x01\x00\x00\x08\x00PADDING!"), others: "end 1 0", output: bad, log: "a body before the end of the parameters"},
		{name: "padding of parameters", raw: open + strings.ReplaceAll(params, "\x01\x04\x00\x01\x00\x00\x00\x00", "\x01\x04\x00\x01\x00\x00\xff\x00"+strings.Repeat("P", 255)) + record(fastcgi.Stdin, 1, ""), output: hello, others: "end 1 0"},
		{name: "other request number", raw: fastcgiRequest(0x1234, false, headers(), ""), output: hello, others: "end 4660 0"},
		{name: "the same number again too soon", raw: fastcgiRequest(1, true, headers(), "") + fastcgiRequest(1, true, headers(), ""), others: "end 1 0", log: "begins twice"},
		{name: "kept after a refusal", raw: fastcgiRequest(1, true, post("300000"), strings.Repeat("b", 300_000)) + fastcgiRequest(1, false, headers(), ""), output: overlong, others: "end 1 0,end 1 0", log: "the limit is 250000"},
		{name: "length and body", raw: fastcgiRequest(1, false, post("200000"), long), output: ok + "length 200000, read 200000\n", others: "end 1 0"},
		{name: "no length", raw: fastcgiRequest(1, false, post(""), "12345"), output: ok + "length 5, read 5\n", others: "end 1 0"},
		{name: "no length, large", raw: fastcgiRequest(1, false, post(""), long), output: ok + "length 200000, read 200000\n", others: "end 1 0"},
		{name: "no length, too large", raw: fastcgiRequest(1, false, post(""), long+long), output: overlong, others: "end 1 0", log: "the limit is 250000"},
		{name: "no length, no body", raw: fastcgiRequest(1, false, post(""), ""), output: ok + "length , read 0\n", others: "end 1 0"},
		{name: "more than the length", raw: fastcgiRequest(1, false, post("3"), "12345"), output: ok + "length 3, read 3\n", others: "end 1 0"},
		{
			name: "more than the length, and no start", others: "end 1 0,end 1 0",
			raw:    fastcgiRequest(1, true, append(post("3"), header{"SCRIPT_NAME", "/broken"}), "12345") + fastcgiRequest(1, false, post(""), "abcde"),
			output: "Status: 500 Internal Server Error\r\n", ends: "length 5, read 5\n", log: "not found",
		},
		{name: "less than the length", raw: fastcgiRequest(1, false, post("10"), "12345"), output: bad, others: "end 1 0", log: "shorter than CONTENT_LENGTH"},
		{name: "length is no number", raw: fastcgiRequest(1, false, post("-1"), ""), output: bad, others: "end 1 0", log: "CONTENT_LENGTH is not a number"},
		{name: "two lengths", raw: fastcgiRequest(1, false, headers(header{"CONTENT_LENGTH", "1"}, header{"CONTENT_LENGTH", "2"}), "12"), output: bad, others: "end 1 0", log: "occurs twice"},
		{name: "no method", raw: fastcgiRequest(1, false, headers()[1:], ""), output: bad, others: "end 1 0", log: "REQUEST_METHOD"},
		{name: "empty name", raw: fastcgiRequest(1, false, headers(header{"", "x"}), ""), output: bad, others: "end 1 0", log: "a name that is empty"},
		{name: "NUL", raw: fastcgiRequest(1, false, headers(header{"A", "x\x00y"}), ""), output: bad, others: "end 1 0", log: "a NUL"},
		{name: "parameters end early", raw: open + record(fastcgi.Params, 1, "\x05\x05abc") + record(fastcgi.Params, 1, ""), output: bad, others: "end 1 0", log: "longer than the parameters"},
		{name: "too many parameters", raw: open + stream(fastcgi.Params, 1, paramsOf(headers(header{"HTTP_X", strings.Repeat("x", 262144)}))), output: bad, others: "end 1 0", log: "longer than 262144 bytes"},
		{name: "version 2", raw: "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02\x04\x00\x01\x00\x00\x00\x00", output: bad, others: "end 1 0", log: "not a record of FastCGI version 1"},
		{name: "no begin", raw: params + record(fastcgi.Stdin, 1, "") + get, output: hello, others: "end 1 0"},
		{name: "begin of 7 bytes", raw: record(fastcgi.Begin, 1, "1234567"), log: "7 bytes instead of 8"},
		{name: "begins twice", raw: open + open, output: bad, others: "end 1 0", log: "begins twice"},
		{name: "authorizer", raw: beginning(1, 2, true) + params + fastcgiRequest(1, false, headers(), ""), output: hello, others: "end 1 3,end 1 0"},
		{name: "filter, not kept", raw: beginning(1, 3, false) + params, others: "end 1 3", log: "only a responder"},
		{name: "two at a time", raw: open + beginning(2, fastcgi.Responder, false) + record(fastcgi.Params, 2, "") + params + record(fastcgi.Stdin, 2, "x") + record(fastcgi.Stdin, 1, ""), output: hello, others: "end 2 1,end 1 0"},
		{name: "output from a web server", raw: open + record(fastcgi.Stdout, 1, "x"), output: bad, others: "end 1 0", log: "kind 6"},
		{name: "values", raw: record(fastcgi.Values, 0, paramsOf([]header{{"FCGI_MPXS_CONNS", ""}, {"OTHER", ""}, {"FCGI_MAX_REQS", ""}})) + get, output: hello, others: "values " + paramsOf([]header{{"FCGI_MPXS_CONNS", "0"}, {"FCGI_MAX_REQS", "77"}}) + ",end 1 0"},
		{name: "long values", raw: record(fastcgi.Values, 0, strings.Repeat("x", 300)), log: "kind 9 with 300 bytes"},
		{name: "bad values", raw: record(fastcgi.Values, 0, "\x05"), log: "values asked for"},
		{name: "unknown kind", raw: record(99, 0, "data") + get, output: hello, others: "unknown 99,end 1 0"},
		{name: "abort before the parameters are complete", raw: beginning(1, fastcgi.Responder, true) + record(fastcgi.Params, 1, "\x01") + record(fastcgi.Abort, 1, "") + get, output: hello, others: "end 1 0,end 1 0"},
		{name: "abort in the body", raw: open + stream(fastcgi.Params, 1, paramsOf(post("10"))) + record(fastcgi.Params, 1, "") + record(fastcgi.Stdin, 1, "12345") + record(fastcgi.Abort, 1, ""), others: "end 1 0", log: "aborted the request"},
		{name: "ends in the parameters", raw: open + params[:20], output: bad, others: "end 1 0", log: "ended inside the request's parameters"},
		{name: "ends in the body", raw: open + stream(fastcgi.Params, 1, paramsOf(post("10"))) + record(fastcgi.Params, 1, "") + record(fastcgi.Stdin, 1, "12345")[:10], output: bad, others: "end 1 0", log: "ended inside the request body"},
		{name: "ends at once", raw: "\x01"},
		{name: "bad record in the body", raw: open + stream(fastcgi.Params, 1, paramsOf(post("10"))) + record(fastcgi.Params, 1, "") + "12345678", output: bad, others: "end 1 0", log: "not a record"},
	}
	dir := folder(t, map[string]string{
		"hello":  helloScript,
		"broken": "#!/nowhere/sh\n",
		"length": "#!/bin/sh\necho Content-Type: text/plain; echo; echo \"length $CONTENT_LENGTH, read $(wc -c)\"\n",
	})
	for _, tt := range tests {
		for _, way := range []string{"whole", "byte by byte"} {
			if way != "whole" && len(tt.raw) > 10_000 {
				continue
			}
			t.Run(tt.name+", "+way, func(t *testing.T) {
				t.Parallel()
				s := startResident(t, call{}, "--mount=/", "--max-body=250000", "--max-connections=77", dir)
				conn := s.connect(t)
				sendAll(conn, tt.raw, way)
				raw, err := io.ReadAll(conn)
				if err != nil {
					t.Errorf("the answer does not end: %v", err)
				}
				output, others := recordsOf(t, string(raw))
				if !strings.HasPrefix(output, tt.output) || (tt.output == "" && output != "") {
					t.Errorf("output %.200q, want %.200q", output, tt.output)
				}
				if !strings.HasSuffix(output, tt.ends) {
					t.Errorf("output %.500q, want %q at its end", output, tt.ends)
				}
				if got := strings.Join(others, ","); got != tt.others {
					t.Errorf("records %q, want %q", got, tt.others)
				}
				if log := s.stop(t); !strings.Contains(log, tt.log) || (tt.log == "" && log != "") {
					t.Errorf("log %q, want %q", log, tt.log)
				}
			})
		}
	}
}

// A connection that is kept serves one request after the other, and its
// descriptors and those of the scripts are all closed in the end.
func TestFastCGIKept(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"cat": "#!/bin/sh\necho A: b; echo; cat\n"})
	s := startResident(t, call{}, "--mount=/", dir)
	conn := s.connect(t)
	for i := range 20 {
		body := strings.Repeat("0123456789", i*1000)
		headers := []header{{"REQUEST_METHOD", "POST"}, {"SCRIPT_NAME", "/cat"}}
		if i%2 == 0 {
			headers = append(headers, header{"CONTENT_LENGTH", strconv.Itoa(len(body))})
		}
		id := uint16(1 + i%3)
		io.WriteString(conn, fastcgiRequest(id, true, headers, body))
		output, others := recordsOf(t, readAnswer(t, conn))
		if !strings.HasSuffix(output, "\r\n\r\n"+body) || !slices.Equal(others, []string{"end " + strconv.Itoa(int(id)) + " 0"}) {
			t.Fatalf("request %d: output %.100q, records %q", i, output, others)
		}
	}
	if log := s.stop(t); log != "" {
		t.Errorf("log %q", log)
	}
}

// A client that still sends after the answer, and looks for it only then, gets it.
func TestAnswerWhileSending(t *testing.T) {
	t.Parallel()
	s := startResident(t, call{}, "--mount=/", folder(t, map[string]string{"hello": helloScript}))
	body := strings.Repeat("b", 1<<20)
	get := []header{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/hello"}}
	post := func(script, length string) []header {
		return []header{{"REQUEST_METHOD", "POST"}, {"SCRIPT_NAME", script}, {"CONTENT_LENGTH", length}}
	}
	for name, tt := range map[string]struct{ before, raw, want string }{
		"more than announced":           {raw: encode(header{"CONTENT_LENGTH", "3"}, header{"SCGI", "1"}, get[0], get[1]) + body, want: "hello\n"},
		"more than announced, FastCGI":  {raw: fastcgiRequest(1, false, post("/hello", "3"), body), want: "hello\n"},
		"refused, behind one on a kept": {before: fastcgiRequest(1, true, get, ""), raw: fastcgiRequest(1, false, post("/none", strconv.Itoa(len(body))), body), want: "Status: 404 "},
	} {
		for range 3 { // it depends on who is faster
			conn := s.connect(t)
			if tt.before != "" {
				io.WriteString(conn, tt.before)
				readAnswer(t, conn)
			}
			if _, err := io.WriteString(conn, tt.raw); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got, err := io.ReadAll(conn); !strings.Contains(string(got), tt.want) || err != nil {
				t.Errorf("%s: got %.200q, %v", name, got, err)
			}
			conn.Close()
		}
	}
	s.stop(t)
}

// readAnswer reads records up to one that ends a request.
func readAnswer(t *testing.T, r io.Reader) string {
	t.Helper()
	var all []byte
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(r, head); err != nil {
			t.Fatal(err)
		}
		content := make([]byte, int(head[4])<<8+int(head[5])+int(head[6]))
		if _, err := io.ReadFull(r, content); err != nil {
			t.Fatal(err)
		}
		all = append(append(all, head...), content...)
		if fastcgi.Kind(head[1]) == fastcgi.End {
			return string(all)
		}
	}
}

// sendAll sends a stream, and says that no more will come. Who does not take all of
// it has refused it.
func sendAll(conn *net.UnixConn, raw, way string) {
	go func() {
		r := io.Reader(strings.NewReader(raw))
		if way != "whole" {
			r = iotest.OneByteReader(r)
		}
		io.Copy(struct{ io.Writer }{conn}, r)
		conn.CloseWrite()
	}()
}

// An abort ends the script, and the connection goes on.
func TestFastCGIAbort(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"silent": child(t, "silent"), "hello": helloScript})
	s := startResident(t, call{}, "--mount=/", dir)
	conn := s.connect(t)
	io.WriteString(conn, fastcgiRequest(1, true, []header{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/silent"}}, ""))
	pid := readPid(t, dir+"pid")
	io.WriteString(conn, record(fastcgi.Abort, 1, "")+fastcgiRequest(2, false, []header{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/hello"}}, ""))
	raw, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	output, others := recordsOf(t, string(raw))
	if output != helloAnswer || !slices.Equal(others, []string{"end 1 0", "end 2 0"}) {
		t.Errorf("output %q, records %q", output, others)
	}
	if alive(pid) {
		t.Error("the script runs on")
	}
	if log := s.stop(t); !strings.Contains(log, "aborted the request") {
		t.Errorf("log %q", log)
	}
}

// While a script runs another request is told that it cannot, and the length of
// the time limits counts for FastCGI as well.
func TestFastCGIWhileRunning(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"wait": "#!/bin/sh\ntouch started\nwhile ! test -e go-on; do sleep 0.01; done\necho A: b; echo; echo hello\n"})
	s := startResident(t, call{}, "--mount=/", dir)
	conn := s.connect(t)
	request := func(id uint16) string {
		return fastcgiRequest(id, false, []header{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/wait"}}, "")
	}
	io.WriteString(conn, request(1))
	waitForFile(dir + "started")
	io.WriteString(conn, request(2))
	refused := make([]byte, 16)
	if _, err := io.ReadFull(conn, refused); err != nil {
		t.Fatal(err)
	}
	if _, others := recordsOf(t, string(refused)); !slices.Equal(others, []string{"end 2 1"}) {
		t.Errorf("records %q", others)
	}
	write(t, dir+"go-on", "", 0o644)
	raw, _ := io.ReadAll(conn)
	if output := outputOf(t, string(raw)); !strings.HasSuffix(output, "hello\n") {
		t.Errorf("output %q", output)
	}
	s.stop(t)
}

// Time limits, and connections that are kept but not used.
func TestFastCGITimes(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"silent": child(t, "silent"), "hello": helloScript})
	short := startResident(t, call{}, "--mount=/", "--header-timeout=200ms", "--timeout=300ms", dir)
	// A script that answers has all the time that a busy machine needs.
	idle := startResident(t, call{}, "--mount=/", "--header-timeout=200ms", "--timeout=8s", dir)
	for name, tt := range map[string]struct{ raw, output string }{
		"nothing":    {"\x01", ""},
		"begin":      {beginning(1, fastcgi.Responder, false), "Status: 408 "},
		"no body":    {beginning(1, fastcgi.Responder, false) + record(fastcgi.Params, 1, paramsOf([]header{{"REQUEST_METHOD", "POST"}, {"SCRIPT_NAME", "/hello"}, {"CONTENT_LENGTH", "9"}})) + record(fastcgi.Params, 1, ""), "Status: 408 "},
		"silent":     {fastcgiRequest(1, false, []header{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/silent"}}, ""), "Status: 504 "},
		"kept, idle": {fastcgiRequest(1, true, []header{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/hello"}}, ""), "Status: 200 "},
	} {
		s := short
		if strings.HasPrefix(tt.output, "Status: 200") {
			s = idle
		}
		conn := s.connect(t)
		io.WriteString(conn, tt.raw)
		raw, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if output, _ := recordsOf(t, string(raw)); !strings.HasPrefix(output, tt.output) || (tt.output == "" && output != "") {
			t.Errorf("%s: output %q", name, output)
		}
	}
	short.stop(t)
	idle.stop(t)
}
