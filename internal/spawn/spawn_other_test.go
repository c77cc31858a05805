//go:build unix && !linux

package spawn

var systemActors map[string]func()
