package appfile

import (
	"fmt"

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
	c.list = append(c.list, p)
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
