package bridge

// fewNames is how many names are looked through one by one.
const fewNames = 64

// names is a list of names, each once. As many as requests have in practice are
// looked through, which costs less than a map; the client decides how many there are,
// and so more of them get one.
type names struct {
	list   []string
	places map[string]int // nil while there are few
}

// find returns the place of a name in the list, or -1.
func (n *names) find(name string) int {
	if n.places != nil {
		if i, ok := n.places[name]; ok {
			return i
		}
		return -1
	}
	for i, other := range n.list {
		if other == name {
			return i
		}
	}
	return -1
}

// add adds a name that is not in the list, at its end.
func (n *names) add(name string) {
	n.list = append(n.list, name)
	switch {
	case n.places != nil:
		n.places[name] = len(n.list) - 1
	case len(n.list) > fewNames:
		n.places = make(map[string]int, 2*len(n.list))
		for i, other := range n.list {
			n.places[other] = i
		}
	}
}
