package appfile

import (
	"fmt"
	"strings"

	"scgikit/internal/diag"
)

// maxProblems is how many problems of one source are kept. A person mends no
// more at once, and a file that is no description at all has one a line.
const maxProblems = 100

// collector takes the problems of one source, each place and code once: a
// mistake in a profile shows in the profile and in the result, and a mistake
// in a value shows in every instance.
type collector struct {
	list diag.List
	seen map[problemKey]bool
	over bool
}

type problemKey struct {
	at   diag.Position
	code string
	path string
}

// full reports whether no more problems are kept.
func (c *collector) full() bool { return len(c.list) >= maxProblems }

func (c *collector) add(p *diag.Problem) {
	// At one place of a file one code is one mistake; where only the file is
	// known, the path tells two apart.
	key := problemKey{at: p.Span.Position, code: p.Code}
	if p.Span.Line == 0 || p.Code == "missing" {
		key.path = p.Path
	}
	if c.seen[key] {
		return
	}
	if c.full() {
		c.over = true
		return
	}
	if c.seen == nil {
		c.seen = make(map[problemKey]bool)
	}
	c.seen[key] = true
	p.Path, p.Message, p.Hint = shorten(p.Path), shorten(p.Message), shorten(p.Hint)
	c.list = append(c.list, p)
}

// maxMessage is how many bytes of a text with a value in it are shown; the
// value itself can be a thousand times that.
const maxMessage = 400

// shorten cuts a long text in its middle.
func shorten(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage/2], "") + " … " + strings.ToValidUTF8(s[len(s)-maxMessage/2:], "")
}

// problems returns what was collected, and says so where it is not all.
func (c *collector) problems() diag.List {
	if !c.over && !c.full() {
		return c.list
	}
	last := c.list[len(c.list)-1]
	return append(c.list, &diag.Problem{
		Span: last.Span, Code: "too-many",
		Message: fmt.Sprintf("the search ended after %d problems", maxProblems),
		Hint:    "mend these, then look again",
	})
}
