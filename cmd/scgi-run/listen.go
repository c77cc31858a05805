package main

import (
	"strconv"

	"golang.org/x/sys/unix"

	"scgikit/bridge"
	"scgikit/internal/chainload"
)

const listenHelp = `  In a run script that root starts, a bridge with the rights of www, at a socket
  that the web server alone can open:

    exec scgi-run listen --socket-owner www:www-data unix:/run/cgi/sock \
      setuidgid www scgi-run bridge --listen fd:0 --mount /cgi/ /srv/cgi-bin/

Listens, and becomes a program that finds the socket as file descriptor 0, as one
that inetd starts with wait does. So a socket can belong to somebody else than the
program, and a port below 1024 needs no program with the rights of root.

usage: scgi-run listen [FLAG…] ADDRESS PROGRAM [ARGUMENT…]

ADDRESS is IP:PORT or unix:PATH. A socket that nobody listens at any more is
replaced; what is no socket never is. The program leaves it in its place at its end.

`

const listenCodes = `
exit codes: 100 wrong usage, 111 nothing to listen at, or the program can not be
run; else the program's own
`

// listening is what the flags of listen say.
type listening struct {
	residence *bridge.Residence
	ready     int // descriptor, or -1
}

func listeningFlags(l *listening) []option {
	return append(socketFlags(l.residence),
		option{"backlog", "N", "connections that may wait in the kernel; default is its\nlimit", setCount(&l.residence.Backlog)},
		option{"ready", "FD", "descriptor that gets a newline once the socket is there, and is\nclosed; that of notification-fd", setCount(&l.ready)},
	)
}

// runListen listens and becomes a program.
func runListen(args []string) int {
	l := &listening{residence: defaultResidence(), ready: -1}
	options := listeningFlags(l)
	rest, err := parseFlags(options, args)
	if err == errHelp { //nolint:errorlint // a constant of ours
		return help(listenHelp + "flags:\n" + describe(options) + listenCodes)
	}
	switch {
	case err != nil:
	case len(rest) < 2 || rest[1] == "":
		err = usageError("want ADDRESS and PROGRAM: see -h")
	case l.ready >= 0 && l.ready <= 2:
		err = usageError("--ready " + strconv.Itoa(l.ready) + " is what the program reads and writes")
	}
	if err != nil {
		return misuse("listen", err.Error())
	}
	if l.ready > 0 {
		unix.CloseOnExec(l.ready)
	}
	if wrong, err := l.residence.HandOver(rest[0]); err != nil {
		code := bridge.ExitTemporary
		if wrong {
			code = bridge.ExitUsage
		}
		return complain(code, "scgi-run: "+err.Error())
	}
	if l.ready > 0 {
		if _, err := unix.Write(l.ready, []byte("\n")); err != nil {
			return complain(bridge.ExitTemporary, "scgi-run: listen: --ready "+strconv.Itoa(l.ready)+": "+err.Error())
		}
		unix.Close(l.ready)
	}
	chainload.PlainSignals()
	return loaded(chainload.Become("scgi-run: listen", rest[1:]))
}
