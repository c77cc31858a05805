//go:build !linux

package djberr

// systemTexts is empty: these systems differ in which of its errnos they have,
// and no call that is made here ends with one.
var systemTexts [0]errnoText
