package generate

import "strings"

// indentStep is one level of indentation in generated files.
const indentStep = "    "

// indentBraces lays out a file of nginx or Lighttpd: a line that ends in "{"
// or "(" opens a block, one that begins with "}" or ")" closes one. Templates
// need not care for indentation, and a part stands right in any depth.
func indentBraces(text []byte) []byte {
	return indentBlocks(text, func(line string) (closes, opens bool) {
		return strings.HasPrefix(line, "}") || strings.HasPrefix(line, ")"),
			strings.HasSuffix(line, "{") || strings.HasSuffix(line, "(")
	})
}

// indentSections lays out a file of Apache, with <Section> and </Section>.
func indentSections(text []byte) []byte {
	return indentBlocks(text, func(line string) (closes, opens bool) {
		closes = strings.HasPrefix(line, "</")
		return closes, !closes && strings.HasPrefix(line, "<")
	})
}

// indentBlocks indents every line by the number of blocks open around it, and
// leaves one empty line at most between two others, none at the edges of a
// block. Values hold no newline, so a line of the output is a line of the
// template.
func indentBlocks(text []byte, block func(line string) (closes, opens bool)) []byte {
	var b strings.Builder
	depth := 0
	empty, atEdge := false, true
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" {
			empty = true
			continue
		}
		var closes, opens bool
		if !strings.HasPrefix(line, "#") {
			closes, opens = block(line)
		}
		if closes {
			depth = max(depth-1, 0)
		}
		if empty && !atEdge && !closes {
			b.WriteByte('\n')
		}
		b.WriteString(strings.Repeat(indentStep, depth) + line + "\n")
		if opens {
			depth++
		}
		empty, atEdge = false, opens
	}
	return []byte(b.String())
}

// indentProxies lays out a file of HAProxy: sections begin at the margin with
// a word that opens one, and hold all lines up to the next.
func indentProxies(text []byte) []byte {
	var b strings.Builder
	empty := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" {
			empty = b.Len() > 0
			continue
		}
		word, _, _ := strings.Cut(line, " ")
		switch word {
		case "backend", "fcgi-app", "frontend", "userlist":
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(line + "\n")
		default:
			if empty {
				b.WriteByte('\n')
			}
			b.WriteString(indentStep + line + "\n")
		}
		empty = false
	}
	return []byte(b.String())
}
