package bridge

import (
	"strconv"
	"testing"
)

// Names are found, and only those, however many there are.
func TestNames(t *testing.T) {
	var n names
	for i := range 3 * fewNames {
		name := "N" + strconv.Itoa(i)
		if at := n.find(name); at != -1 {
			t.Fatalf("%s is at %d before it was added", name, at)
		}
		n.add(name)
		for j := range i + 1 {
			if at := n.find("N" + strconv.Itoa(j)); at != j {
				t.Fatalf("of %d names, N%d is at %d", i+1, j, at)
			}
		}
	}
}
