package supervise

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Two nodes are in one circle where each can be reached from the other.
func TestCircles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n := 1 + random.IntN(9)
		next := make([][]int, n)
		reached := make([][]bool, n)
		for node := range next {
			reached[node] = make([]bool, n)
			for range random.IntN(4) {
				to := random.IntN(n)
				next[node] = append(next[node], to)
				reached[node][to] = true
			}
		}
		for by := range n {
			for from := range n {
				for to := range n {
					reached[from][to] = reached[from][to] || reached[from][by] && reached[by][to]
				}
			}
		}
		got := circles(next)
		for from := range n {
			for to := range n {
				want := from == to || reached[from][to] && reached[to][from]
				if (got[from] == got[to]) != want {
					t.Fatalf("%v: nodes %d and %d are in circles %d and %d", next, from, to, got[from], got[to])
				}
			}
		}
	}
}

// The work of an end grows as the services and their names do, not faster: a
// chain, everybody after everybody before, a circle.
func TestCountdownLarge(t *testing.T) {
	const n = 2000
	chain, dense, ring := make([][]int, n), make([][]int, n), make([][]int, n)
	for node := range n {
		ring[node] = []int{(node + 1) % n}
		for before := range node {
			dense[node] = append(dense[node], before)
		}
		if node > 0 {
			chain[node] = []int{node - 1}
		}
	}
	for _, next := range [][][]int{chain, dense} {
		c := newCountdown(next)
		for node := n - 1; node >= 0; node-- {
			if !c.free(node) || node > 0 && c.free(node-1) {
				t.Fatalf("node %d: %d wait, then %d", node, c.waits[node], c.waits[max(node-1, 0)])
			}
			c.end(node)
			c.end(node) // once is enough
		}
	}
	if c := newCountdown(ring); slices.ContainsFunc(c.waits, func(waits int) bool { return waits != 0 }) {
		t.Error("a circle waits for itself")
	}
}
