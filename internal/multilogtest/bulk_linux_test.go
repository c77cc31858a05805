package multilogtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// bulkScenario feeds many lines at once, so that files fill up in the middle of
// what a program reads.
func bulkScenario(seed uint64) (s Scenario, size int, input string) {
	random := rand.New(rand.NewPCG(seed, 3))
	size = 4096 + random.IntN(12000)
	longest := []int{20, 300, 1500, 9000}[random.IntN(4)]
	s = Scenario{Name: fmt.Sprintf("bulk, seed %d", seed), Steps: []Step{
		Run(fmt.Sprintf("%s s%d n1000 ./a", []string{"", "t", "+*"}[random.IntN(3)], size)),
	}}
	for range 5 {
		var b strings.Builder
		for b.Len() < 40000 {
			b.WriteString(strings.Repeat(string(rune('a'+random.IntN(26))), random.IntN(longest)) + "\n")
		}
		s.Steps = append(s.Steps, Feed(b.String()))
		input += b.String()
	}
	s.Steps = append(s.Steps, End())
	return s, size, input
}

// TestBulkRotation shows that our files end where the clean rule says, however
// the input comes: at the first newline within 2000 bytes of the size, else at
// the size.
func TestBulkRotation(t *testing.T) {
	for seed := range uint64(40) {
		s, _, _ := bulkScenario(seed)
		if got, want := drive(t, ours, s), (Model{Deviations: Ours()}).Predict(s); got != want {
			t.Errorf("%s\n%s", describe(s), difference(got, want))
		}
	}
}

// TestBulkRotationIsMultilogs shows what multilog does with the same input: it
// works on pieces of 512 bytes, so a file may end at a later newline. What it
// does is within these bounds, and ours is, too.
func TestBulkRotationIsMultilogs(t *testing.T) {
	for _, p := range programs(t) {
		for seed := range uint64(40) {
			s, size, input := bulkScenario(seed)
			checkBounds(t, p, s, size, input)
		}
	}
}

func checkBounds(t *testing.T, p candidate, s Scenario, size int, input string) {
	t.Helper()
	dir, aside := place(t), place(t)
	defer os.RemoveAll(dir)
	defer os.RemoveAll(aside)
	if _, err := p.Drive(s, dir, aside); err != nil {
		t.Fatal(err)
	}
	tree, err := Look(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		base, data := path.Base(name), tree[name].Data
		if base[0] != '@' && base != "current" {
			continue
		}
		all += data
		legal := len(data) == size || len(data) < size && len(data) >= size-tolerance && strings.HasSuffix(data, "\n")
		if base != "current" && !legal {
			t.Errorf("%s: %s: %s has %d bytes, and ends with %q", p.name, s.Name, name, len(data), data[max(len(data)-5, 0):])
		}
	}
	if !sameLines(all, input) {
		t.Errorf("%s: %s: the lines are not those of the input", p.name, s.Name)
	}
}

// sameLines compares lines but for their stamps.
func sameLines(log, input string) bool {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if loc := label.FindStringIndex(line); loc != nil && loc[0] == 0 {
			line = line[len(label0)+1:]
		}
		b.WriteString(line)
	}
	return b.String() == input
}
