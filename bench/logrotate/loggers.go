//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Every logger gets the largest size that multilog knows, and room for all
// files of a run, so that each does the same work. s6-log would split lines that
// are longer than 8 KiB.
const (
	maxSize  = "s16777215"
	maxFiles = "n200"
	maxLine  = "32768"
)

// logger is one way to write standard input below ./log.
type logger struct {
	name    string
	program string   // a name in PATH, or a path
	args    []string // run in the folder that has log
	config  string   // ./log/config, for svlogd
	output  string   // where standard output goes, for cat
	stamp   int64    // bytes that it puts before a line
	selects bool     // writes the lines of selection alone
}

// selection chooses the POST lines of the access log, in each language: nothing
// at first, then what has the word in it.
const (
	selectionWord = `"POST `
	selectMany    = `+*"POST *`
)

// allLoggers lists the loggers in the order of the tables.
func allLoggers(bin string) []logger {
	scgirun := filepath.Join(bin, "scgi-run")
	ours := func(script ...string) []string {
		return append(append([]string{"multilog"}, script...), "./log")
	}
	svlogd := maxSize + "\n" + maxFiles + "\n"
	return []logger{
		{name: "multilog", program: "multilog", args: []string{maxSize, maxFiles, "./log"}},
		{name: "multilog t", program: "multilog", args: []string{"t", maxSize, maxFiles, "./log"}, stamp: 26},
		{name: "svlogd", program: "svlogd", args: []string{"./log"}, config: svlogd},
		{name: "svlogd -tt", program: "svlogd", args: []string{"-tt", "./log"}, config: svlogd, stamp: 26},
		{name: "s6-log", program: "s6-log", args: []string{"-l", maxLine, maxSize, maxFiles, "./log"}},
		{name: "s6-log -b", program: "s6-log", args: []string{"-b", "-l", maxLine, maxSize, maxFiles, "./log"}},
		{name: "s6-log t", program: "s6-log", args: []string{"-l", maxLine, maxSize, maxFiles, "t", "./log"}, stamp: 26},
		{name: "s6-log -b t", program: "s6-log", args: []string{"-b", "-l", maxLine, maxSize, maxFiles, "t", "./log"}, stamp: 26},
		{name: "rotatelogs", program: "rotatelogs", args: []string{"-n", "200", "./log/access", "16M"}},
		{name: "cat >file", program: "cat", output: "log/current"},
		{name: "dd, fsync", program: "dd", args: []string{"of=log/current", "bs=128k", "conv=fsync", "status=none"}},
		{name: "scgi-run", program: scgirun, args: ours(maxSize, maxFiles)},
		{name: "scgi-run t", program: scgirun, args: ours("t", maxSize, maxFiles), stamp: 26},
		{name: "scgi-run T", program: scgirun, args: ours("T", maxSize, maxFiles), stamp: 28},

		{name: "multilog t", program: "multilog", args: []string{"t", "-*", selectMany, maxSize, maxFiles, "./log"}, stamp: 26, selects: true},
		{name: "svlogd -tt", program: "svlogd", args: []string{"-tt", "./log"}, config: svlogd + "-*\n" + selectMany + "\n", stamp: 26, selects: true},
		{name: "s6-log t", program: "s6-log", args: []string{"-l", maxLine, "--", "-", "+" + selectionWord, maxSize, maxFiles, "t", "./log"}, stamp: 26, selects: true},
		{name: "scgi-run t", program: scgirun, args: ours("t", "-*", selectMany, maxSize, maxFiles), stamp: 26, selects: true},
	}
}

// findLoggers returns the loggers whose programs are there and, if words is not
// empty, whose names contain one of its words; and the programs that are not
// there.
func findLoggers(bin, words string) (found []logger, missing []string) {
	seen := make(map[string]bool)
	for _, l := range allLoggers(bin) {
		if words != "" && !containsAny(l.name, strings.Split(words, ",")) {
			continue
		}
		if _, err := exec.LookPath(l.program); err == nil {
			found = append(found, l)
		} else if !seen[l.program] {
			seen[l.program] = true
			missing = append(missing, l.program)
		}
	}
	return found, missing
}

func containsAny(s string, words []string) bool {
	for _, word := range words {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}

// loggersOf returns the loggers that write every line, or those that select.
func loggersOf(all []logger, selects bool) []logger {
	var out []logger
	for _, l := range all {
		if l.selects == selects {
			out = append(out, l)
		}
	}
	return out
}

// command prepares the logger in the folder of its run.
func (l logger) command(dir string) (*exec.Cmd, error) {
	if l.config != "" {
		if err := os.WriteFile(filepath.Join(dir, "log", "config"), []byte(l.config), 0o600); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(l.program, l.args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	if l.output != "" {
		file, err := os.Create(filepath.Join(dir, l.output))
		if err != nil {
			return nil, err
		}
		cmd.Stdout = file
	}
	return cmd, nil
}

// written counts the bytes of the log: current and what was finished.
func written(dir string) (int64, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "log"))
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "current", strings.HasPrefix(name, "@"), strings.HasPrefix(name, "access"):
			info, err := e.Info()
			if err != nil {
				return 0, err
			}
			sum += info.Size()
		}
	}
	return sum, nil
}
