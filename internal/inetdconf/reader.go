package inetdconf

import "strings"

// reader hands out lines and words the way the C programs do: a line longer
// than the buffer is two lines, and an entry goes on in the next line where
// that begins with a blank.
type reader struct {
	text   string
	pos    int
	size   int // of the line buffer, with its NUL; 0 is unlimited
	number int // of the line last read, from 1
	rest   string
	next   func(line string) (word, rest string) // one word of a line that does not begin with a blank
}

// line reads the next line into rest.
func (r *reader) line() bool {
	if r.pos >= len(r.text) {
		return false
	}
	line := r.text[r.pos:]
	if at := strings.IndexByte(line, '\n'); at >= 0 {
		line = line[:at+1]
	}
	if r.size > 0 && len(line) > r.size-1 {
		line = line[:r.size-1]
	}
	if r.pos == 0 || r.text[r.pos-1] == '\n' {
		r.number++
	}
	r.pos += len(line)
	line = strings.TrimSuffix(line, "\n")
	// What follows a NUL byte is not seen: these are C strings.
	r.rest, _, _ = strings.Cut(line, "\x00")
	return true
}

// word reads the next word of the entry, from the next line if need be.
func (r *reader) word() (string, bool) {
	for {
		r.rest = strings.TrimLeft(r.rest, " \t")
		if r.rest != "" {
			word, rest := r.next(r.rest)
			r.rest = rest
			return word, true
		}
		if r.pos >= len(r.text) || !strings.ContainsRune(" \t", rune(r.text[r.pos])) {
			return "", false
		}
		r.line()
	}
}

// wordPlain ends a word at a blank; there is no quoting. (OpenBSD)
func wordPlain(line string) (word, rest string) {
	if at := strings.IndexAny(line, " \t"); at >= 0 {
		return line[:at], line[at+1:]
	}
	return line, ""
}

// wordFreeBSD also takes a quote as the first character of a word; the word
// then ends at the next quote of that kind, whatever follows.
func wordFreeBSD(line string) (word, rest string) {
	if line[0] != '"' && line[0] != '\'' {
		return wordPlain(line)
	}
	word, rest, _ = strings.Cut(line[1:], line[:1])
	return word, rest
}

// wordNetBSD takes quotes of both kinds anywhere in a word, as a shell does,
// but no backslash. A quote left open ends with the line.
func wordNetBSD(line string) (word, rest string) {
	var b strings.Builder
	quote := byte(0)
	for i := range len(line) {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String(), line[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
