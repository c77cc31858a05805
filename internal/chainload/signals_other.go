//go:build unix && !linux

package chainload

// PlainSignals does nothing: Go's handlers stay.
func PlainSignals() {}
