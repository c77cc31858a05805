package main

import (
	"errors"
	"os"

	"scgikit/bridge"
	"scgikit/internal/chainload"
)

// loaded ends a program that was to become another and could not.
func loaded(err error) int {
	if failed, ok := errors.AsType[*chainload.Error](err); ok {
		return complain(failed.Code, failed.Text)
	}
	return bridge.ExitOK // there was nothing to start
}

// complain prints a message of one of the programs of daemontools, in one write,
// and returns the exit code.
func complain(code int, text string) int {
	_, _ = os.Stderr.WriteString(text + "\n")
	return code
}
