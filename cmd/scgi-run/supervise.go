package main

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/bridge"
	"scgikit/internal/djberr"
	"scgikit/internal/printable"
	"scgikit/internal/servicedir"
	"scgikit/supervise"
)

const superviseHelp = `  Keep every service in a folder running, and write their logs:

    scgi-run supervise /etc/service

A service is a folder with a program "run" in it, or a link to one; what it prints
goes to log/run if there is one. svc, svok and svstat of daemontools, sv of runit
and s6-svc and s6-svstat of s6 command and show the services. docs/supervise.md
lists the files that a service may have.

usage: scgi-run supervise [FLAG…] [DIR]       (DIR: the working directory)

`

const superviseTail = `
HUP or ALRM looks at the folder again, and makes anew what is missing in supervise/
of a service. TERM ends all services, those first that no other comes after, then
their logs; a second TERM kills what is left. USR2 becomes the program that is now in
the place of this one; no service notices. To be killed ends no service, and the next
start goes on with those that run.

A link with the name svscan does the same; one with the name supervise keeps the
one service of a folder, without its log, as "scgi-run supervise --single --no-log" does.

exit codes: 0 ended as asked, 100 wrong usage, 111 temporary failure
`

// superviseOptions are the flags of supervise; role is for those that it gives to
// itself.
func superviseOptions(cfg *supervise.Config, role *supervise.Role) (shown, hidden []option) {
	number := func(to *int) func(string) error {
		return func(value string) (err error) {
			if *to, err = strconv.Atoi(value); err != nil || *to < 1 {
				return errors.New(value + " is no descriptor")
			}
			return nil
		}
	}
	shown = []option{
		{"dialect", "NAME", "whose meaning counts where the tools differ: daemontools, runit or s6; a service can have a file dialect of its own; daemontools", func(value string) (err error) {
			cfg.Dialect, err = supervise.ParseDialect(value)
			return err
		}},
		{"single", "", "DIR is one service, not a folder of them", func(string) error { cfg.Single = true; return nil }},
		{"cgroup", "PATH", "control group to divide among the services, or off; the own one if it was delegated", func(value string) error { cfg.Cgroup = value; return nil }},
		{"no-log", "", "leave log/ to somebody else", func(string) error { cfg.NoLog = true; return nil }},
		{"stop-limit", "DURATION", "how long services without a file timeout-kill, and their logs, may take to end when all is to end, until they are killed; 0 is for ever; 1m", func(value string) (err error) {
			if cfg.StopLimit, err = time.ParseDuration(value); err == nil && cfg.StopLimit < 0 {
				err = errors.New(value + " is less than nothing")
			}
			return err
		}},
		{"log-processes", "", "run every log/run, also those whose lines could be written by the supervisor", func(string) error { cfg.Outside = true; return nil }},
	}
	hidden = []option{
		{"supervisor-of", "FD", "", number(&role.Supervisor)},
		{"held", "FD", "", number(&role.Held)},
		{"stopping", "", "", func(string) error { role.Stopping = true; return nil }},
	}
	return shown, hidden
}

// runSupervise supervises the services of a folder.
func runSupervise(args []string) int {
	if slices.Equal(args, []string{supervise.GenerationFlag}) {
		_, _ = os.Stdout.WriteString(supervise.Generation)
		return bridge.ExitOK
	}
	cfg := supervise.Config{StopLimit: time.Minute, Say: func(text string) { _, _ = os.Stderr.WriteString("supervise: " + text + "\n") }}
	var role supervise.Role
	shown, hidden := superviseOptions(&cfg, &role)
	rest, err := parseFlags(append(shown, hidden...), args)
	if errors.Is(err, errHelp) {
		return help(superviseHelp + describe(shown) + superviseTail)
	}
	if err == nil && len(rest) > 1 {
		err = usageError("one folder, not " + strconv.Itoa(len(rest)))
	}
	if err != nil {
		return misuse("supervise", err.Error())
	}
	cfg.Dir = "."
	if len(rest) == 1 {
		cfg.Dir = rest[0]
	}
	cfg.Program = []string{supervise.Executable(), "supervise"}
	cfg.Args = ownArguments(args)
	code, err := supervise.Run(cfg, role)
	if err != nil {
		cfg.Say("fatal: " + printable.Text(err.Error()))
		return bridge.ExitTemporary
	}
	return code
}

// ownArguments are the arguments without those that supervise gives to itself:
// they come first.
func ownArguments(args []string) []string {
	var role supervise.Role
	_, hidden := superviseOptions(&supervise.Config{}, &role)
	for len(args) > 0 {
		rest, err := parseFlags(hidden, args[:1])
		if err != nil || len(rest) > 0 {
			break
		}
		args = args[1:]
	}
	return args
}

// runSuperviseOne is supervise of daemontools: one service, without its log. What
// keeps it from beginning is said in the words of daemontools.
//
// Source: supervise.c of daemontools 0.76.
func runSuperviseOne(args []string) int {
	if asksHelp(args) {
		return runSupervise(args)
	}
	if len(args) != 1 {
		_, _ = os.Stderr.WriteString("supervise: usage: supervise dir\n")
		return bridge.ExitUsage
	}
	dir := args[0]
	if err := canEnter(dir); err != nil {
		return unableTo("supervise", "chdir to "+dir, err)
	}
	if err := isLocked(dir); err != nil {
		return unableTo("supervise", "acquire "+dir+"/"+servicedir.Lock, err)
	}
	return runSupervise([]string{"--single", "--no-log", "--", dir})
}

// runSvscan is svscan of daemontools, which has no flags; ours are known by this
// name too.
//
// Source: svscan.c of daemontools 0.76.
func runSvscan(args []string) int {
	if len(args) == 1 && !strings.HasPrefix(args[0], "-") {
		if err := canEnter(args[0]); err != nil {
			return unableTo("svscan", "chdir to "+args[0], err)
		}
	}
	return runSupervise(args)
}

// unableTo says why a program of daemontools can not begin.
func unableTo(program, what string, err error) int {
	_, _ = os.Stderr.WriteString(program + ": fatal: unable to " + printable.Text(what) + ": " + djberr.Text(err) + "\n")
	return bridge.ExitTemporary
}

// canEnter is why a folder can not be that of the process.
func canEnter(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	return unix.Access(dir, unix.X_OK)
}

// isLocked is why the lock of a service can not be had, where somebody has it: in
// the way of daemontools and runit, or in that of s6.
func isLocked(dir string) error {
	fd, err := unix.Open(dir+"/"+servicedir.Lock, unix.O_WRONLY|unix.O_APPEND|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // it may have to be made first
	}
	defer unix.Close(fd)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	record := unix.Flock_t{Type: unix.F_WRLCK}
	if unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &record) == nil && record.Type != unix.F_UNLCK {
		return unix.EAGAIN
	}
	return nil
}
