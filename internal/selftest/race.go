//go:build race

package selftest

// race says that this is built with the race detector.
const race = true
