package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
)

// starter is a supervisor that the scripts run under.
type starter struct {
	kind  supervisorKind
	name  string
	words func(t *testing.T) []string // the program, before the folder
	each  bool                        // it is started for each service, not for their folder
}

// starters returns every supervisor, the real ones and ours.
func starters() []starter {
	program := func(words ...string) func(t *testing.T) []string {
		return func(t *testing.T) []string {
			t.Helper()
			return append([]string{need.Program(t, words[0])}, words[1:]...)
		}
	}
	return []starter{
		{kindDaemontools, "svscan", program("svscan"), false},
		{kindDaemontools, "supervise", program("supervise"), true},
		{kindRunit, "runsv", program("runsv"), true},
		{kindScgikit, "scgi-run", ourSupervisor, false},
	}
}

// ourSupervisor builds scgi-run.
func ourSupervisor(t *testing.T) []string {
	t.Helper()
	program := filepath.Join(t.TempDir(), smallProgram)
	out, err := exec.CommandContext(t.Context(), need.Program(t, "go"), "build", "-buildvcs=false", "-o", program, "../scgi-run").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	help, err := exec.CommandContext(t.Context(), program, "-h").Output()
	if err != nil || !strings.Contains(string(help), "\n  supervise ") {
		need.Missing(t, "scgi-run supervise")
	}
	return []string{program, "supervise"}
}

// TestServices runs testdata/services under every supervisor. Besides
// testscript's own commands there are exits, onejson and noescape of TestScript,
//
//	supervise DIR   supervise the services of a folder, until the script ends
//	appears FILE    wait until there is a file
//
// and the conditions [scgikit], [daemontools] and [runit].
func TestServices(t *testing.T) {
	t.Parallel()
	for _, s := range starters() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			words := s.words(t)
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata/services",
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Condition: func(cond string) (bool, error) {
					switch supervisorKind(cond) {
					case kindScgikit, kindDaemontools, kindRunit, kindEncore:
						return supervisorKind(cond) == s.kind, nil
					}
					return false, fmt.Errorf("unknown condition %s", cond)
				},
				Setup: func(e *testscript.Env) error {
					e.Setenv("HOME", e.WorkDir)
					e.Setenv("TERM", "xterm")
					e.Setenv("GORACE", goRace)
					return nil
				},
				Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
					"exits":     cmdExits,
					"until":     cmdUntil,
					"onejson":   cmdOneJSON,
					"noescape":  cmdNoEscape,
					"appears":   cmdAppears,
					"supervise": func(ts *testscript.TestScript, _ bool, args []string) { cmdSupervise(ts, s, words, args) },
				},
			})
		})
	}
}

// within polls until something is so.
func within(ts *testscript.TestScript, what string, so func() bool) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(2 * time.Minute); !so(); <-ticker.C {
		if time.Now().After(end) {
			ts.Fatalf("not in time: %s", what)
		}
	}
}

// cmdUntil runs a program until it ends with a code: a service that ends at once, and
// is started again and again, runs for a moment each time.
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	within(ts, strings.Join(args[1:], " ")+" ends with "+args[0], func() bool {
		err := ts.Exec(args[1], args[2:]...)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode() == want
		}
		ts.Check(err)
		return want == 0
	})
}

func cmdAppears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: appears FILE")
	}
	within(ts, args[0], func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	})
}

// cmdSupervise starts supervisors, and ends them with the script.
func cmdSupervise(ts *testscript.TestScript, s starter, words, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: supervise DIR")
	}
	dir := ts.MkAbs(args[0])
	services, err := scanned([]string{dir}, nil)
	ts.Check(err)
	dirs := []string{dir}
	if s.each {
		dirs = nil
		for _, p := range services {
			dirs = append(dirs, p.dir)
		}
	}
	for _, p := range services {
		// testscript writes files that can not be run.
		for _, name := range []string{"run", "log/run"} {
			if err := os.Chmod(filepath.Join(p.dir, name), 0o755); err != nil && !os.IsNotExist(err) {
				ts.Check(err)
			}
		}
	}
	for _, d := range dirs {
		// Not the context of the script: it ends before the services are told to.
		cmd := exec.CommandContext(context.Background(), words[0], append(words[1:len(words):len(words)], d)...)
		cmd.Dir = dir
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		ts.Check(cmd.Start())
		ts.Defer(func() { endSupervisor(ts, s, cmd, services) })
	}
	for _, p := range services {
		within(ts, p.name+" is supervised", func() bool {
			ok, err := servicedir.Supervised(p.dir)
			if _, read := servicedir.Read(p.dir); read != nil {
				return false
			}
			return ok && err == nil
		})
	}
}

// endSupervisor ends one supervisor: svscan leaves the ones that it has started
// behind, which end with their services.
func endSupervisor(ts *testscript.TestScript, s starter, cmd *exec.Cmd, services []servicePlace) {
	ours := s.kind == kindScgikit
	if !s.each && !ours {
		_ = cmd.Process.Kill()
	}
	for _, p := range services {
		for _, dir := range []string{p.dir, filepath.Join(p.dir, "log")} {
			_ = servicedir.Send(dir, "dxkc") // a folder without a supervisor is an error
		}
	}
	if ours {
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range services {
		within(ts, p.name+" is no longer supervised", func() bool {
			ok, _ := servicedir.Supervised(p.dir)
			return !ok
		})
	}
	_ = cmd.Wait() // svscan was killed
}
