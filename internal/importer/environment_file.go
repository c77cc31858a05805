package importer

import "strings"

// environmentFile reads the NAME=VALUE lines of a file as EnvironmentFile= does:
// comments behind "#" or ";" at the beginning of a line, quotes around a value or a
// part of it, and a backslash that takes the next character as it is and joins lines.
// What is no NAME=VALUE is left out, as systemd does.
//
// Source: systemd.exec(5), EnvironmentFile=; fileio.c and env-file.c of systemd 252.
func environmentFile(text string) (pairs [][2]string) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for text != "" {
		text = strings.TrimLeft(text, " \t\n")
		if text == "" || text[0] == '#' || text[0] == ';' {
			_, text, _ = strings.Cut(text, "\n")
			continue
		}
		end := strings.IndexAny(text, "=\n")
		if end < 0 || text[end] == '\n' {
			_, text, _ = strings.Cut(text, "\n")
			continue
		}
		name := strings.TrimRight(text[:end], " \t")
		value, rest := environmentValue(text[end+1:])
		if text = rest; envName.MatchString(name) {
			pairs = append(pairs, [2]string{name, value})
		}
	}
	return pairs
}

// environmentValue reads a value up to the end of its line. Blanks around it are
// none of it where they stand without quotes.
func environmentValue(s string) (value, rest string) {
	var b strings.Builder
	s = strings.TrimLeft(s, " \t")
	keep := 0 // bytes that are more than blanks at the end
	for s != "" && s[0] != '\n' {
		switch c := s[0]; {
		case c == '\'':
			inner, after, _ := strings.Cut(s[1:], "'")
			b.WriteString(inner)
			s, keep = after, b.Len()
		case c == '"':
			for s = s[1:]; s != "" && s[0] != '"'; s = s[1:] {
				if s[0] == '\\' && len(s) > 1 {
					if s = s[1:]; s[0] == '\n' {
						continue
					}
					if strings.IndexByte("\"\\`$", s[0]) < 0 {
						b.WriteByte('\\')
					}
				}
				b.WriteByte(s[0])
			}
			s = s[min(1, len(s)):]
			keep = b.Len()
		case c == '\\' && len(s) > 1:
			if s[1] != '\n' {
				b.WriteByte(s[1])
				keep = b.Len()
			}
			s = s[2:]
		default:
			b.WriteByte(c)
			if s = s[1:]; c != ' ' && c != '\t' {
				keep = b.Len()
			}
		}
	}
	return b.String()[:keep], s
}
