package appfile

import (
	"slices"
	"strings"

	"scgikit/internal/diag"
)

// didYouMean is the hint for a word that is none of a set. A long set is not
// listed.
func didYouMean(word string, words []string) string {
	if near := diag.Nearest(word, words); near != "" {
		return "did you mean " + near + "?"
	}
	if len(words) == 0 || len(words) > 12 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(words))
	return "it can be " + strings.Join(sorted, ", ")
}

// unknownKeyHint looks for the key that was meant: in the same mapping by
// spelling, then in the whole description by name, then there by spelling.
func unknownKeyHint(s *shape, key string) string {
	if strings.Contains(key, "${") {
		return "variables are not read in keys; write the key out"
	}
	if near := diag.Nearest(key, s.keys); near != "" {
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
