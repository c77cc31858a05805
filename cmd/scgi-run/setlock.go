package main

import "scgikit/internal/chainload"

const setlockHelp = `  In a crontab, so that no two run at a time:

    setlock -nx /var/lock/report ./report

Runs a program with a lock on a file, which is made where it is missing. The lock
ends with the program and all that it has started.

usage: scgi-run setlock [-nNxX] FILE PROGRAM [ARGUMENT…]

flags:
  -n  do not wait for a lock that somebody has
  -N  wait for it; the default
  -x  say nothing where there is no lock to be had, and exit 0
  -X  say so; the default

exit codes: 100 wrong usage, 111 no lock, or the program can not be run; else the
program's own
`

// runSetLock is setlock of daemontools 0.76.
func runSetLock(args []string) int { return loaded(chainload.SetLock(args)) }
