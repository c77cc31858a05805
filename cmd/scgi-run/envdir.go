package main

import "scgikit/internal/chainload"

const envdirHelp = `  In a run script:

    exec envdir ./env ./server

Runs a program with a variable for each file of a folder: its name, and the first
line of it, without blanks at the end and with newlines for NULs. An empty file
removes the variable.

usage: scgi-run envdir FOLDER PROGRAM [ARGUMENT…]

exit codes: 111 wrong usage, a file can not be read, or the program can not be
run; else the program's own
`

// runEnvDir is envdir of daemontools 0.76.
func runEnvDir(args []string) int { return loaded(chainload.EnvDir(args)) }
