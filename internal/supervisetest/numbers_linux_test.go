package supervisetest_test

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}
