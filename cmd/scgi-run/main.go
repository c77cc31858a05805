// The run-time does not look again and again how many processors there are: a
// goroutine, open files and wake-ups less.
//
//go:debug updatemaxprocs=0

// Command scgi-run is what machines start: super-servers for a connection, run
// scripts, boot. Its start-up is paid by every request, so it has the standard
// library and x/sys only, and each program is one thin file here.
//
// A program is chosen by the first argument, or by the name of a link to
// scgi-run.
package main

import (
	"os"
	"path/filepath"
	"strings"

	"scgikit/bridge"
)

// program is one of the things that scgi-run can be.
type program struct {
	name    string
	summary string                  // "" keeps it out of the help text
	run     func(args []string) int // returns the exit code
	help    string                  // for "scgi-run help NAME", where NAME -h is something else
}

// programs lists them in the order of the help text.
func programs() []program {
	return []program{
		{"bridge", "SCGI requests, one on standard input or all at a socket -> CGI programs", runBridge, ""},
		{"wsgi", "SCGI requests, one on standard input or all at a socket -> a Python WSGI callable", runWSGI, ""},
		{"listen", "run a program with a listening socket on standard input", runListen, ""},
		{"multilog", "lines on standard input -> folders of rotated files", runMultilog, multilogHelp},
		{"tai64n", "put a TAI64N time stamp before each line", runTAI64N, ""},
		{"tai64nlocal", "show TAI64N time stamps as local dates", runTAI64NLocal, ""},
		{"supervise", "keep the services of a folder running, and write their logs", runSupervise, ""},
		{"svscan", "the same, by daemontools' name", runSvscan, ""},
		{"svc", "tell the supervisors of services what to do", runSvc, svcHelp},
		{"svstat", "show what services are doing", runSvstat, svstatHelp},
		{"svok", "is a service supervised?", runSvok, svokHelp},
		{"svup", "is a service up?", runSvup, svupHelp},
		{"setuidgid", "run a program as another user", runSetUIDGID, setuidgidHelp},
		{"envuidgid", "run a program with a user's numbers in variables", runEnvUIDGID, envuidgidHelp},
		{"envdir", "run a program with variables from a folder's files", runEnvDir, envdirHelp},
		{"softlimit", "run a program with other soft limits", runSoftLimit, softlimitHelp},
		{"setlock", "run a program with a lock", runSetLock, setlockHelp},
		{"pgrphack", "run a program in a session of its own", runPGrpHack, pgrphackHelp},
		{"fghack", "run a program that goes into the background, and wait", runFGHack, fghackHelp},
		{"readproctitle", "lines on standard input -> the list of processes", runReadProcTitle, readproctitleHelp},
		{bridge.ConfinedProgram, "", runConfined, ""},
	}
}

const helpHead = `  A line of inetd.conf that answers each connection with a CGI program:

    127.0.0.1:8040 stream tcp nowait www /usr/local/bin/scgi-run scgi-run bridge --mount /cgi/ /srv/cgi-bin/

scgi-run is started by super-servers and run scripts.

usage: scgi-run PROGRAM [ARGUMENT…]
       scgi-run PROGRAM -h
       scgi-run help multilog (which takes -h for a pattern, as the programs
       from svc on take it for something of theirs)

`

const helpTail = `
A link to scgi-run with the name of a program is that program.

exit codes: 0 done, 1 request refused or script failed, 100 wrong usage, 111 temporary failure of the system
`

func main() {
	os.Exit(choose(os.Args))
}

// choose runs the program that the arguments name.
func choose(args []string) int {
	list := programs()
	if len(args) > 0 {
		name := filepath.Base(args[0])
		if name == "supervise" {
			// By this name it is daemontools', which is for one service.
			return runSuperviseOne(args[1:])
		}
		if p := find(list, name); p != nil {
			return p.run(args[1:])
		}
	}
	if len(args) < 2 {
		return misuse("", "no program named: see scgi-run -h")
	}
	switch args[1] {
	case "-h", "--help", "help":
		if len(args) > 2 {
			if p := find(list, args[2]); p != nil && p.help != "" {
				return help(p.help)
			}
		}
		return help(helpText(list))
	}
	if p := find(list, args[1]); p != nil {
		return p.run(args[2:])
	}
	return misuse("", "no program "+args[1]+": see scgi-run -h")
}

func find(list []program, name string) *program {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

func helpText(list []program) string {
	const column = 15
	var b strings.Builder
	b.WriteString(helpHead)
	for _, p := range list {
		if p.summary == "" {
			continue
		}
		b.WriteString("  " + p.name + strings.Repeat(" ", column-len(p.name)) + p.summary + "\n")
	}
	b.WriteString(helpTail)
	return b.String()
}

// help prints a help text to standard output.
func help(text string) int {
	if _, err := os.Stdout.WriteString(text); err != nil {
		return bridge.ExitTemporary
	}
	return bridge.ExitOK
}

// misuse reports a wrong command line, where somebody reads it.
func misuse(name, message string) int {
	if name != "" {
		message = name + ": " + message
	}
	if !bridge.Reject(message) {
		_, _ = os.Stderr.WriteString("scgi-run: " + message + "\n")
	}
	return bridge.ExitUsage
}
