package diag

import "strings"

// Nearest returns the word that was most likely meant, or "" where none is
// near. Of several equally near ones it is the first in the order given.
func Nearest(word string, words []string) string {
	best, bestDistance := "", 1+max(1, len(word)/3)
	for _, w := range words {
		if diff := len(w) - len(word); diff >= bestDistance || -diff >= bestDistance {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(w)); d < bestDistance && d < len(w) {
			best, bestDistance = w, d
		}
	}
	return best
}

// distance is the number of single edits between two words: insert, delete or
// replace a byte, or swap two neighbours (optimal string alignment).
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return max(len(a), len(b))
	}
	var rows [3][maxWord + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// maxWord is the longest word that is compared; no key comes near it.
const maxWord = 64
