package main

import (
	"os"
	"path/filepath"
	"testing"

	"scgikit/internal/need"
)

// unstartable are ways to call supervise and svscan in which neither begins.
func unstartable() []usage {
	prepare := func(t *testing.T, dir string) {
		t.Helper()
		write(t, filepath.Join(dir, "file"), "", 0o755)
		write(t, filepath.Join(dir, "closed/x"), "", 0o644)
		if err := os.Chmod(filepath.Join(dir, "closed"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "held/supervise/lock"), "", 0o600)
		write(t, filepath.Join(dir, "held/run"), "#!/bin/sh\nexec sleep 1000\n", 0o755)
	}
	list := []usage{{args: []string{"nodir"}}, {args: []string{"file"}}, {args: []string{"file/x"}}, {args: []string{"loop"}}, {name: "empty", args: []string{""}}}
	if os.Getuid() != 0 {
		list = append(list, usage{args: []string{"closed"}})
	}
	for i := range list {
		list[i].prepare = prepare
	}
	return list
}

// TestSuperviseUnstartable: what daemontools' supervise and svscan say where they
// do not begin.
func TestSuperviseUnstartable(t *testing.T) {
	t.Parallel()
	setlock := need.Program(t, "setlock")
	prepare := unstartable()[0].prepare
	compare(t, "supervise", append(unstartable(),
		usage{name: "no argument", prepare: prepare},
		usage{args: []string{"held", "x"}, prepare: prepare},
		usage{name: "held", args: []string{"held"}, prepare: prepare, starter: `exec 0<&- ; set -- "$0" "$@"; exec ` + setlock + ` held/supervise/lock "$@"`},
	))
	compare(t, "svscan", unstartable())
}
