package main

// nearest returns the word that a misspelt one was probably meant to be, or
// "" where none is near: at most a third of its letters differ.
func nearest(word string, words []string) string {
	best, bestCost := "", len(word)/3+1
	for _, w := range words {
		if cost := distance(word, w); cost < bestCost || (cost == bestCost && best == "") {
			best, bestCost = w, cost
		}
	}
	return best
}

// distance is the number of letters to insert, delete, change or swap with
// their neighbour to turn one word into the other (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
