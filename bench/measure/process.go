package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory is what a running process has in memory, in KiB.
type Memory struct {
	Peak int // the most that was resident, VmHWM
	RSS  int // resident now, VmRSS
	Pss  int // resident now, each shared page divided by how many share it
}

// MemoryOf reads a process's memory from /proc.
func MemoryOf(pid int) (Memory, error) {
	dir := processFolder(pid)
	peak, err := field(filepath.Join(dir, "status"), "VmHWM:")
	if err != nil {
		return Memory{}, err
	}
	rss, err := field(filepath.Join(dir, "status"), "VmRSS:")
	if err != nil {
		return Memory{}, err
	}
	pss, err := field(filepath.Join(dir, "smaps_rollup"), "Pss:")
	if err != nil {
		return Memory{}, err
	}
	return Memory{Peak: peak, RSS: rss, Pss: pss}, nil
}

// Switches returns how often the threads that a process has now were put on a
// processor, of their own will or not: an idle process that sleeps without a
// wake-up does not change it.
func Switches(pid int) (int, error) {
	sum := 0
	err := eachThread(pid, func(status string) error {
		for _, name := range []string{"voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"} {
			n, err := field(status, name)
			if err != nil {
				return err
			}
			sum += n
		}
		return nil
	})
	return sum, err
}

// Threads returns how many threads a process has.
func Threads(pid int) (int, error) {
	return field(filepath.Join(processFolder(pid), "status"), "Threads:")
}

// Asleep says whether every thread of a process waits for something.
func Asleep(pid int) (bool, error) {
	asleep := true
	err := eachThread(pid, func(status string) error {
		text, err := os.ReadFile(status)
		if err != nil {
			return err
		}
		asleep = asleep && strings.Contains(string(text), "\nState:\tS")
		return nil
	})
	return asleep, err
}

func eachThread(pid int, do func(status string) error) error {
	files, err := filepath.Glob(filepath.Join(processFolder(pid), "task", "*", "status"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	for _, file := range files {
		if err := do(file); err != nil {
			return err
		}
	}
	return nil
}

func processFolder(pid int) string {
	return filepath.Join("/proc", strconv.Itoa(pid))
}

// field returns the number behind a name that starts a line.
func field(path, name string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		rest, found := strings.CutPrefix(line, name)
		if !found {
			continue
		}
		words := strings.Fields(rest)
		if len(words) == 0 {
			break
		}
		return strconv.Atoi(words[0])
	}
	return 0, fmt.Errorf("%s: no number behind %s", path, name)
}
