package supervise

// circles numbers nodes: two have the same number where each can be reached from
// the other. next lists, for each node, those that it leads to.
//
// Source: R. Tarjan, Depth-first search and linear graph algorithms, 1972.
func circles(next [][]int) []int {
	t := tarjan{next: next, index: make([]int, len(next)), low: make([]int, len(next)), circle: make([]int, len(next))}
	for node := range next {
		if t.index[node] == 0 {
			t.visit(node)
		}
	}
	return t.circle
}

type tarjan struct {
	next   [][]int
	index  []int // in what order nodes were come to, from 1
	low    []int // the first that can be reached and is in no circle yet
	circle []int // from 1; 0: none yet
	stack  []int
	nodes  int
	count  int
}

func (t *tarjan) visit(node int) {
	t.nodes++
	t.index[node], t.low[node] = t.nodes, t.nodes
	t.stack = append(t.stack, node)
	for _, to := range t.next[node] {
		if t.index[to] == 0 {
			t.visit(to)
		}
		if t.circle[to] == 0 {
			t.low[node] = min(t.low[node], t.low[to])
		}
	}
	if t.low[node] != t.index[node] {
		return
	}
	t.count++
	for {
		last := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.circle[last] = t.count
		if last == node {
			return
		}
	}
}

// countdown says which nodes may end: those that none leads to that has not
// ended.
type countdown struct {
	next  [][]int
	waits []int // how many have not ended that lead to a node
	ended []bool
}

// newCountdown leaves out what leads from one node to another of its circle.
func newCountdown(next [][]int) *countdown {
	number := circles(next)
	c := &countdown{next: make([][]int, len(next)), waits: make([]int, len(next)), ended: make([]bool, len(next))}
	for node, all := range next {
		for _, to := range all {
			if number[node] != number[to] {
				c.next[node] = append(c.next[node], to)
				c.waits[to]++
			}
		}
	}
	return c
}

// end notes that a node has ended.
func (c *countdown) end(node int) {
	if c.ended[node] {
		return
	}
	c.ended[node] = true
	for _, to := range c.next[node] {
		c.waits[to]--
	}
}

func (c *countdown) free(node int) bool { return c.waits[node] == 0 }
