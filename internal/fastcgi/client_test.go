package fastcgi

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// ending is an End record with the two statuses.
func ending(exit byte, status Status) string {
	b := AppendEnd(nil, 1, status)
	b[11] = exit
	return string(b)
}

func TestAnswer(t *testing.T) {
	out := func(text string) string { return string(record(Stdout, 1, text, 3)) }
	long := strings.Repeat("x", 60000)
	for name, row := range map[string]struct {
		stream, out, stderr string
		exit                uint32
		err                 string
	}{
		"whole":       {out("hel") + string(record(Stderr, 1, "oops", 0)) + out("lo") + out("") + ending(0, Complete), "hello", "oops", 0, ""},
		"exit":        {out("x") + ending(3, Complete), "x", "", 3, ""},
		"long":        {out(long) + out(long) + ending(0, Complete), long + long, "", 0, ""},
		"after end":   {ending(0, Complete) + out("more"), "", "", 0, ""},
		"other id":    {string(record(Stdout, 2, "theirs", 0)) + out("ours") + string(record(ValuesResult, 0, "v", 0)) + ending(0, Complete), "ours", "", 0, ""},
		"empty":       {"", "", "", 0, ""},
		"cut":         {out("hello"), "hello", "", 0, "unexpected EOF"},
		"cut record":  {out("hello")[:11], "hel", "", 0, "unexpected EOF"},
		"overloaded":  {ending(0, Overloaded), "", "", 0, "the app is overloaded"},
		"multiply":    {ending(0, CantMultiply), "", "", 0, "another one runs"},
		"role":        {ending(0, UnknownRole), "", "", 0, "has another role"},
		"status":      {ending(0, 9), "", "", 0, "protocol status 9"},
		"short end":   {string(record(End, 1, "1234567", 0)), "", "", 0, "has 7 bytes, not 8"},
		"from client": {string(record(Params, 1, "x", 0)), "", "", 0, "a record of kind 4"},
		"not fastcgi": {"Status: 200 OK\n\n", "", "", 0, ErrVersion.Error()},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
			var stderr bytes.Buffer
			a := &Answer{Source: wrap(strings.NewReader(row.stream)), ID: 1, Stderr: func(text []byte) { stderr.Write(text) }}
			got, err := io.ReadAll(a)
			if string(got) != row.out || stderr.String() != row.stderr || a.Exit != row.exit {
				t.Errorf("%s: %.20q, stderr %q, exit %d", name, got, stderr.String(), a.Exit)
			}
			if (err == nil) != (row.err == "") || (err != nil && !strings.Contains(err.Error(), row.err)) {
				t.Errorf("%s: %v, want %q", name, err, row.err)
			}
		}
	}
}

func TestStream(t *testing.T) {
	var b bytes.Buffer
	s := &Stream{W: &b, Kind: Stdin, ID: 1}
	text := strings.Repeat("x", MaxContent) + "y"
	if n, err := io.WriteString(s, text); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
	if n, err := s.Write(nil); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	records, err := all(b.Bytes(), 1000)
	if want := []string{"f " + text[:MaxContent] + ".", "f y.", "f ."}; err != nil || len(records) != 3 || records[0] != want[0] || records[1] != want[1] || records[2] != want[2] {
		t.Errorf("%d records, %v", len(records), err)
	}
	broken := &Stream{W: brokenWriter{}, Kind: Stdin, ID: 1}
	if _, err := broken.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// FuzzAnswer: no panic, and no more output than there is input.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(ending(0, Complete)))
	f.Add(append(record(Stdout, 1, "hello", 3), ending(0, Complete)...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		a := &Answer{Source: bytes.NewReader(stream), ID: 1}
		n, _ := io.Copy(io.Discard, a)
		if n > int64(len(stream)) {
			t.Errorf("%d bytes of %d", n, len(stream))
		}
	})
}
