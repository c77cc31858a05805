package main

import "scgikit/internal/chainload"

const pgrphackHelp = `  In a run script, for a program that signals its process group:

    exec pgrphack ./server

Runs a program in a session and process group of its own.

usage: scgi-run pgrphack PROGRAM [ARGUMENT…]

exit codes: 100 wrong usage, 111 the program can not be run; else the program's
own
`

// runPGrpHack is pgrphack of daemontools 0.76.
func runPGrpHack(args []string) int { return loaded(chainload.PGrpHack(args)) }
