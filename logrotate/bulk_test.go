package logrotate

import (
	"bytes"
	"testing"
)

// TestLineLength compares with the search that it is a faster form of, for bytes
// that the tricks of one might take for a newline.
func TestLineLength(t *testing.T) {
	for _, filler := range []byte{'x', 0, '\n' + 1, '\n' - 1, '\n' | 0x80, 0xff} {
		for length := range 70 {
			for at := range length + 1 {
				b := bytes.Repeat([]byte{filler}, length)
				for _, newline := range []int{at, at + 1, at + 9} {
					if newline < length {
						b[newline] = '\n'
					}
				}
				if got, want := lineLength(b), bytes.IndexByte(b, '\n')+1; got != want {
					t.Fatalf("%q: %d, want %d", b, got, want)
				}
			}
		}
	}
}

// BenchmarkTakeStamped measures stamping lines from one buffer to another.
func BenchmarkTakeStamped(b *testing.B) {
	for _, length := range []int{16, 48, 108, 16384} {
		b.Run("", func(b *testing.B) {
			l := &Logger{cfg: Config{Script: Script{Stamp: TAI64N}}, stampSize: TAI64N.size()}
			f := &folder{Settings: Settings{Size: 1 << 40}, log: l, out: make([]byte, 0, outputSize)}
			l.folders = []*folder{f}
			line := append(bytes.Repeat([]byte("x"), length-1), '\n')
			l.in = bytes.Repeat(line, (96<<10)/length)
			b.SetBytes(int64(len(l.in)))
			for b.Loop() {
				f.out, l.pos, l.end = f.out[:0], 0, len(l.in)
				if !l.takeStamped() || l.pos != l.end {
					b.Fatal("not all was taken")
				}
			}
		})
	}
}
