package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"scgikit/internal/need"
	"scgikit/internal/selftest"
)

// TestMain lets the test binary be scgikit itself, in scripts and for exec.
func TestMain(m *testing.M) {
	testscript.Main(selftest.Tests{M: m, Name: "scgikit"}, map[string]func(){"scgikit": main})
}

// goRace keeps a program with the race detector from its default, which is to
// sleep a second before it ends.
//
// Source: https://go.dev/doc/articles/race_detector (atexit_sleep_ms).
const goRace = "atexit_sleep_ms=0"

// TestScript runs testdata/script. Besides testscript's own commands there are
//
//	exits CODE PROGRAM ARG…   run a program that must end with a code
//	onejson stdout|FILE       exactly one JSON value
//	noescape stdout|stderr    no escape byte
//	mode FILE OCTAL           permission bits
//	edit FILE                 add the line "# mine", as a person would
//
// and the condition [program:NAME], which is an error where SCGIKIT_NEED names
// a program that is not there.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(cond string) (bool, error) {
			name, ok := strings.CutPrefix(cond, "program:")
			if !ok {
				return false, errors.New("unknown condition " + cond)
			}
			_, found := need.Find(name)
			if !found && slices.Contains(strings.Split(os.Getenv(need.Variable), ","), name) {
				return false, fmt.Errorf("%s is not on this machine, and %s names it", name, need.Variable)
			}
			return found, nil
		},
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, ".home")
			e.Setenv("HOME", home)
			e.Setenv("TERM", "xterm")
			e.Setenv("GORACE", goRace)
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    cmdExits,
			"onejson":  cmdOneJSON,
			"noescape": cmdNoEscape,
			"mode":     cmdMode,
			"edit":     cmdEdit,
		},
	})
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("ended with %d, not %d", got, want)
	}
}

func cmdOneJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: onejson stdout|FILE")
	}
	if err := oneJSON(ts.ReadFile(args[0])); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
}

func cmdNoEscape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: noescape stdout|stderr")
	}
	if strings.ContainsRune(ts.ReadFile(args[0]), 0x1b) {
		ts.Fatalf("%s has an escape byte", args[0])
	}
}

func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE OCTAL")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[1] {
		ts.Fatalf("%s has mode %s, not %s", args[0], got, args[1])
	}
}

func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: edit FILE")
	}
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteString("# mine\n")
	ts.Check(errors.Join(err, f.Close()))
}
