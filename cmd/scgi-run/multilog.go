package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"scgikit/bridge"
	"scgikit/internal/lean"
	"scgikit/logrotate"
)

// multilogHelp is for "scgi-run help multilog": multilog has no options, -h is a
// pattern.
const multilogHelp = `  In log/run of a service folder:

    #!/bin/sh
    exec setuidgid log scgi-run multilog t s1000000 n20 ./main

multilog reads lines from standard input and writes them to folders of rotated
files. It does what multilog of daemontools does, with the same words, and takes
over the same folders.

usage: scgi-run multilog WORD…

  t         first word: a TAI64N stamp before each line (tai64nlocal shows dates)
  T         first word: a stamp such as 2026-11-22T10:37:10.243331Z
  -PATTERN  deselect lines that fit, +PATTERN select them again; a star is up to
            the next byte of the pattern, or all the rest at the end
  e         print selected lines to standard error, up to 200 bytes each
  =FILE     keep the last selected line in FILE
  DIR       starting with . or /: write selected lines to DIR/current

  For the folders that follow in the script:
  sSIZE     bytes of a file, 4096 to 16777215; 99999
  nNUM      files, current among them, at least 2; 10
  !COMMAND  run by sh for each finished file, from its standard input to its output
  SSIZE     bytes of all finished files; k, M, G
  AAGE      finished files that are older are removed; s, m, h, d, w
  RAGE      current is finished at this age
  zKIND     finished files are compressed: gzip, zstd, none

TERM ends it after the line that has begun, ALRM has every current finished.

Where standard input is a pipe that stays open, as under a supervisor, a kill -9
loses no line and doubles none: lines leave the pipe only after they are in the
file. That needs Linux, a folder in the script, and a file system on this machine
that writes files in place; without one of them, multilog reads plainly, and a
kill -9 loses what was read and not written yet, up to 32 KiB.

exit codes: 0 end of input or TERM, 100 wrong usage, 111 temporary failure
`

// runMultilog carries out a script on standard input.
func runMultilog(args []string) int {
	runner, err := logrotate.NewRunner()
	if err != nil {
		return multilogFatal("unable to create pipe: " + err.Error())
	}
	defer runner.Close()
	obeySignals(runner)
	script, err := logrotate.ParseScript(args)
	if err != nil {
		multilogSay("usage: " + err.Error())
		return bridge.ExitUsage
	}
	unix.Umask(0o022)
	l, err := logrotate.Open(logrotate.Config{
		Script: script,
		Input:  0,
		Dir:    unix.AT_FDCWD,
		Alert:  func(lines []byte) { _, _ = os.Stderr.Write(lines) },
		Warn:   func(message string) { multilogSay("warning: " + message) },
		Wake:   runner.Wake,
	})
	if err != nil {
		return multilogFatal(err.Error())
	}
	defer l.Close()
	lean.Program()
	if err := runner.Run(l); err != nil {
		return multilogFatal(err.Error())
	}
	return bridge.ExitOK
}

// obeySignals hands TERM and ALRM over. A write beyond the limit of file sizes
// is an error like others, not the end; a handler, unlike an ignored signal, is
// not passed on to processors.
func obeySignals(runner *logrotate.Runner) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGALRM, unix.SIGXFSZ, unix.SIGQUIT)
	go func() {
		for s := range signals {
			switch s {
			case unix.SIGTERM:
				runner.Stop()
			case unix.SIGALRM:
				runner.Rotate()
			case unix.SIGQUIT:
				// As by any other signal: at once, and without a stack trace.
				os.Exit(bridge.ExitTemporary)
			}
		}
	}()
}

func multilogFatal(message string) int {
	multilogSay("fatal: " + message)
	return bridge.ExitTemporary
}

// multilogSay prints a message as multilog does, in one write.
func multilogSay(message string) {
	_, _ = os.Stderr.WriteString("multilog: " + message + "\n")
}
