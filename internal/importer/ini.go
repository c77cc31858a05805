package importer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// iniValue is the value of a key, and the line it begins in.
type iniValue struct {
	text string
	at   place
	used bool
}

// iniSection is a section of supervisord.conf.
type iniSection struct {
	name string
	at   place
	here string // the folder of its file
	keys map[string]*iniValue
}

// parseIni reads a file as supervisord does: keys in small letters before "=" or
// ":", values that go on in lines that are indented more, and comments behind ";"
// or "#" at the beginning of a line or after a blank.
//
// Source: Python's configparser with inline_comment_prefixes=(";", "#").
func (r *reading) parseIni(file, text, here string, into map[string]*iniSection, order *[]string) {
	var section *iniSection
	var last *iniValue
	indent := 0
	for i, line := range lines(text) {
		at := r.at(file, i+1)
		line = withoutComment(line)
		trimmed := strings.TrimSpace(line)
		if trimmed == "" {
			continue
		}
		depth := len(line) - len(strings.TrimLeft(line, " \t"))
		if last != nil && depth > indent {
			last.text += "\n" + trimmed
			continue
		}
		last = nil
		if strings.HasPrefix(trimmed, "[") && strings.Contains(trimmed, "]") {
			name := trimmed[1:strings.IndexByte(trimmed, ']')]
			if section = into[name]; section == nil {
				section = &iniSection{name: name, at: at, here: here, keys: make(map[string]*iniValue)}
				into[name] = section
				*order = append(*order, name)
			}
			continue
		}
		cut := strings.IndexAny(trimmed, "=:")
		if cut < 0 || section == nil {
			r.note(Lost, at, "", "", "", "the line is no NAME=VALUE in a section")
			continue
		}
		indent = depth
		last = &iniValue{text: strings.TrimSpace(trimmed[cut+1:]), at: at}
		section.keys[strings.ToLower(strings.TrimSpace(trimmed[:cut]))] = last
	}
}

// withoutComment cuts a comment off.
func withoutComment(line string) string {
	for i := range len(line) {
		if (line[i] == ';' || line[i] == '#') && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// expandIni puts in what %(name)s stands for, with the widths of numbers that
// Python knows: %(process_num)02d.
func expandIni(s string, values map[string]string) (string, error) {
	var b strings.Builder
	for {
		if b.Len() > maxExpanded {
			return "", fmt.Errorf("with what its variables stand for it is longer than %d bytes", maxExpanded)
		}
		before, rest, found := strings.Cut(s, "%")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), nil
		case strings.HasPrefix(rest, "%"):
			b.WriteByte('%')
			s = rest[1:]
			continue
		case !strings.HasPrefix(rest, "("):
			return "", errors.New("a % that is not doubled")
		}
		name, form, ok := strings.Cut(rest[1:], ")")
		value, known := values[name]
		if !ok || !known {
			return "", fmt.Errorf("%%(%s)s, which only supervisord knows", name)
		}
		width := len(form) - len(strings.TrimLeft(form, "0123456789"))
		if width == len(form) || form[width] != 's' && form[width] != 'd' {
			return "", fmt.Errorf("the form of %%(%s)", name)
		}
		if n, err := strconv.Atoi(form[:width]); err == nil && n < 100 {
			pad := " "
			if form[0] == '0' {
				pad = "0"
			}
			value = strings.Repeat(pad, max(0, n-len(value))) + value
		}
		b.WriteString(value)
		s = form[width+1:]
	}
}

// splitPosix splits words as Python's shlex.split does.
func splitPosix(s string) ([]string, error) {
	var words []string
	var b strings.Builder
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\r':
			if inWord {
				words = append(words, b.String())
				b.Reset()
				inWord = false
			}
		case '\'', '"':
			inWord = true
			for i++; i < len(s) && s[i] != c; i++ {
				if c == '"' && s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
					i++
				}
				b.WriteByte(s[i])
			}
			if i >= len(s) {
				return nil, errors.New("a quote without its pair")
			}
		case '\\':
			if i+1 == len(s) {
				return nil, errors.New("a backslash at the end")
			}
			i++
			inWord = true
			b.WriteByte(s[i])
		default:
			inWord = true
			b.WriteByte(c)
		}
	}
	if inWord {
		words = append(words, b.String())
	}
	return words, nil
}

// splitPairs reads KEY="value",KEY2=value as supervisord does, which splits with
// Python's shlex without its POSIX mode.
func splitPairs(s string) (pairs [][2]string, err error) {
	var tokens []string
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case c == '#':
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case c == '"' || c == '\'':
			end := strings.IndexByte(s[i+1:], c)
			if end < 0 {
				return nil, errors.New("a quote without its pair")
			}
			tokens = append(tokens, s[i:i+end+2])
			i += end + 2
		default:
			end := i
			for end < len(s) && pairChar(s[end]) {
				end++
			}
			if end == i {
				end++
			}
			tokens = append(tokens, s[i:end])
			i = end
		}
	}
	for i := 0; i < len(tokens); i += 4 {
		if len(pairs) >= maxVariables {
			return pairs, fmt.Errorf("more than %d variables", maxVariables)
		}
		if i+2 >= len(tokens) || tokens[i+1] != "=" {
			return nil, errors.New("it is no list of NAME=VALUE with commas between")
		}
		pairs = append(pairs, [2]string{tokens[i], strings.Trim(tokens[i+2], `'"`)})
	}
	return pairs, nil
}

func pairChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_/.+-():", c) >= 0
}
