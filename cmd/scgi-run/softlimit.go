package main

import "scgikit/internal/chainload"

const softlimitHelp = `  In a run script:

    exec softlimit -o 100 -d 50000000 ./server

Runs a program with other soft limits. A number above the hard limit is cut to
it, and "=" is the hard limit.

usage: scgi-run softlimit [FLAG…] PROGRAM [ARGUMENT…]

flags:
  -a BYTES   the whole address space
  -c BYTES   core file
  -d BYTES   data segment
  -f BYTES   any file that is written
  -l BYTES   locked memory
  -m BYTES   -d, -s, -l and -a
  -o NUMBER  open files
  -p NUMBER  processes of the user
  -r BYTES   resident size
  -s BYTES   stack
  -t TIME    seconds of CPU

exit codes: 100 wrong usage, 111 the program can not be run; else the program's
own
`

// runSoftLimit is softlimit of daemontools 0.76.
func runSoftLimit(args []string) int { return loaded(chainload.SoftLimit(args)) }
