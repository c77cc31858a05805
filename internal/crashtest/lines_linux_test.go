package crashtest

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"sync"
)

// shape is a kind of lines. A line is a pure function of its shape and number,
// so that a checker can make again what a writer wrote.
type shape int

const (
	mixed shape = iota // most like those of an access log, some of 1 KB, a few of up to 70,000 bytes
	short              // up to 24 bytes
	long               // 1 to 70,000 bytes
	same               // all the same: they are told apart by nothing but their count
)

// longest is the number of bytes of the longest line, without its newline.
const longest = 70_000

// filler is what lines are cut from: letters, and a few bytes that are often
// handled wrongly. It holds no digit and no upper-case letter, so that tests
// may select by digits and processors may mark by case.
var filler = sync.OnceValue(func() []byte {
	const letters = "abcdefghijklmnopqrstuvwxyz   .,:;-_/\t\r\x00\x7f\x80\xff"
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 2*longest)
	for i := range b {
		b[i] = letters[random.IntN(len(letters))]
	}
	return b
})

// sameLine is every line of the shape same.
const sameLine = "this line is like the one before"

// appendLine appends line n with its newline.
func appendLine(b []byte, s shape, n int) []byte {
	if s == same {
		return append(append(b, sameLine...), '\n')
	}
	random := scramble(uint64(n))
	var length int
	switch {
	case s == short:
		length = int(random % 16)
	case s == long:
		length = int(random % longest)
	case random%1000 == 7:
		length = int(random / 1000 % longest)
	case random%40 == 3:
		length = 900 + int(random/40%200)
	default:
		length = int(random % 200)
	}
	start := len(b)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, ' ')
	from := int(random >> 40 % longest)
	if rest := length - (len(b) - start); rest > 0 {
		b = append(b, filler()[from:from+rest]...)
	}
	return append(b, '\n')
}

// scramble is a number that looks random and depends on n alone.
//
// Source: SplitMix64, https://prng.di.unimi.it/splitmix64.c.
func scramble(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// numberOf reads the number that a line begins with.
func numberOf(line []byte) (n int, ok bool) {
	digits, _, found := bytes.Cut(line, []byte(" "))
	if !found {
		return 0, false
	}
	n, err := strconv.Atoi(string(digits))
	return n, err == nil
}
