package supervise

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns a text as it can stand on one line of a log or a terminal:
// names of folders and texts of files may hold anything. What a terminal obeys,
// what ends a line and what is no UTF-8 is written as \xNN, \uNNNN or \UNNNNNNNN.
func Printable(text string) string {
	var b strings.Builder
	done := 0
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		broken := r == utf8.RuneError && size == 1
		if !broken && !obeyed(r) {
			continue
		}
		b.WriteString(text[done:i])
		done = i + size
		switch {
		case broken || r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// obeyed returns whether a character is not shown but does something: controls,
// separators of lines, and characters of format, those of direction among them.
// The joiners that emoji and Persian need do no harm.
func obeyed(r rune) bool {
	const joiner, nonJoiner = '\u200d', '\u200c'
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return r != joiner && r != nonJoiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
