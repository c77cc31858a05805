package supervisetest

import (
	"os"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

func number(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// readFile returns what is in a file, nothing if it is not there.
func readFile(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return data
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
