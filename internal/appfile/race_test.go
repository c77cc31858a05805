//go:build race

package appfile

// slow is how much longer things may take under the race detector.
const slow = 10
