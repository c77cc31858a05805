package main

import "scgikit/internal/chainload"

const setuidgidHelp = `  In a run script:

    exec setuidgid www ./server

Runs a program with the user and the group of an account in /etc/passwd, and
with no other group.

usage: scgi-run setuidgid ACCOUNT[:GROUP[:MORE…]] PROGRAM [ARGUMENT…]

GROUP of /etc/group takes the place of the account's own, unless it is empty;
MORE are further groups, with colons between.

exit codes: 100 wrong usage, 111 not root, no such account or group, or the
program can not be run; else the program's own
`

// runSetUIDGID is setuidgid of daemontools 0.76.
func runSetUIDGID(args []string) int { return loaded(chainload.SetUIDGID(args)) }
