package fastcgi

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// record is a whole record.
func record(kind Kind, id uint16, content string, padding int) []byte {
	b := AppendHead(nil, kind, id, len(content))
	b[6] = byte(padding)
	b = append(b, content...)
	return append(b, make([]byte, padding)...)
}

// all decodes a stream that arrives in pieces of that size.
func all(stream []byte, size int) (records []string, err error) {
	var d Decoder
	var have []byte
	for len(stream) > 0 || len(have) > 0 {
		k := min(size, len(stream))
		have = append(have, stream[:k]...)
		stream = stream[k:]
		for {
			p, n, err := d.Next(have)
			if err != nil {
				return records, err
			}
			if n == 0 {
				break
			}
			have = have[n:]
			if p.First {
				records = append(records, string(rune('a'+p.Kind))+" ")
			}
			if p.Kind != 0 {
				records[len(records)-1] += string(p.Data)
			}
			if p.Last {
				records[len(records)-1] += "."
			}
		}
		if k == 0 {
			return records, errors.New("short")
		}
	}
	if !d.Clean() {
		return records, errors.New("short")
	}
	return records, nil
}

func TestDecoder(t *testing.T) {
	stream := slices.Concat(record(Params, 1, "abc", 5), record(Params, 1, "", 0), record(Stdin, 1, strings.Repeat("x", 300), 255), record(Abort, 7, "", 8))
	want := []string{"e abc.", "e .", "f " + strings.Repeat("x", 300) + ".", "c ."}
	for _, size := range []int{1, 2, 7, 8, 9, 300, 10000} {
		if got, err := all(stream, size); err != nil || !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q, %v", size, got, err)
		}
	}
	if _, err := all([]byte{2, 1, 0}, 3); !errors.Is(err, ErrVersion) {
		t.Errorf("version 2: %v", err)
	}
	if _, err := all(stream[:12], 100); err == nil {
		t.Error("half a record is whole")
	}
}

func TestCutPair(t *testing.T) {
	long := strings.Repeat("v", 70000)
	list := string(AppendPair(AppendPair(AppendPair(nil, "A", ""), "NAME", long), long, "x"))
	at := 0
	for _, want := range [][2]string{{"A", ""}, {"NAME", long}, {long, "x"}} {
		name, value, next, err := CutPair(list, at)
		if err != nil || name != want[0] || value != want[1] {
			t.Fatalf("%.9q %.9q %v", name, value, err)
		}
		at = next
	}
	if at != len(list) {
		t.Errorf("%d of %d bytes", at, len(list))
	}
	for _, bad := range []string{"", "\x01", "\x01\x00", "\x00\x01", "\x80", "\x80\x00\x00", "\x80\x00\x00\x01\x00", "\xff\xff\xff\xff\xff\xff\xff\xffab", "\x01\xff\xff\xff\xffa"} {
		if _, _, _, err := CutPair(bad, 0); err == nil {
			t.Errorf("%q is a pair", bad)
		}
	}
}

// However a stream is cut, the same comes out of it, and never more than went in.
func FuzzDecoder(f *testing.F) {
	f.Add(slices.Concat(record(Begin, 1, "\x00\x01\x01\x00\x00\x00\x00\x00", 0), record(Params, 1, "\x01\x01ab", 4), record(Params, 1, "", 0)), 3)
	f.Add([]byte{1, 9, 0, 0, 0, 0, 0, 0}, 1)
	f.Add([]byte{2}, 1)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		if size < 1 {
			size = 1
		}
		whole, errWhole := all(stream, len(stream)+1)
		cut, errCut := all(stream, size)
		if !slices.Equal(whole, cut) || (errWhole == nil) != (errCut == nil) {
			t.Fatalf("%q, %v; in pieces of %d: %q, %v", whole, errWhole, size, cut, errCut)
		}
	})
}

// Pairs that are read are those that were written.
func FuzzCutPair(f *testing.F) {
	f.Add("\x01\x01ab\x80\x00\x00\x01\x00x")
	f.Add("\xff\xff\xff\xff\xff\xff\xff\xff")
	f.Fuzz(func(t *testing.T, list string) {
		for at := 0; at < len(list); {
			name, value, next, err := CutPair(list, at)
			if err != nil {
				return
			}
			if next <= at || next > len(list) {
				t.Fatalf("from %d to %d of %d", at, next, len(list))
			}
			again := AppendPair(nil, name, value)
			if n, v, _, err := CutPair(string(again), 0); err != nil || n != name || v != value {
				t.Fatalf("%q %q: %v", n, v, err)
			}
			if short := len(name) < 0x80 && len(value) < 0x80; short && list[at] < 0x80 && list[at+1] < 0x80 && !bytes.Equal(again, []byte(list[at:next])) {
				t.Fatalf("%q became %q", list[at:next], again)
			}
			at = next
		}
	})
}
