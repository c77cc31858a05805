package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// event is one line of "go test -json".
//
// Source: go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Key     string // of an attribute
	Value   string
}

// sumKey is the attribute of a test (testing.T.Attr) whose values are shown at
// the end: what it counted, which nobody would see of a test that passes.
const sumKey = "sum"

// summary collects the events of one run.
type summary struct {
	w      io.Writer
	output map[string]*strings.Builder // what each test that is still running wrote

	passed, failed int
	failedIn       map[string]bool // packages with a test that failed
	skipped        int
	skips          map[string][]string // the tests that were skipped, by reason
	sums           []string
}

// add takes one event, and writes what is to be seen at once.
func (s *summary) add(e event) {
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.w, e.Output)
	case "output":
		s.keep(e)
	case "attr":
		if e.Key == sumKey {
			s.sums = append(s.sums, e.Value)
		}
	case "pass":
		s.take(e)
		if e.Test != "" {
			s.passed++
		}
	case "skip":
		if e.Test != "" {
			s.skip(e)
		}
	case "fail":
		fmt.Fprint(s.w, s.take(e))
		s.countFailure(e)
	}
}

// countFailure counts a failed test, and a package that failed without one: it
// did not build, or TestMain gave up.
func (s *summary) countFailure(e event) {
	if e.Test == "" && s.failedIn[e.Package] {
		return
	}
	if s.failedIn == nil {
		s.failedIn = make(map[string]bool)
	}
	s.failedIn[e.Package] = true
	s.failed++
}

// keep stores output until it is known how its test ends. Of a package's own
// output only the result line is shown when the package passes.
func (s *summary) keep(e event) {
	if e.Test == "" && packageLine.MatchString(e.Output) {
		fmt.Fprint(s.w, e.Output)
		return
	}
	if progressLine.MatchString(e.Output) {
		return
	}
	if s.output == nil {
		s.output = make(map[string]*strings.Builder)
	}
	key := e.Package + " " + e.Test
	if s.output[key] == nil {
		s.output[key] = new(strings.Builder)
	}
	s.output[key].WriteString(e.Output)
}

func (s *summary) take(e event) string {
	key := e.Package + " " + e.Test
	kept := s.output[key]
	if kept == nil {
		return ""
	}
	delete(s.output, key)
	return kept.String()
}

// skip notes a skipped test under its reason.
func (s *summary) skip(e event) {
	if s.skips == nil {
		s.skips = make(map[string][]string)
	}
	why := reason(s.take(e))
	s.skips[why] = append(s.skips[why], e.Package+" "+e.Test)
	s.skipped++
}

// finish writes the last lines: each reason to skip with its tests, what tests
// counted, then the counts.
func (s *summary) finish() {
	for _, why := range slices.Sorted(maps.Keys(s.skips)) {
		tests := s.skips[why]
		fmt.Fprintf(s.w, "SKIP %d, %s: %s", len(tests), why, strings.Join(tests[:min(len(tests), namedSkips)], ", "))
		if len(tests) > namedSkips {
			fmt.Fprint(s.w, ", …")
		}
		fmt.Fprintln(s.w)
	}
	for _, sum := range s.sums {
		fmt.Fprintln(s.w, sum)
	}
	fmt.Fprintf(s.w, "tests: %d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
}

// namedSkips is how many tests of one reason are named.
const namedSkips = 3

var (
	// packageLine is go test's result of one package.
	packageLine = regexp.MustCompile(`^(ok  |FAIL|\?   )\t`)
	// progressLine says that a test runs, which is of no interest afterwards.
	progressLine = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME|ATTR) `)
	// skipLine is where a skipped test says why: "    file_test.go:12: text".
	skipLine = regexp.MustCompile(`(?m)^ +\S+_?\w*\.go:\d+: (.*)$`)
)

// reason finds why a test was skipped in its output.
func reason(output string) string {
	if found := skipLine.FindAllStringSubmatch(output, -1); len(found) > 0 {
		return found[len(found)-1][1]
	}
	return "no reason given"
}
