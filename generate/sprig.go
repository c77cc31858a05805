package generate

import (
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// sprigAllowed are the functions of sprig that templates may call: pure, in a
// stable order, and no printing of their own. Left out are those that read the
// machine or the clock, draw random numbers, walk a map (keys, values), quote
// for another language (quote, squote) or can take all memory (repeat, until,
// append).
var sprigAllowed = [...]string{
	"add", "contains", "default", "empty", "first", "hasPrefix", "hasSuffix",
	"int64", "last", "list", "lower", "mul", "sub", "ternary", "trimPrefix", "trimSuffix", "upper",
}

func sprigFuncs() template.FuncMap {
	all := sprig.TxtFuncMap()
	funcs := make(template.FuncMap, len(sprigAllowed)+3)
	for _, name := range sprigAllowed {
		funcs[name] = all[name]
	}
	return funcs
}
