package importer

import (
	"fmt"
	"strings"
)

// shellWord is one word of a shell script, without its quotes.
type shellWord struct {
	text string
	raw  string // as it is written
	open bool   // the shell would put something else in its place
}

// shellRedirect is a redirection: "2", ">&", "1".
type shellRedirect struct {
	fd, op string
	to     shellWord
}

// shellCommand is a simple command.
type shellCommand struct {
	line      int
	words     []shellWord
	redirects []shellRedirect
	end       string // what stands behind it: ";", "&&", "||", or "" for a line end
}

// shellError is a construct that the reader does not read.
type shellError struct {
	line int
	what string
}

func (e *shellError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.what) }

// splitShell splits a script into simple commands, as POSIX does (Shell Command
// Language, 2.2 Quoting and 2.3 Token Recognition). It is strict: compound
// commands, pipes, here-documents and what runs in the background are errors,
// and words that the shell would expand are open.
func splitShell(script string) ([]shellCommand, *shellError) {
	s := &shellReader{text: script, line: 1}
	for s.pos < len(s.text) {
		if err := s.token(); err != nil {
			return nil, err
		}
	}
	s.endCommand("")
	return s.commands, nil
}

type shellReader struct {
	text     string
	pos      int
	line     int
	current  shellCommand
	commands []shellCommand
}

func (s *shellReader) fail(what string) *shellError { return &shellError{s.line, what} }

func (s *shellReader) peek(prefix string) bool { return strings.HasPrefix(s.text[s.pos:], prefix) }

func (s *shellReader) endCommand(end string) {
	if len(s.current.words) > 0 || len(s.current.redirects) > 0 {
		s.current.end = end
		s.commands = append(s.commands, s.current)
	}
	s.current = shellCommand{}
}

// token reads what begins at the position.
func (s *shellReader) token() *shellError {
	switch c := s.text[s.pos]; {
	case c == '\n':
		s.endCommand("")
		s.pos++
		s.line++
	case c == ' ', c == '\t', c == '\r' && s.peek("\r\n"):
		s.pos++
	case s.peek("\\\n"):
		s.pos += 2
		s.line++
	case c == '#':
		for s.pos < len(s.text) && s.text[s.pos] != '\n' {
			s.pos++
		}
	case s.peek("&&"), s.peek("||"):
		s.endCommand(s.text[s.pos : s.pos+2])
		s.pos += 2
	case s.peek(";;"):
		return s.fail("case")
	case c == ';':
		s.endCommand(";")
		s.pos++
	case c == '&':
		return s.fail("& puts a command into the background")
	case c == '|':
		return s.fail("a pipe")
	case c == '(', c == ')':
		return s.fail("a subshell or a function")
	case c == '<', c == '>':
		return s.redirect("")
	default:
		return s.word()
	}
	return nil
}

// word reads a word, or the number in front of a redirection.
func (s *shellReader) word() *shellError {
	if s.current.line == 0 {
		s.current.line = s.line
	}
	w, err := s.readWord()
	if err != nil {
		return err
	}
	if s.pos < len(s.text) && (s.text[s.pos] == '<' || s.text[s.pos] == '>') && w.raw != "" && strings.Trim(w.raw, "0123456789") == "" {
		return s.redirect(w.raw)
	}
	s.current.words = append(s.current.words, w)
	return nil
}

func (s *shellReader) redirect(fd string) *shellError {
	if s.current.line == 0 {
		s.current.line = s.line
	}
	r := shellRedirect{fd: fd}
	for _, op := range []string{"<<", ">>", ">&", "<&", ">|", "<>", ">", "<"} {
		if s.peek(op) {
			r.op = op
			break
		}
	}
	if r.op == "<<" {
		return s.fail("a here-document")
	}
	s.pos += len(r.op)
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
	w, err := s.readWord()
	if err != nil {
		return err
	}
	if w.raw == "" {
		return s.fail("a redirection to nothing")
	}
	r.to = w
	s.current.redirects = append(s.current.redirects, r)
	return nil
}

// readWord reads up to the first character that ends a word.
func (s *shellReader) readWord() (w shellWord, err *shellError) {
	start := s.pos
	var b strings.Builder
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		if strings.IndexByte(" \t\n;&|()<>", c) >= 0 || c == '\r' && s.peek("\r\n") {
			break
		}
		switch c {
		case '\'':
			err = s.single(&b)
		case '"':
			err = s.double(&b, &w.open)
		case '\\':
			s.escaped(&b)
		default:
			if c == '$' && s.expands() || c == '`' || strings.IndexByte("*?[{}", c) >= 0 || c == '~' && (s.pos == start || s.text[s.pos-1] == '=' || s.text[s.pos-1] == ':') {
				w.open = true
			}
			b.WriteByte(c)
			s.pos++
			if c == '$' && s.peek("(") || c == '`' {
				return w, s.fail("a command substitution")
			}
		}
		if err != nil {
			return w, err
		}
	}
	w.text, w.raw = b.String(), s.text[start:s.pos]
	return w, nil
}

// expands reports whether the dollar sign at the position begins an expansion.
func (s *shellReader) expands() bool {
	if s.pos+1 >= len(s.text) {
		return false
	}
	c := s.text[s.pos+1]
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("{(@*#?-$!'\"", c) >= 0
}

func (s *shellReader) single(b *strings.Builder) *shellError {
	end := strings.IndexByte(s.text[s.pos+1:], '\'')
	if end < 0 {
		return s.fail("a quote without its pair")
	}
	inner := s.text[s.pos+1 : s.pos+1+end]
	b.WriteString(inner)
	s.line += strings.Count(inner, "\n")
	s.pos += end + 2
	return nil
}

// ownFolder is the only substitution that is read: the folder of the service,
// which is where its run script starts.
const ownFolder = "$(pwd)"

func (s *shellReader) double(b *strings.Builder, open *bool) *shellError {
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; c {
		case '"':
			s.pos++
			return nil
		case '\\':
			if s.pos+1 < len(s.text) && strings.IndexByte("$`\"\\\n", s.text[s.pos+1]) >= 0 {
				s.pos++
				if s.text[s.pos] == '\n' {
					s.line++
					continue
				}
			}
			b.WriteByte(s.text[s.pos])
		case '`':
			return s.fail("a command substitution")
		default:
			if c == '\n' {
				s.line++
			}
			if c == '$' && s.expands() && !strings.HasPrefix(s.text[s.pos:], "$\"") {
				*open = true
				if s.peek("$(") && !s.peek(ownFolder) {
					return s.fail("a command substitution")
				}
			}
			b.WriteByte(c)
		}
	}
	return s.fail("a quote without its pair")
}

func (s *shellReader) escaped(b *strings.Builder) {
	s.pos++
	if s.pos >= len(s.text) {
		b.WriteByte('\\')
		return
	}
	if s.text[s.pos] == '\n' {
		s.line++
	} else {
		b.WriteByte(s.text[s.pos])
	}
	s.pos++
}

// closed returns the texts of words that the shell takes as they are.
func closed(words []shellWord) (texts []string, open *shellWord) {
	for i := range words {
		if words[i].open {
			return nil, &words[i]
		}
		texts = append(texts, words[i].text)
	}
	return texts, nil
}

// assignment cuts NAME=value, where the name stands without quotes.
func (w *shellWord) assignment() (name, value string, ok bool) {
	name, _, ok = strings.Cut(w.raw, "=")
	if !ok || !envName.MatchString(name) {
		return "", "", false
	}
	return name, w.text[len(name)+1:], true
}
