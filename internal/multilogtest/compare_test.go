package multilogtest

import (
	"fmt"
	"slices"
	"strings"
)

// describe writes a scenario down so that it can be done by hand.
func describe(s Scenario) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nbefore:\n%s", s.Name, s.Tree.Describe(s.Tree))
	for i, step := range s.Steps {
		fmt.Fprintf(&b, "%3d. ", i+1)
		switch step.Kind {
		case Start:
			fmt.Fprintf(&b, "multilog %q\n", step.Words)
		case Write:
			fmt.Fprintf(&b, "write %s\n", summary(step.Data))
		case Signal:
			fmt.Fprintf(&b, "%v\n", step.Signal)
		case Close:
			b.WriteString("end of input\n")
		case Hold:
			fmt.Fprintf(&b, "lock of %s held\n", step.Path)
		case Show:
			b.WriteString("look\n")
		case Unblock:
			b.WriteString("O_NONBLOCK\n")
		case Make:
			b.WriteString("make\n" + step.Tree.Describe(step.Tree))
		}
	}
	return b.String()
}

// difference shows the lines that only one of two transcripts has.
func difference(got, want string) string {
	g, w := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	without := func(list, other []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(list), func(line string) bool { return slices.Contains(other, line) }), "")
	}
	if onlyG, onlyW := without(g, w), without(w, g); onlyG+onlyW != "" {
		return "got\n" + onlyG + "want\n" + onlyW
	}
	return "got\n" + got + "want\n" + want
}
