package verify

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// smallFileComplaint says what s6-supervise or s6-rc would not take of a file
// with one value, or would take otherwise; "" of every other file. What they can
// not read, they leave out with a warning that nobody sees.
//
// Sources: https://skarnet.org/software/s6/servicedir.html,
// https://skarnet.org/software/s6-rc/s6-rc-compile.html
func smallFileComplaint(name string, data []byte) string {
	switch name {
	case "notification-fd", "lock-fd":
		return numberComplaint(data, 3, maxSmallNumber, "a descriptor")
	case "max-death-tally":
		return numberComplaint(data, 0, maxDeathTally, "a number of ends")
	case "timeout-kill", "timeout-finish", "timeout-up", "timeout-down":
		return numberComplaint(data, 0, maxSmallNumber, "milliseconds")
	case "down-signal", "reload-signal":
		return signalComplaint(data)
	}
	return ""
}

const (
	maxSmallNumber = 1<<32 - 1
	maxDeathTally  = 4096 // s6-supervise remembers no more
)

// oneLine returns the only line of a file.
func oneLine(data []byte) (string, bool) {
	line, rest, ended := bytes.Cut(data, []byte("\n"))
	return string(line), ended && len(rest) == 0 && len(line) > 0
}

func numberComplaint(data []byte, least, most uint64, what string) string {
	line, ok := oneLine(data)
	n, err := strconv.ParseUint(line, 10, 64)
	switch {
	case !ok || err != nil || strings.Trim(line, "0123456789") != "" || len(line) > len("4294967295"):
		return "is not one line with a number: " + what
	case n < least || n > most:
		return fmt.Sprintf("%d is not from %d to %d: %s", n, least, most, what)
	}
	return ""
}

func signalComplaint(data []byte) string {
	line, ok := oneLine(data)
	if !ok {
		return "is not one line with the name of a signal"
	}
	if n, err := strconv.Atoi(line); err == nil && n >= 1 && n <= 64 {
		return ""
	}
	if !slices.Contains(signalNames[:], strings.TrimPrefix(line, "SIG")) {
		return fmt.Sprintf("%q is no signal", line)
	}
	return ""
}

// signalNames are those that every system with s6 has.
var signalNames = [...]string{
	"ABRT", "ALRM", "BUS", "CHLD", "CONT", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "STOP", "TERM", "TRAP", "TSTP",
	"TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "PROF", "WINCH", "XCPU", "XFSZ",
}
