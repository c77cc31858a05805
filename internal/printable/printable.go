// Package printable says which characters a terminal obeys instead of showing them,
// and writes texts without them.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns a text as it can stand on one line of a log or a terminal:
// names of folders and texts of files may hold anything. What a terminal obeys,
// what ends a line and what is no UTF-8 is written as \xNN, \uNNNN or \UNNNNNNNN.
func Text(text string) string {
	var b strings.Builder
	done := 0
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		broken := r == utf8.RuneError && size == 1
		if !broken && r >= ' ' && r != 0x7f && !Obeyed(r) {
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

// Obeyed reports whether a character beyond ASCII is not shown but does
// something: C1 controls, separators of lines, and format characters, those of
// direction among them. The joiners that emoji and Persian need do no harm.
func Obeyed(r rune) bool {
	const joiner, nonJoiner = '\u200d', '\u200c'
	return r >= utf8.RuneSelf && r != joiner && r != nonJoiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
