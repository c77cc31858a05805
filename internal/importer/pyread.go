package importer

import (
	"regexp"
	"slices"
	"strings"
)

// What a module of Python binds at its top level, read from the text alone: nothing
// of a project is run. Blocks of if, try, with and for are of the top level as they
// are to Python; what stands in "if __name__ == '__main__'" or "if TYPE_CHECKING" is not
// there when the module is imported.
//
// Source: https://docs.python.org/3/reference/lexical_analysis.html and
// https://docs.python.org/3/reference/executionmodel.html#naming-and-binding.

// pyStatement is a simple statement, or the head of a compound one. Text is on one
// line, without comments; strings are in single quotes, and empty but for those of
// plain words.
type pyStatement struct {
	line   int
	indent int
	text   string
}

// pyHow says how a name is bound.
type pyHow uint8

const (
	pyAssigned pyHow = iota + 1
	pyImported
	pyFunction
	pyClass
)

// pyName is what a name is bound to.
type pyName struct {
	how        pyHow
	line       int
	text       string // the expression, the parameters, or the bases
	module     string // of an import: as it is written, "..blog" too
	attribute  string // of "from module import attribute"
	async      bool
	decorators []string
	body       []pyStatement
	inner      *pyScope // what the body binds, once it was asked for
	before     *pyName  // what the name was until then
	of         *pyName  // of an argument: the binding whose value it is a part of
}

// pyScope is the names of a module, or of the body of a function.
type pyScope struct {
	names map[string]*pyName
	order []string
	stars []string // modules of "from module import *"

	serves pyStatement // a call at the top level that answers requests
}

const (
	maxPyStatement = 4000 // characters that are kept of a statement
	maxPyStars     = 20   // modules whose names a module takes over
)

// pyReader cuts a text into statements.
type pyReader struct {
	text  string
	at    int
	line  int
	out   []pyStatement
	now   strings.Builder
	first int // line of the statement
	depth int // of brackets
	width int // of the indentation
}

// pyStatements reads a text. It takes any: what is no Python gives statements that
// bind nothing.
func pyStatements(text string) []pyStatement {
	p := &pyReader{text: strings.ReplaceAll(text, "\r\n", "\n"), line: 1}
	p.indentation()
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '\n':
			p.line++
			p.at++
			if p.depth > 0 {
				p.add(" ")
				continue
			}
			p.end()
			p.indentation()
		case c == '\\' && strings.HasPrefix(p.text[p.at+1:], "\n"):
			p.line++
			p.at += 2
			p.add(" ")
		case c == '#':
			if end := strings.IndexByte(p.text[p.at:], '\n'); end >= 0 {
				p.at += end
			} else {
				p.at = len(p.text)
			}
		case c == '\'' || c == '"':
			p.quoted(c)
		case c == ';' && p.depth == 0:
			p.at++
			p.end()
		default:
			switch c {
			case '(', '[', '{':
				p.depth++
			case ')', ']', '}':
				p.depth = max(p.depth-1, 0)
			case '\t', '\r', '\f':
				c = ' '
			}
			p.add(string(rune(c)))
			p.at++
		}
	}
	p.end()
	return p.out
}

func (p *pyReader) add(s string) {
	if p.now.Len() == 0 {
		if s == " " {
			return
		}
		p.first = p.line
	}
	if p.now.Len() < maxPyStatement {
		p.now.WriteString(s)
	}
}

// indentation reads the blanks that a line begins with.
func (p *pyReader) indentation() {
	p.width = 0
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case ' ':
			p.width++
		case '\t':
			p.width = (p.width/8 + 1) * 8
		case '\f', '\r':
		default:
			return
		}
	}
}

// plainString is what a string may hold to be kept.
var plainString = regexp.MustCompile(`^[A-Za-z0-9_.:-]{0,200}$`)

// quoted reads a string. One that is not closed ends with its line, or with the text.
func (p *pyReader) quoted(quote byte) {
	// Letters in front of it say how it is read, which does not matter here.
	if text := p.now.String(); text != "" {
		end := len(text)
		for end > 0 && len(text)-end < 2 && strings.IndexByte("rRbBuUfFtT", text[end-1]) >= 0 {
			end--
		}
		if end < len(text) && (end == 0 || !isPyWord(text[end-1])) {
			p.now.Reset()
			p.now.WriteString(text[:end])
		}
	}
	mark := string(quote)
	if strings.HasPrefix(p.text[p.at:], strings.Repeat(mark, 3)) {
		mark = strings.Repeat(mark, 3)
	}
	begin, line := p.at+len(mark), p.line
	end := begin
	for ; end < len(p.text) && !strings.HasPrefix(p.text[end:], mark); end++ {
		if p.text[end] == '\\' && end+1 < len(p.text) {
			end++
		}
		if p.text[end] == '\n' {
			if len(mark) == 1 && p.text[end-1] != '\\' {
				break
			}
			line++
		}
	}
	inner := p.text[begin:min(end, len(p.text))]
	if !plainString.MatchString(inner) {
		inner = ""
	}
	p.add("'" + inner + "'")
	p.line = line
	if p.at = end; strings.HasPrefix(p.text[min(end, len(p.text)):], mark) {
		p.at += len(mark)
	}
}

// pythonName is what a module may be called.
var pythonName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func isPyWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// compound are heads of compound statements, which a statement may follow in the
// same line.
var compound = regexp.MustCompile(`^(if|elif|else|try|except|finally|for|while|with|async|match|case|def|class)\b`)

// end ends a statement.
func (p *pyReader) end() {
	text := strings.TrimSpace(p.now.String())
	p.now.Reset()
	p.depth = 0
	indent := p.width
	for text != "" {
		rest := ""
		if compound.MatchString(text) {
			if colon := topByte(text, ':'); colon >= 0 {
				text, rest = text[:colon+1], strings.TrimSpace(text[colon+1:])
			}
		}
		p.out = append(p.out, pyStatement{p.first, indent, text})
		text = rest
		indent++
	}
}

// topByte returns where a byte stands first outside of brackets and quotes, or -1.
func topByte(text string, want byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			end := strings.IndexByte(text[i+1:], '\'')
			if end < 0 {
				return -1
			}
			i += end + 1
		case c == want && depth == 0:
			return i
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		}
	}
	return -1
}

// topSplit cuts a text at a byte outside of brackets and quotes.
func topSplit(text string, at byte) []string {
	var out []string
	for {
		i := topByte(text, at)
		if i < 0 {
			return append(out, strings.TrimSpace(text))
		}
		out = append(out, strings.TrimSpace(text[:i]))
		text = text[i+1:]
	}
}

var (
	pyDef    = regexp.MustCompile(`^(async +)?def +(\w+) *\((.*)\)`)
	pyKlass  = regexp.MustCompile(`^class +(\w+)(?: *\((.*)\))?`)
	pyFrom   = regexp.MustCompile(`^from +([.\w]+) *import *(.+)$`)
	pyImport = regexp.MustCompile(`^import +(.+)$`)
	pyAs     = regexp.MustCompile(`^([.\w]+)(?: +as +(\w+))?$`)
	pyTarget = regexp.MustCompile(`^\(?(\w+)\)?(?: *:.*)?$`)

	// notImported are conditions of what an import of the module leaves out.
	notImported = regexp.MustCompile(`^(?:el)?if +\(?(?:__name__ *== *'__main__'|'__main__' *== *__name__|(?:\w+\.)?TYPE_CHECKING\b)`)
)

// pyBindings returns what statements bind, those of one scope.
func pyBindings(list []pyStatement) *pyScope {
	s := &pyScope{names: make(map[string]*pyName)}
	var decorators []string
	for i := 0; i < len(list); i++ {
		at := &list[i]
		end := i + 1
		for end < len(list) && list[end].indent > at.indent {
			end++
		}
		switch text := at.text; {
		case strings.HasPrefix(text, "@"):
			decorators = append(decorators, text[1:])
			continue
		case pyDef.MatchString(text):
			m := pyDef.FindStringSubmatch(text)
			s.bind(m[2], &pyName{how: pyFunction, line: at.line, text: m[3], async: m[1] != "", decorators: decorators, body: list[i+1 : end]})
			i = end - 1
		case pyKlass.MatchString(text):
			m := pyKlass.FindStringSubmatch(text)
			s.bind(m[1], &pyName{how: pyClass, line: at.line, text: m[2], body: list[i+1 : end]})
			i = end - 1
		case notImported.MatchString(text):
			i = end - 1
		default:
			s.simple(at)
		}
		decorators = nil
	}
	return s
}

// scope returns what the body of a function or class binds.
func (n *pyName) scope() *pyScope {
	if n.inner == nil {
		n.inner = pyBindings(n.body)
	}
	return n.inner
}

// simple takes what a simple statement binds.
func (s *pyScope) simple(at *pyStatement) {
	if m := pyFrom.FindStringSubmatch(at.text); m != nil {
		for word := range strings.SplitSeq(strings.Trim(m[2], "() "), ",") {
			word = strings.TrimSpace(word)
			if word == "*" && len(s.stars) < maxPyStars && !slices.Contains(s.stars, m[1]) {
				s.stars = append(s.stars, m[1])
			}
			if as := pyAs.FindStringSubmatch(word); as != nil {
				name := as[1]
				if as[2] != "" {
					name = as[2]
				}
				s.bind(name, &pyName{how: pyImported, line: at.line, module: m[1], attribute: as[1]})
			}
		}
		return
	}
	if m := pyImport.FindStringSubmatch(at.text); m != nil {
		for word := range strings.SplitSeq(m[1], ",") {
			as := pyAs.FindStringSubmatch(strings.TrimSpace(word))
			switch {
			case as == nil:
			case as[2] != "":
				s.bind(as[2], &pyName{how: pyImported, line: at.line, module: as[1]})
			default:
				name, _, _ := strings.Cut(as[1], ".")
				s.bind(name, &pyName{how: pyImported, line: at.line, module: name})
			}
		}
		return
	}
	// A comparison, an argument's name and += are no assignments.
	parts := topSplit(strings.NewReplacer("==", "\x01", "!=", "\x01", "<=", "\x01", ">=", "\x01", "+=", "\x01", "-=", "\x01", "|=", "\x01", ":=", "\x01").Replace(at.text), '=')
	value := unwrapped(strings.ReplaceAll(parts[len(parts)-1], "\x01", "=="))
	for _, target := range parts[:len(parts)-1] {
		// "app, api = a(), b()" binds one by one, as far as the text shows it.
		names, values := topSplit(strings.Trim(unwrapped(target), "[]"), ','), topSplit(value, ',')
		for i, name := range names {
			text := value
			if len(names) > 1 && len(values) == len(names) {
				text = values[i]
			}
			if m := pyTarget.FindStringSubmatch(name); m != nil {
				s.bind(m[1], &pyName{how: pyAssigned, line: at.line, text: text})
			}
		}
	}
	if m := servesItself.FindString(at.text); m != "" && s.serves.line == 0 {
		s.serves = pyStatement{line: at.line, text: m + ")"}
	}
}

// servesItself are calls that answer requests, and do not come back.
var servesItself = regexp.MustCompile(`^(?:\w+\.)*(?:run|run_simple|serve|serve_forever|quickstart)\(`)

// unwrapped takes away brackets around a whole expression.
func unwrapped(text string) string {
	for strings.HasPrefix(text, "(") && strings.HasSuffix(text, ")") {
		inner := text[1 : len(text)-1]
		depth := 0
		for i := range len(inner) {
			switch inner[i] {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth < 0 {
				return text
			}
		}
		text = strings.TrimSpace(inner)
	}
	return text
}

// notCallable are values that are bound where there is nothing better.
var notCallable = regexp.MustCompile(`^(None|True|False|'.*|[0-9{\[].*|\.\.\.|\( *\))$`)

func (s *pyScope) bind(name string, to *pyName) {
	was := s.names[name]
	if was == nil {
		s.order = append(s.order, name)
	} else if to.how == pyAssigned && notCallable.MatchString(to.text) {
		return // what "except ImportError" falls back to
	}
	to.before = was
	s.names[name] = to
}
