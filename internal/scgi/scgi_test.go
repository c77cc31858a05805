package scgi

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// netstring wraps a block in which "|" stands for NUL.
func netstring(block string) string {
	return strconv.Itoa(len(block)) + ":" + strings.ReplaceAll(block, "|", "\x00") + ","
}

func TestParse(t *testing.T) {
	// The example of the protocol's own text.
	const example = "70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/deepthought\x00,What is the answer to life?"
	want := Request{ContentLength: 27, Headers: []Header{
		{"CONTENT_LENGTH", "27"},
		{"SCGI", "1"},
		{"REQUEST_METHOD", "POST"},
		{"REQUEST_URI", "/deepthought"},
	}}
	req, size, err := Parse([]byte(example))
	if err != nil || req.ContentLength != want.ContentLength || !slices.Equal(req.Headers, want.Headers) {
		t.Fatalf("got %+v, %v", req, err)
	}
	if body := example[size:]; body != "What is the answer to life?" {
		t.Errorf("body starts with %q", body)
	}

	for name, read := range map[string]func(string) (Request, io.Reader, error){
		"reader": func(s string) (Request, io.Reader, error) {
			r := strings.NewReader(s)
			req, err := ReadRequest(r)
			return req, r, err
		},
		"one byte at a time": func(s string) (Request, io.Reader, error) {
			r := iotest.OneByteReader(strings.NewReader(s))
			req, err := ReadRequest(r)
			return req, r, err
		},
	} {
		req, rest, err := read(example)
		if err != nil || !slices.Equal(req.Headers, want.Headers) {
			t.Fatalf("%s: got %+v, %v", name, req, err)
		}
		if body, _ := io.ReadAll(rest); string(body) != "What is the answer to life?" {
			t.Errorf("%s: left %q", name, body)
		}
	}
}

func TestParseDuplicatesStayInOrder(t *testing.T) {
	req, _, err := Parse([]byte(netstring("CONTENT_LENGTH|0|SCGI|1|HTTP_X|a|HTTP_X|b|")))
	if err != nil {
		t.Fatal(err)
	}
	if want := []Header{{"HTTP_X", "a"}, {"HTTP_X", "b"}}; !slices.Equal(req.Headers[2:], want) {
		t.Errorf("got %q", req.Headers[2:])
	}
	if v, ok := req.Get("HTTP_X"); v != "b" || !ok {
		t.Errorf("Get returned %q, %v, want the last", v, ok)
	}
	if _, ok := req.Get("HTTP_Y"); ok {
		t.Error("Get found a parameter that is not there")
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"colon first", ":", `byte 0: want a digit`},
		{"sign", "+5:", `byte 0: want a digit or ':' of the netstring's length, have '+'`},
		{"negative", "-5:", `byte 0: want a digit`},
		{"space before", " 5:", `byte 0: want a digit`},
		{"space inside", "5 :", `byte 1: want a digit or ':'`},
		{"hexadecimal", "0x5:", `byte 1: want a digit`},
		{"leading zero", "05:hello,", `byte 0: leading zero`},
		{"two zeros", "00:,", `byte 0: leading zero`},
		{"empty block", "0:,", `byte 2: empty header block`},
		{"too long", "262145:", `byte 0: header block longer than 262144 bytes`},
		{"far too long", "99999999999999999999999:", `byte 0: header block longer than 262144 bytes`},
		{"no comma", "26:CONTENT_LENGTH\x000\x00SCGI\x001\x00x\x00;", `byte 29: want ',' after the header block, have ';'`},
		{"length one too small", "23:CONTENT_LENGTH\x000\x00SCGI\x001\x00,", `byte 26: want ','`},
		{"no NUL at the end", netstring("CONTENT_LENGTH|0|SCGI|1"), `the last value does not end in NUL`},
		{"odd count", netstring("CONTENT_LENGTH|0|SCGI|1|LONELY|"), `parameter without a value`},
		{"empty name", netstring("CONTENT_LENGTH|0||x|SCGI|1|"), `byte 20: empty parameter name`},
		{"length not first", netstring("SCGI|1|CONTENT_LENGTH|0|"), `byte 3: the first parameter is "SCGI", not CONTENT_LENGTH`},
		{"no length", netstring("SCGI|1|"), `not CONTENT_LENGTH`},
		{"length in lower case", netstring("content_length|0|SCGI|1|"), `not CONTENT_LENGTH`},
		{"empty length", netstring("CONTENT_LENGTH||SCGI|1|"), `byte 18: CONTENT_LENGTH is "", not a number`},
		{"negative length", netstring("CONTENT_LENGTH|-1|SCGI|1|"), `CONTENT_LENGTH is "-1"`},
		{"signed length", netstring("CONTENT_LENGTH|+1|SCGI|1|"), `CONTENT_LENGTH is "+1"`},
		{"length with space", netstring("CONTENT_LENGTH| 1|SCGI|1|"), `CONTENT_LENGTH is " 1"`},
		{"19 digits", netstring("CONTENT_LENGTH|1000000000000000000|SCGI|1|"), `not a number of at most 18 digits`},
		{"no SCGI", netstring("CONTENT_LENGTH|0|X|1|"), `no parameter SCGI with the value 1`},
		{"SCGI 2", netstring("CONTENT_LENGTH|0|SCGI|2|"), `no parameter SCGI with the value 1`},
		{"HTTP", "GET / HTTP/1.1\r\n", `this is HTTP, not SCGI`},
		{"HTTP/2", "PRI * HTTP/2.0\r\n", `this is HTTP, not SCGI`},
		{"FastCGI", "\x01\x01\x00\x01\x00\x08\x00\x00", `this is FastCGI, not SCGI`},
		{"uwsgi", "\x00\x30\x01\x00\x0e\x00", `this is uwsgi, not SCGI`},
		{"AJP", "\x12\x34\x00\x10", `this is AJP, not SCGI`},
		{"TLS", "\x16\x03\x01\x02\x00", `this is TLS, not SCGI`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Parse([]byte(tt.in))
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			// A reader that knows less of what follows says so as well.
			if _, err := ReadRequest(strings.NewReader(tt.in)); !errors.As(err, &syntax) {
				t.Errorf("ReadRequest: got %v", err)
			}
		})
	}
}

// Every proper beginning of a request is incomplete, and never wrong.
func TestParseTruncated(t *testing.T) {
	whole := netstring("CONTENT_LENGTH|0|SCGI|1|PATH_INFO|/x|")
	for n := range len(whole) {
		if _, _, err := Parse([]byte(whole[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: got %v", n, err)
		}
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := ReadRequest(strings.NewReader(whole[:n])); !errors.Is(err, want) {
			t.Errorf("%d bytes from a reader: got %v", n, err)
		}
	}
}

func TestWriteRequest(t *testing.T) {
	headers := []Header{{"REQUEST_METHOD", "POST"}, {"CONTENT_LENGTH", "lies"}, {"SCGI", "2"}, {"EMPTY", ""}}
	var out bytes.Buffer
	if err := WriteRequest(&out, headers, 12); err != nil {
		t.Fatal(err)
	}
	req, size, err := Parse(out.Bytes())
	if err != nil || size != out.Len() || req.ContentLength != 12 {
		t.Fatalf("got %+v, %d, %v", req, size, err)
	}
	want := []Header{{"CONTENT_LENGTH", "12"}, {"SCGI", "1"}, {"REQUEST_METHOD", "POST"}, {"EMPTY", ""}}
	if !slices.Equal(req.Headers, want) {
		t.Errorf("got %q", req.Headers)
	}
	for _, bad := range [][]Header{
		{{"", "x"}}, {{"A\x00B", "x"}}, {{"A", "x\x00y"}}, {{"A", strings.Repeat("x", MaxHeaderBytes)}},
	} {
		out.Reset()
		if err := WriteRequest(&out, bad, 0); !errors.Is(err, ErrHeader) || out.Len() != 0 {
			t.Errorf("%.20q: got %v, %d bytes written", bad, err, out.Len())
		}
	}
}

// No input makes Parse panic, and what it accepts survives being written and
// read again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "0:,", "24:CONTENT_LENGTH\x000\x00SCGI\x001\x00,", "GET / HTTP/1.0\r\n\r\n", "262144:", "99999999999999999999:",
		netstring("CONTENT_LENGTH|5|SCGI|1|HTTP_X|a|HTTP_X|b|") + "hello",
		netstring("CONTENT_LENGTH|0||x|SCGI|1|"), netstring("CONTENT_LENGTH|-1|SCGI|1|"), "\x01\x01\x00\x01", "\x00\x01\x00\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		req, size, err := Parse(data)
		read, readErr := ReadRequest(bytes.NewReader(data))
		if (err == nil) != (readErr == nil) || !slices.Equal(req.Headers, read.Headers) {
			t.Fatalf("Parse: %q, %v; ReadRequest: %q, %v", req.Headers, err, read.Headers, readErr)
		}
		if err != nil {
			return
		}
		if again := AppendRequest(nil, req.Headers); !bytes.Equal(again, data[:size]) {
			t.Fatalf("%q written again is %q", data[:size], again)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	headers := []Header{{"CONTENT_LENGTH", "0"}, {"SCGI", "1"}}
	for i := range 30 {
		headers = append(headers, Header{"HTTP_X_" + strconv.Itoa(i), "a value of the usual length"})
	}
	data := AppendRequest(nil, headers)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
