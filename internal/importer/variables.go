package importer

import (
	"regexp"
	"strings"
)

var shellVariable = regexp.MustCompile(`^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})`)

// splits are the characters of a value that make more words of one, or names of
// files, where it stands without quotes.
const splits = " \t\n*?[\\"

// expand puts the variables that the script has set itself into a word. It reports
// false where anything else is left to the shell.
//
// Source: POSIX, Shell Command Language, 2.2 Quoting, 2.6 Word Expansions.
func expand(raw string, vars map[string]string) (text string, ok bool) {
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
			value, known := vars[m[1]+m[2]]
			if !known || !quoted && (value == "" || strings.ContainsAny(value, splits)) {
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

// closed returns the texts of words, with the variables of the script put in.
func (s *scriptReader) closed(words []shellWord, vars map[string]string) (texts []string, open *shellWord) {
	for i := range words {
		text, ok := words[i].text, true
		if words[i].open {
			text, ok = expand(words[i].raw, vars)
		}
		if !ok {
			return nil, &words[i]
		}
		texts = append(texts, text)
	}
	return texts, nil
}
