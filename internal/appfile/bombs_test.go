package appfile

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestBombs gives the loader what is meant to take all time or memory. Each
// must be refused with its code, and may take no more than 200 MB. Time is not
// measured: what takes long takes memory here, node by node, and what would
// take for ever does not end the test.
func TestBombs(t *testing.T) {
	var aliases strings.Builder
	aliases.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i <= 9; i++ {
		fmt.Fprintf(&aliases, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	full := func(s string) string { return strings.Repeat(s, maxSource/len(s)) }
	for _, c := range []struct{ name, text, code string }{
		{"aliases 9^9", aliases.String(), "anchor"},
		{"alias of itself", "a: &a [*a]", "anchor"},
		{"10 MB scalar", "name: " + strings.Repeat("x", 10<<20), "too-big"},
		{"1 MB scalar", "name: " + strings.Repeat("x", 1<<20-10), "bad-name"},
		{"1 MB key", strings.Repeat("x", 1<<20-10) + ": 1", "unknown-key"},
		{"depth 10,001 flow", "a: " + strings.Repeat("[", 10001), "too-deep"},
		{"depth 10,001 closed", "a: " + strings.Repeat("[", 10001) + strings.Repeat("]", 10001), "too-deep"},
		{"depth 9,000", "a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "too-deep"},
		{"depth 10,001 block", strings.Repeat("- ", 10001) + "x", "too-deep"},
		{"depth mappings", full("{a: "), "too-deep"},
		{"depth by question", full("? "), "too-deep"},
		{"many keys", full("aaaa: 1\n"), "duplicate-key"},
		{"many anchors", full("&a "), "anchor"},
		{"many aliases", full("*a,"), "anchor"},
		{"many elements", "run:\n  command:\n" + full("  - a: b\n")[:40000], "wrong-type"},
		{"many documents", full("---\na: 1\n"), "too-many"},
		{"many empty documents", full("---\n"), "empty"},
		{"many unknown keys", unknownKeys(9000), "too-many"},
		{"tabs", "a:\n" + full("\t")[:1000] + "b: 1", "syntax"},
		{"quotes", full("'"), "wrong-type"},
		{"open quote", "a: '" + full("''"), "too-big"},
		{"comments", full("# x\n"), "empty"},
		{"variables", "vars: {a: x}\nname: blog\ndescription: \"" + strings.Repeat("${vars.a}", 110000) + "\"", "bad-text"},
		{"variables that grow", "vars: {a: " + strings.Repeat("x", 1<<19) + "}\ndescription: \"" + strings.Repeat("${vars.a}", 50000) + "\"", "too-big"},
		{"instances of much", instanceBomb(9000), "missing"},
		{"many values", instanceBomb(100000), "too-big"},
		{"NUL", "a: \x00", "bad-character"},
		{"not UTF-8", "a: \xff\xfe", "bad-encoding"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			l := Loader{Options: testOptions()}
			project, list := l.Load([]Source{{Name: "bomb.yaml", Data: []byte(c.text)}})
			runtime.ReadMemStats(&after)
			// All that was ever taken bounds what was held at once.
			taken := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%d bytes: %d MiB taken in all, %d problems", len(c.text), taken, len(list))
			if project != nil {
				t.Fatal("it was accepted")
			}
			found := false
			for _, p := range list {
				found = found || p.Code == c.code
			}
			if !found {
				t.Errorf("no problem is %s; the first is %v", c.code, list[0])
			}
			if len(list) > maxProblems+10 {
				t.Errorf("%d problems", len(list))
			}
			if taken > 200 {
				t.Errorf("%d MiB were taken", taken)
			}
		})
	}
}

func unknownKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "key%d: 1\n", i)
	}
	return b.String()
}

// instanceBomb is decoded 64 times: it differs in each instance.
func instanceBomb(n int) string {
	return "run:\n  instances: 64\n  command:\n" + strings.Repeat("  - x\n", n) + "  - ${instance}\n"
}
