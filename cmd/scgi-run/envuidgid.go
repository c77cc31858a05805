package main

import "scgikit/internal/chainload"

const envuidgidHelp = `  In a run script, for a program that gives up root on its own:

    exec envuidgid www ./server

Runs a program with the numbers of the user and the group of an account in
/etc/passwd in the variables UID and GID.

usage: scgi-run envuidgid ACCOUNT PROGRAM [ARGUMENT…]

exit codes: 100 wrong usage, 111 no such account, or the program can not be run;
else the program's own
`

// runEnvUIDGID is envuidgid of daemontools 0.76.
func runEnvUIDGID(args []string) int { return loaded(chainload.EnvUIDGID(args)) }
