//go:build !race

package appfile

// slow is how much longer things may take without the race detector.
const slow = 1
