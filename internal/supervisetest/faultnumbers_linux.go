package supervisetest

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }

func number(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil
}
