// Package lean gives memory back that a process does not need for now.
package lean
