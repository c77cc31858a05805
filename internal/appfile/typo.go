package appfile

import (
	"slices"
	"strings"
)

// nearest returns the word that was most likely meant, or "" where none is
// near. Of several equally near ones it is the first in the order given.
func nearest(word string, words []string) string {
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

// didYouMean is the hint for a word that is none of a set. A long set is not
// listed.
func didYouMean(word string, words []string) string {
	if near := nearest(word, words); near != "" {
		return "did you mean " + near + "?"
	}
	if len(words) == 0 || len(words) > 12 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(words))
	return "it can be " + strings.Join(sorted, ", ")
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

// unknownKeyHint looks for the key that was meant: in the same mapping by
// spelling, then in the whole description by name, then there by spelling.
func unknownKeyHint(s *shape, key string) string {
	if strings.Contains(key, "${") {
		return "variables are not read in keys; write the key out"
	}
	if near := nearest(key, s.keys); near != "" {
		return "did you mean " + near + "?"
	}
	if places := placesOf(key); len(places) > 0 {
		return key + " belongs in " + strings.Join(places, " or ")
	}
	if len(s.keys) == 0 {
		return "this target has no options"
	}
	if len(s.keys) <= 12 {
		return "the keys here are " + strings.Join(s.keys, ", ")
	}
	return "see: scgikit explain"
}

// placesOf returns the paths, without their last key, of fields with a name.
func placesOf(key string) []string {
	var out []string
	for _, f := range allFields() {
		if parent, last, ok := cutLast(f.Path); ok && last == key && len(out) < 3 {
			out = append(out, parent)
		}
	}
	if _, top := appShape().byKey[key]; top {
		out = append([]string{"the top of the description"}, out...)
	}
	return out
}

func cutLast(path string) (parent, last string, ok bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}
