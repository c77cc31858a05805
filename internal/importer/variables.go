package importer

import (
	"fmt"
	"regexp"
	"strings"
)

var shellVariable = regexp.MustCompile(`^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})`)

// splits are the characters of a value that make more words of one, or names of
// files, where it stands without quotes.
const splits = " \t\n*?[\\"

// expand puts the variables that the script has set itself into a word. It reports
// false where anything else is left to the shell, and where what the variables put in
// takes more than the room that is left.
//
// Source: POSIX, Shell Command Language, 2.2 Quoting, 2.6 Word Expansions.
func expand(raw string, vars lookup, room *int) (text string, ok bool) {
	var b strings.Builder
	quoted := false // by "
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '"':
			quoted = !quoted
			i++
		case c == '\'' && !quoted:
			end := strings.IndexByte(raw[i+1:], '\'')
			if end < 0 {
				return "", false
			}
			b.WriteString(raw[i+1 : i+1+end])
			i += end + 2
		case c == '\\' && i+1 < len(raw):
			next := raw[i+1]
			if quoted && strings.IndexByte("$`\"\\\n", next) < 0 {
				b.WriteByte(c)
			}
			if next != '\n' {
				b.WriteByte(next)
			}
			i += 2
		case c == '$':
			m := shellVariable.FindStringSubmatch(raw[i:])
			if m == nil {
				return "", false
			}
			value, known := vars(m[1] + m[2])
			if *room -= len(value); *room < 0 || !known || !quoted && (value == "" || strings.ContainsAny(value, splits)) {
				return "", false
			}
			b.WriteString(value)
			i += len(m[0])
		case c == '`' || !quoted && strings.IndexByte("*?[{}~", c) >= 0:
			return "", false
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), !quoted
}

// lookup returns the value of a variable.
type lookup func(name string) (value string, known bool)

// maxExpanded is what the variables of a script may come to in all: what the kernel
// takes for one word. Twelve lines that each double the one before come to more.
const maxExpanded = 128 << 10

// closed returns the texts of words, with the variables of the script put in.
func (s *scriptReader) closed(words []shellWord, vars lookup) (texts []string, open *shellWord) {
	for i := range words {
		text, ok := words[i].text, true
		if words[i].open {
			text, ok = expand(words[i].raw, vars, &s.room)
		}
		if !ok {
			return nil, &words[i]
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// unread says why a word is not read.
func (s *scriptReader) unread(word *shellWord) string {
	if s.room < 0 {
		return s.full()
	}
	return "the shell works out " + word.raw
}

// assign sets a variable. It returns why not, or "".
func (s *scriptReader) assign(name, value string) string {
	if _, known := s.shell[name]; !known && len(s.shell) >= maxVariables {
		return fmt.Sprintf("more than %d variables", maxVariables)
	}
	if s.room -= len(value); s.room < 0 {
		return s.full()
	}
	s.shell[name] = value
	return ""
}

func (s *scriptReader) full() string {
	return fmt.Sprintf("the variables come to more than %d bytes in all", maxExpanded)
}
