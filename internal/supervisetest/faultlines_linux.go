package supervisetest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// counter reads the number that an actor keeps in a file.
func counter(path string) uint64 {
	data, err := os.ReadFile(path)
	if err != nil || len(data) != 8 {
		return 0
	}
	return binary.NativeEndian.Uint64(data)
}

// signalTo sends a signal by its name.
func signalTo(pid int, name string) { _ = syscall.Kill(pid, unix.SignalNum("SIG"+name)) }

// inspect compares a service's log with what the pipe has accepted of its
// instances, and counts those.
func (l *load) inspect(name string) {
	l.f.Helper()
	list := l.instances(name)
	c := &l.f.Count
	c.Starts += len(list)
	if extra := len(list) - l.starts[name]; !l.many[name] && extra != 0 {
		c.Restarted += max(extra, 0)
		l.f.Errorf("%s was started %d times, want %d", name, len(list), l.starts[name])
	}
	if copies := linesOf(filepath.Join(l.state, name+".copies")); len(copies) > 0 {
		c.Copies += len(copies)
		l.f.Errorf("%s ran while another copy did: %v", name, copies)
	}
	accepted := map[string]uint64{}
	for _, instance := range list {
		accepted[instance] = counter(filepath.Join(l.state, name+".count."+instance))
	}
	seen := check(name, l.logDir(name), accepted)
	if l.short[name] {
		c.Gone += seen.Lost
		if seen.Doubled+seen.Damaged == 0 {
			seen.first = ""
		}
		seen.Lost = 0
	}
	if seen.first != "" {
		l.f.Errorf("%s: %s", name, seen.first)
	}
	c.Lines += seen.Lines
	c.Lost += seen.Lost
	c.Doubled += seen.Doubled
	c.Damaged += seen.Damaged
}

// tally is what there is to say about a log.
type tally struct {
	Count
	first string // what was wrong first
}

func (t *tally) wrong(what string) {
	if t.first == "" {
		t.first = what
	}
}

// uncounted is how many lines may have been accepted of an instance that was
// killed before it could write so down: one write.
const uncounted = 4096 / 10

// check reads a log of stamped lines "SERVICE INSTANCE NUMBER", and of lines of x
// alone. Of each instance the numbers go from 1 to what was accepted.
func check(name, dir string, accepted map[string]uint64) tally {
	var t tally
	last := map[string]uint64{}
	for line := range logLines(dir, &t) {
		stamp, rest, _ := strings.Cut(line, " ")
		fields := strings.Split(rest, " ")
		if len(stamp) != 25 || stamp[0] != '@' {
			t.Damaged++
			t.wrong("line " + strconv.Quote(bound(line)))
			continue
		}
		if len(fields) == 1 && rest != "" && strings.Trim(rest, "x") == "" {
			continue
		}
		if len(fields) != 3 || fields[0] != name {
			t.Damaged++
			t.wrong("line " + strconv.Quote(bound(line)))
			continue
		}
		number, err := strconv.ParseUint(fields[2], 10, 64)
		if _, known := accepted[fields[1]]; !known || err != nil {
			t.Damaged++
			t.wrong("line " + strconv.Quote(bound(line)))
			continue
		}
		t.Lines++
		before := last[fields[1]]
		switch {
		case number <= before:
			t.Doubled++
			t.wrong("after " + strconv.FormatUint(before, 10) + " comes " + bound(line))
			continue
		case number > before+1:
			t.Lost += number - before - 1
			t.wrong("after " + strconv.FormatUint(before, 10) + " comes " + bound(line))
		}
		last[fields[1]] = number
	}
	for instance, n := range accepted {
		switch {
		case last[instance] < n:
			t.Lost += n - last[instance]
			t.wrong("the last of " + instance + " is " + strconv.FormatUint(last[instance], 10) + " of " + strconv.FormatUint(n, 10))
		case last[instance] > n+uncounted:
			t.Damaged++
			t.wrong("more of " + instance + " than it has written")
		}
	}
	return t
}

func bound(s string) string { return s[:min(len(s), 120)] }

// kept is as much of a line as is looked at.
const kept = 4096

// logLines gives all lines in a log folder, the oldest first, and how long they
// are. One that a file ends in goes on in the next, as multilog has it. Of long
// ones only the beginning is given: they are of x alone, or wrong.
func logLines(dir string, t *tally) func(yield func(line string, length int) bool) {
	return func(yield func(string, int) bool) {
		names, _ := filepath.Glob(filepath.Join(dir, "@*")) // the pattern is good
		slices.Sort(names)
		names = append(names, filepath.Join(dir, "previous"), filepath.Join(dir, "current"))
		var readers []io.Reader
		for _, name := range names {
			f, err := os.Open(name)
			if err != nil {
				continue
			}
			defer f.Close()
			readers = append(readers, f)
		}
		r := bufio.NewReaderSize(io.MultiReader(readers...), 1<<16)
		var line []byte
		length := 0
		for {
			part, err := r.ReadSlice('\n')
			length += len(part)
			if len(line) < kept {
				line = append(line, part...)
			} else if len(bytes.Trim(part, "x\n")) > 0 {
				t.Damaged++
				t.wrong("a long line has " + strconv.Quote(bound(string(part))) + " in it")
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if length > 0 && !yield(string(bytes.TrimSuffix(line, []byte("\n"))), length-1) || err != nil {
				return
			}
			line, length = line[:0], 0
		}
	}
}
