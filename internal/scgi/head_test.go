package scgi

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadResponseHead(t *testing.T) {
	text := []Header{{"Content-Type", "text/plain"}}
	tests := []struct {
		name, in string
		status   int
		reason   string
		header   []Header
	}{
		{"document", "Content-Type: text/plain\r\n\r\nbody", 200, "OK", text},
		{"LF only", "Content-Type: text/plain\n\nbody", 200, "OK", text},
		{"no space", "Content-Type:text/plain \n\nbody", 200, "OK", text},
		{"Status", "Status: 404 Gone fishing\nContent-Type: text/plain\n\nbody", 404, "Gone fishing", text},
		{"Status last, other case", "Content-Type: text/plain\nsTATUS:404\n\nbody", 404, "Not Found", text},
		{"status alone", "Status: 204\n\nbody", 204, "No Content", nil},
		{"unknown status", "Status: 299\n\nbody", 299, "Success", nil},
		{"HTTP status line", "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\n\r\nbody", 201, "Created", text},
		{"first of two", "Status: 201\nStatus: 202\n\nbody", 201, "Created", nil},
		{"Location path", "Location: /x\n\nbody", 302, "Found", []Header{{"Location", "/x"}}},
		{"Location URL", "Location: http://h/x\n\nbody", 302, "Found", []Header{{"Location", "http://h/x"}}},
		{"Location with status", "Location: /x\nStatus: 200\n\nbody", 200, "OK", []Header{{"Location", "/x"}}},
		{"continued", "X: a\n\tb\n  c\n\nbody", 200, "OK", []Header{{"X", "a b c"}}},
		{"early hints", "Status: 103\nLink: </x>\n\nStatus: 200 Fine\n\nbody", 200, "Fine", nil},
		{"long line", "X: " + strings.Repeat("y", 60000) + "\n\nbody", 200, "OK", []Header{{"X", strings.Repeat("y", 60000)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := bufio.NewReader(iotest.HalfReader(strings.NewReader(tt.in)))
			status, reason, header, err := ReadResponseHead(r)
			if err != nil || status != tt.status || reason != tt.reason || !slices.Equal(header, tt.header) {
				t.Fatalf("got %d %q %.99q %v", status, reason, header, err)
			}
			if body, err := io.ReadAll(r); string(body) != "body" || err != nil {
				t.Errorf("left %.99q, %v", body, err)
			}
		})
	}
}

func TestReadResponseHeadErrors(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", "no response head"},
		{"no empty line", "Content-Type: text/plain\n", "no response head"},
		{"no line end", "Content-Type: text/plain", "no response head"},
		{"empty line first", "\r\nContent-Type: text/plain\r\n\r\n", "no response head"},
		{"text", "just text\n\n", `byte 0: not a header line: "just text"`},
		{"status 99", "Status: 99\n\n", `byte 0: bad status "99"`},
		{"status banana", "X: y\nStatus: banana\n\n", `byte 5: bad status "banana"`},
		{"status 2000", "Status: 2000\n\n", `bad status "2000"`},
		{"status 600", "Status: 600\n\n", `bad status "600"`},
		{"status 0200", "Status: 0200\n\n", `bad status`},
		{"status empty", "Status:\n\n", `bad status ""`},
		{"status line", "HTTP/1.1 ok\n\n", `bad status "ok"`},
		{"bare CR", "Location: x\rSet-Cookie: a\n\n", `byte 11: control character '\r'`},
		{"CR CR LF", "X: y\r\r\n\r\n", `byte 4: control character '\r'`},
		{"NUL", "X: a\x00b\n\n", `byte 4: control character '\x00'`},
		{"escape", "X: \x1b[0m\n\n", `control character`},
		{"delete", "X: \x7f\n\n", `control character`},
		{"space in name", "Content Type: x\n\n", `bad field name "Content Type"`},
		{"space before colon", "X : y\n\n", `bad field name`},
		{"no name", ": y\n\n", `bad field name ""`},
		{"name not ASCII", "Tïtle: y\n\n", `bad field name`},
		{"continued nothing", " x\n\n", `byte 0: continued line`},
		{"only early hints", "Status: 103\n\n", "no response head"},
		{"too long", "X: " + strings.Repeat("y", MaxHeadBytes) + "\n\n", "longer than 65536 bytes"},
		{"too many lines", strings.Repeat("X: y\n", 14000) + "\n", "longer than 65536 bytes"},
		{"hints without end", strings.Repeat("Status: 103\n\n", 6000), "longer than 65536 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, _, err := ReadResponseHead(bufio.NewReader(strings.NewReader(tt.in)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
		})
	}
	broken := errors.New("broken")
	if _, _, _, err := ReadResponseHead(bufio.NewReader(iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a reader's error became %v", err)
	}
}

func TestHeadEnd(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "A: b": 0, "A: b\n": 0, "A: b\n\n": 6, "A: b\r\n\r\nx": 8, "A: b\r\n\nx": 7, "\nx": 1, "\r\nx": 2, "\rx\n": 0, "A: b\n\r": 0,
	} {
		if got := HeadEnd([]byte(in)); got != want {
			t.Errorf("%q: got %d, want %d", in, got, want)
		}
	}
}

// No answer makes the reader panic, and what it accepts has no byte that could
// end a line early.
func FuzzReadResponseHead(f *testing.F) {
	for _, seed := range []string{
		"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nx", "HTTP/1.0 404\n\n", "Location: /\n x\n\n", "Status: 103\n\n\n", "A\r: b\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		status, reason, header, err := ReadResponseHead(bufio.NewReader(strings.NewReader(string(data))))
		if err != nil {
			return
		}
		if status < 200 || status > 599 || strings.ContainsAny(reason, "\r\n\x00") {
			t.Fatalf("status %d %q", status, reason)
		}
		for _, h := range header {
			if !IsToken(h.Name) || strings.ContainsAny(h.Value, "\r\n\x00") {
				t.Fatalf("field %q: %q", h.Name, h.Value)
			}
		}
	})
}
