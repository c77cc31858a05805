package chainload

import (
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		args    string
		options string
		rest    string
		err     string
	}{
		{"", "", "", ""},
		{"x", "", "x", ""},
		{"-n", "n", "", ""},
		{"-nx -n f -x", "n x n", "f -x", ""},
		{"-a5 f", "a=5", "f", ""},
		{"-a 5 f", "a=5", "f", ""},
		{"-na5 f", "n a=5", "f", ""},
		{"-an f", "a=n", "f", ""},
		{"-a -n f", "a=-n", "f", ""},
		{"-n -- -x", "n", "-x", ""},
		{"-n --anything -x", "n", "-x", ""},
		{"- -n", "", "- -n", ""},
		{"-n - -n", "n", "- -n", ""},
		{"-z", "", "", "p: illegal option -- z"},
		{"-nz f", "n", "", "p: illegal option -- z"},
		{"-n-", "n", "", "p: illegal option -- -"},
		{"-:", "", "", "p: illegal option -- :"},
		{"-n -a", "n", "", "p: option requires an argument -- a"},
	} {
		options, rest, err := ParseOptions("p", "na:x", strings.Fields(c.args))
		var words []string
		for _, o := range options {
			word := string(o.Flag)
			if o.Value != "" {
				word += "=" + o.Value
			}
			words = append(words, word)
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if strings.Join(words, " ") != c.options || strings.Join(rest, " ") != c.rest || text != c.err {
			t.Errorf("%q: options %v, rest %v, error %q", c.args, words, rest, text)
		}
	}
	options, rest, err := ParseOptions("p", "a:", []string{"-a", "", "-", ""})
	if err != nil || !slices.Equal(options, []Option{{'a', ""}}) || !slices.Equal(rest, []string{"-", ""}) {
		t.Errorf("empty words: %v, %v, %v", options, rest, err)
	}
}

func TestEdit(t *testing.T) {
	env := func() []string { return []string{"A=1", "B=2", "C=3", "odd"} }
	for _, c := range []struct {
		change variable
		want   string
	}{
		{variable{"A", "x", true}, "odd B=2 C=3 A=x"},
		{variable{"A", "", true}, "odd B=2 C=3 A="},
		{variable{"A", "", false}, "odd B=2 C=3"},
		{variable{"D", "4", true}, "A=1 B=2 C=3 odd D=4"},
		{variable{"D", "", false}, "A=1 B=2 C=3 odd"},
		{variable{"B=x", "y", true}, "A=1 odd C=3 B=x=y"},
		{variable{"B=x", "", false}, "A=1 odd C=3 B=x"},
		{variable{"odd", "1", true}, "A=1 B=2 C=3 odd odd=1"},
	} {
		if got := strings.Join(edit(env(), []variable{c.change}), " "); got != c.want {
			t.Errorf("%+v: %s", c.change, got)
		}
	}
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]limit{
		"":                     {},
		"=":                    {hard: true},
		"0012":                 {value: 12},
		"18446744073709551615": {value: 1<<64 - 1},
		"18446744073709551617": {value: 1},
	} {
		if got, ok := parseLimit(text); !ok || got != want {
			t.Errorf("%q: %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"-1", "1k", "==", " 1", "1 ", "0x1"} {
		if got, ok := parseLimit(text); ok {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// A file that may not be run is what is complained of, unless another is found
// or something worse happens.
func TestTry(t *testing.T) {
	for _, c := range []struct {
		errs []error
		want error
	}{
		{[]error{syscall.ENOENT}, syscall.ENOENT},
		{[]error{syscall.ENOTDIR}, syscall.ENOTDIR},
		{[]error{syscall.ENOENT, syscall.ENOENT}, syscall.ENOENT},
		{[]error{syscall.EACCES, syscall.ENOENT}, syscall.EACCES},
		{[]error{syscall.EACCES, syscall.EISDIR, syscall.ENOENT}, syscall.EISDIR},
		{[]error{syscall.EACCES, nil}, nil},
		{[]error{syscall.EPERM, syscall.ENOEXEC, nil}, syscall.ENOEXEC},
		{[]error{syscall.ENOTDIR, nil}, syscall.ENOTDIR},
	} {
		r, i := &request{paths: make([]string, len(c.errs))}, -1
		got := r.try(func(string) (bool, error) { i++; return c.errs[i] == nil, c.errs[i] })
		if got != c.want { //nolint:errorlint // errnos
			t.Errorf("%v: %v", c.errs, got)
		}
	}
}

// Mistakes come back as errors, with nothing done: what they say, the tests of
// scgi-run compare with the real programs.
func TestUsage(t *testing.T) {
	for name, run := range map[string]func([]string) error{
		"setuidgid": SetUIDGID, "envuidgid": EnvUIDGID, "softlimit": SoftLimit, "setlock": SetLock, "pgrphack": PGrpHack,
		"fghack": func(args []string) error { _, err := FGHack(args); return err },
		"envdir": EnvDir,
	} {
		err, ok := run(nil).(*Error) //nolint:errorlint // it is the contract
		if code := map[bool]int{false: ExitUsage, true: ExitTemporary}[name == "envdir"]; !ok || err.Code != code || !strings.HasPrefix(err.Text, name+": usage: "+name+" ") {
			t.Errorf("%s: %+v", name, err)
		}
	}
}
