package main

import "scgikit/internal/chainload"

const fghackHelp = `  In a run script, for a program that goes into the background and can not be told
  otherwise:

    exec fghack ./daemon

Runs a program and waits until it and all that it has started have ended. Signals
do not reach what went into the background.

usage: scgi-run fghack PROGRAM [ARGUMENT…]

exit codes: 100 wrong usage, 111 the program can not be run or was ended by a
signal; else the program's own
`

// runFGHack is fghack of daemontools 0.76.
func runFGHack(args []string) int {
	code, err := chainload.FGHack(args)
	if err != nil {
		return loaded(err)
	}
	return code
}
