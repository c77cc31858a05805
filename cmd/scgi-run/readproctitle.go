package main

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"scgikit/bridge"
	"scgikit/internal/chainload"
)

const readproctitleHelp = `  Where svscan is started:

    svscan /service 2>&1 | readproctitle service errors: ................

Reads standard input and shows the last of it in the list of processes: in the
place of its last argument, which should be long.

usage: scgi-run readproctitle [WORD…] DOTS

exit codes: 0 end of input, 100 wrong usage, 111 input is broken
`

// shortestTitle is what readproctitle can show anything in.
const shortestTitle = 5

// runReadProcTitle is readproctitle of daemontools 0.76.
func runReadProcTitle(args []string) int {
	if len(args) == 0 || len(args[len(args)-1]) < shortestTitle {
		return chainload.ExitUsage
	}
	// The runtime does not copy the arguments: this is the memory that the
	// kernel, and with it ps, takes them from.
	last := args[len(args)-1]
	title := unsafe.Slice(unsafe.StringData(last), len(last)) //nolint:gosec // no one else reads the argument
	for i := range title {
		title[i] = '.'
	}
	chainload.PlainSignals()
	in := make([]byte, filterSize)
	for {
		n, err := unix.Read(0, in)
		switch {
		case n > 0:
			scroll(title[shortestTitle-2:], in[:n])
		case err == nil:
			return bridge.ExitOK
		case err != unix.EINTR:
			return bridge.ExitTemporary
		}
	}
}

// scroll moves text into title from its end. NULs would end the argument and
// are left out.
func scroll(title, text []byte) {
	shown := make([]byte, 0, len(title)+len(text))
	shown = append(shown, title...)
	for _, c := range text {
		if c != 0 {
			shown = append(shown, c)
		}
	}
	copy(title, shown[len(shown)-len(title):])
}
