package layout

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// flow returns text, which begins with a value in brackets or braces at a column
// of its line, with the keys in order. What does not end in this line is left.
func flow(text string, y *yaml.Node, o *order, column int) string {
	end := flowEnd(text)
	if end < 0 {
		return text
	}
	laid, ok := flowValue(text[:end], y, o, column)
	if !ok {
		return text
	}
	return laid + text[end:]
}

// flowEnd returns where the bracket closes that text begins with; -1 where it does
// not in this line.
func flowEnd(text string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && i > 0 && strings.IndexByte("[{,: ", text[i-1]) >= 0:
			quote = c
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// flowValue lays out a value whose text is all of text.
func flowValue(text string, y *yaml.Node, o *order, column int) (string, bool) {
	if y.Style&yaml.FlowStyle == 0 || len(y.Content) == 0 {
		return text, true
	}
	mapping := y.Kind == yaml.MappingNode
	step := 1
	if mapping {
		step = 2
	}
	type piece struct {
		rank int
		text string
	}
	var pieces []piece
	for i := 0; i+step <= len(y.Content); i += step {
		end := utf8.RuneCountInString(text) - 1
		if i+step < len(y.Content) {
			end = y.Content[i+step].Column - 1 - column
		}
		from := y.Content[i].Column - 1 - column
		part, ok := cut(text, from, end)
		if !ok || y.Content[i].Line != y.Line {
			return text, false
		}
		part = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(part, " \t"), ","), " \t")
		value, below, rank := y.Content[i], o.element(), i
		if mapping {
			value, below, rank = y.Content[i+1], o.under(y.Content[i].Value), o.rank(y.Content[i].Value, i)
		}
		if at := value.Column - y.Content[i].Column; value.Style&yaml.FlowStyle != 0 {
			head, ok := cut(part, 0, at)
			rest, ok2 := cut(part, at, utf8.RuneCountInString(part))
			if !ok || !ok2 || value.Line != y.Line {
				return text, false
			}
			laid, ok := flowValue(rest, value, below, value.Column-1)
			if !ok {
				return text, false
			}
			part = head + laid
		}
		pieces = append(pieces, piece{rank, part})
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return a.rank - b.rank })
	var words []string
	for _, p := range pieces {
		words = append(words, p.text)
	}
	return text[:1] + strings.Join(words, ", ") + text[len(text)-1:], true
}

// cut returns the characters from one to another.
func cut(text string, from, to int) (string, bool) {
	runes := []rune(text)
	if from < 0 || to > len(runes) || from > to {
		return "", false
	}
	return string(runes[from:to]), true
}
