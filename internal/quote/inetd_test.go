package quote

import (
	"testing"
)

func TestInetd(t *testing.T) {
	t.Parallel()
	const refused = "\x00"
	tests := []struct{ in, freebsd, netbsd, openbsd, inetutils, busybox string }{
		{"/plain", "/plain", "/plain", "/plain", "/plain", "/plain"},
		{"", `""`, `''`, refused, `""`, refused},
		{"a b", `"a b"`, `'a b'`, refused, `"a b"`, refused},
		{"é$%;{}", "é$%;{}", "é$%;{}", "é$%;{}", "é$%;{}", "é$%;{}"},
		{"a#b", "a#b", "a#b", "a#b", "a#b", refused},
		{`a\b`, `a\b`, `a\b`, `a\b`, `a\b`, `a\b`},
		{`ab\`, `ab\`, `ab\`, `ab\`, `ab\`, refused},
		{`a"b`, `a"b`, `'a"b'`, `a"b`, `'a"b'`, `a"b`},
		{`a'b`, `a'b`, `'a'"'"'b'`, `a'b`, `a'b`, `a'b`},
		{`"a`, `'"a'`, `'"a'`, `"a`, `'"a'`, `"a`},
		{`'a`, `"'a"`, `''"'"'a'`, `'a`, `"'a"`, `'a`},
		{`a'"b`, `a'"b`, `'a'"'"'"b'`, `a'"b`, refused, `a'"b`},
		{`a '"b`, refused, `'a '"'"'"b'`, refused, refused, refused},
		{"a\nb", refused, refused, refused, refused, refused},
		{"a\tb", refused, refused, refused, refused, refused},
		{"a\x7f", refused, refused, refused, refused, refused},
	}
	for _, tt := range tests {
		for _, d := range []struct {
			name  string
			quote func(string) (string, error)
			want  string
		}{
			{"freebsd", InetdFreeBSD, tt.freebsd},
			{"netbsd", InetdNetBSD, tt.netbsd},
			{"openbsd", InetdOpenBSD, tt.openbsd},
			{"inetutils", InetdInetutils, tt.inetutils},
			{"busybox", InetdBusybox, tt.busybox},
		} {
			got, err := d.quote(tt.in)
			if err != nil {
				got = refused
			}
			if got != d.want {
				t.Errorf("%s: quote %q is %q (%v), want %q", d.name, tt.in, got, err, d.want)
			}
		}
	}
}
