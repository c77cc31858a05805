package printable

import "testing"

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"blog: unable to start run":  "blog: unable to start run",
		"ö \u200d ☃ \ufffd":          "ö \u200d ☃ \ufffd",
		"a\nsupervise: b\r\t":        `a\x0asupervise: b\x0d\x09`,
		"\x1b[2J\x7f\u009b1m":        `\x1b[2J\x7f\u009b1m`,
		"\u202e\u2028\U000e0001\xff": `\u202e\u2028\U000e0001\xff`,
		"\xc3":                       `\xc3`,
	} {
		if got := Text(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
