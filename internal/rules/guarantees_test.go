package rules

import (
	"regexp"
	"strings"
	"testing"
)

// TestGuarantees: every line of docs/guarantees.md names tests that there are.
func TestGuarantees(t *testing.T) {
	tests := make(map[string]bool)
	define := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	for _, name := range repository(t, func(name string) bool { return strings.HasSuffix(name, "_test.go") }) {
		for _, found := range define.FindAllStringSubmatch(read(t, name), -1) {
			tests[found[1]] = true
		}
	}
	lines := 0
	for line := range strings.Lines(read(t, "docs/guarantees.md")) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || strings.HasPrefix(line, "|---") || strings.Contains(line, "| test |") {
			continue
		}
		lines++
		for name := range strings.SplitSeq(cells[2], ",") {
			if name = strings.Trim(name, " `"); !tests[name] {
				t.Errorf("docs/guarantees.md: there is no test %q, which is to keep: %s", name, cells[1])
			}
		}
	}
	if lines < 10 {
		t.Errorf("docs/guarantees.md has %d lines with a test", lines)
	}
}
