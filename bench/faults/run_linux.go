package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/supervisetest"
)

func run(rounds int, only string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "scgikit-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder left in /tmp harms nobody
	programs, err := supervisetest.BuildAll(dir)
	if err != nil {
		return err
	}
	const format = "%-42s %7v %7v %6v %6v %10v %6v %6v %6v %6v %7v %7v\n"
	fmt.Printf(format, "scenario", "faults", "starts", "extra", "copies", "lines", "lost", "twice", "broken", "gone", "unknown", "seconds")
	bad := false
	for _, s := range supervisetest.Scenarios() {
		if !wanted.MatchString(s.Name) {
			continue
		}
		if name, ok := missing(s); ok {
			fmt.Printf("%-42s needs %s\n", s.Name, name)
			continue
		}
		begun := time.Now()
		t := &trial{}
		f := supervisetest.NewFault(t, programs, max(rounds, s.Rounds))
		t.do(func() { s.Run(f) })
		c := f.Count
		fmt.Printf(format, s.Name, c.Kills, c.Starts, c.Restarted, c.Copies, c.Lines, c.Lost, c.Doubled, c.Damaged, c.Gone, c.Unknown, int(time.Since(begun).Seconds()))
		if t.Failed() {
			bad = true
			fmt.Print(t.text.String())
		}
	}
	fmt.Println("extra: services started without need; copies: beside another of the same service;")
	fmt.Println("gone: lines in the pipes of services that ended while both processes were dead;")
	fmt.Println("unknown: ends whose status nobody can tell")
	if bad {
		return errBad
	}
	return nil
}

// missing returns what a scenario needs and this machine does not have.
func missing(s supervisetest.Scenario) (string, bool) {
	for _, name := range s.Needs {
		if name == "root" {
			if os.Geteuid() != 0 {
				return name, true
			}
			continue
		}
		if _, ok := need.Find(name); !ok {
			return name, true
		}
	}
	return "", false
}

// trial is a test outside of tests.
type trial struct {
	mu      sync.Mutex
	text    strings.Builder
	failed  bool
	cleanup []func()
}

// do runs f to its end, or to the first thing that makes no sense to go on after.
func (t *trial) do(f func()) {
	inOne := func(f func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		<-done
	}
	inOne(f)
	for _, clean := range slices.Backward(t.cleanup) {
		inOne(clean)
	}
}

func (t *trial) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(&t.text, "    "+format+"\n", args...)
}

// Helper is for tests.
func (t *trial) Helper() {}

// Logf notes something, which is shown if something is wrong.
func (t *trial) Logf(format string, args ...any) { t.note(format, args...) }

// Errorf notes that something is wrong.
func (t *trial) Errorf(format string, args ...any) {
	t.note(format, args...)
	t.failed = true
}

// Fatal does, and goes on no further.
func (t *trial) Fatal(args ...any) { t.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf does, and goes on no further.
func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// Failed returns whether something was wrong.
func (t *trial) Failed() bool { return t.failed }

// Cleanup has f called at the end, the last one first.
func (t *trial) Cleanup(f func()) { t.cleanup = append(t.cleanup, f) }

// TempDir returns a new folder that is removed at the end.
func (t *trial) TempDir() string {
	dir, err := os.MkdirTemp("", "scgikit-fault-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
