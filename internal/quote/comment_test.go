package quote

import "testing"

func FuzzComment(f *testing.F) {
	for _, s := range awkward {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written, err := Comment(s)
		if err != nil {
			return
		}
		if written != s {
			t.Errorf("%q is written %q", s, written)
		}
		for _, c := range []byte(written) {
			if c < ' ' || c == 0x7f {
				t.Errorf("%q has the control character %#x", written, c)
			}
		}
	})
}
