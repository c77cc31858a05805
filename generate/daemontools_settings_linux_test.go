package generate_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/generate"
	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// settled is what TestSettings renders, with the folder of the programs, the
// user and the folder of the small programs for NAME in braces.
//
// base says by itself when it is ready. stubborn comes after both of its
// instances, is asked whether it is ready, ends on no signal, and is reloaded by
// a program; polite is by a signal, and never ready. flaky and done end at once,
// each in its own way.
const settled = `apiVersion: scgikit/v1
name: base
type: server
run: {user: {user}, directory: {dir}, command: [base], instances: 2}
listen: {tcp: "127.0.0.1:8071"}
http: {mount: /base/}
options: {daemontools: {bin_dir: {bin}, supervisor: scgikit, notification_fd: 5}}
---
apiVersion: scgikit/v1
name: stubborn
type: server
run:
  user: {user}
  directory: {dir}
  umask: "0022"
  command: [stubborn, a b]
  env: {MARK: "it's"}
  start_timeout: 1h
  stop_signal: QUIT
  stop_timeout: 300ms
listen: {tcp: "127.0.0.1:8073"}
http: {mount: /stubborn/}
options:
  daemontools:
    bin_dir: {bin}
    supervisor: scgikit
    after: [base]
    check: [/usr/bin/test, -e, is ready]
    reload: [/bin/sh, -c, 'echo "$$MARK $$MAINPID $$1" $$(id -u) >reloaded', sh, "c  d"]
---
apiVersion: scgikit/v1
name: polite
type: server
run: {user: {user}, directory: {dir}, command: [polite], start_timeout: 20ms}
listen: {tcp: "127.0.0.1:8074"}
http: {mount: /polite/}
options: {daemontools: {bin_dir: {bin}, supervisor: scgikit, reload_signal: USR2, check: [/bin/false]}}
---
apiVersion: scgikit/v1
name: hasty
type: server
run: {user: {user}, directory: {dir}, command: [polite]}
listen: {tcp: "127.0.0.1:8075"}
http: {mount: /hasty/}
options: {daemontools: {bin_dir: {bin}, supervisor: scgikit, after: [polite]}}
---
apiVersion: scgikit/v1
name: flaky
type: server
run:
  user: {user}
  command: [/bin/false]
  restart: {policy: on-failure, delay: 10ms, max_delay: 1h, burst: 3, window: 10m}
listen: {tcp: "127.0.0.1:8076"}
http: {mount: /flaky/}
options: {daemontools: {bin_dir: {bin}, supervisor: scgikit}}
---
apiVersion: scgikit/v1
name: done
type: server
run: {user: {user}, command: [/bin/true], restart: {policy: on-failure}}
listen: {tcp: "127.0.0.1:8077"}
http: {mount: /done/}
options: {daemontools: {bin_dir: {bin}, supervisor: scgikit}}
`

// settledPrograms are the programs of settled. They note in files what happens
// to them.
var settledPrograms = map[string]string{
	"base": `until test -e go; do sleep 0.02; done
echo >&5
exec 5>&-
while :; do sleep 0.02; done
`,
	"stubborn": `for s in TERM INT QUIT HUP; do trap "echo $s >>signals" $s; done
echo "$1" >started
while :; do sleep 0.02; done
`,
	"polite": `trap "touch reread" USR2
while :; do sleep 0.02; done
`,
}

// settledScan is a scan folder with what settled describes.
type settledScan struct {
	work string // where the programs are
	scan string
	run  string // scgi-run
}

func (s *settledScan) at(name string) string { return filepath.Join(s.work, name) }

func (s *settledScan) detail(service string) servicedir.Detail {
	return supervisetest.Details(filepath.Join(s.scan, service))
}

// is waits until a service is in a state.
func (s *settledScan) is(t *testing.T, service string, want servicedir.State) servicedir.Detail {
	t.Helper()
	eventually(t, service+" "+string(want), func() bool { return s.detail(service).State == want })
	return s.detail(service)
}

// prepareSettings builds scgi-run, with the programs of daemontools that it is,
// and renders settled.
func prepareSettings(t *testing.T) *settledScan {
	t.Helper()
	need.Root(t)
	user, group := someUser(t)
	dir := publicDir(t)
	s := &settledScan{work: filepath.Join(dir, "work"), scan: filepath.Join(dir, "scan")}
	run, err := supervisetest.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.run = run
	bin := filepath.Join(dir, "bin")
	for _, d := range []string{bin, s.work, s.scan} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	id := ids(t, user, group)
	if err := os.Chown(s.work, id[0], id[1]); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"envdir", "setuidgid", "softlimit"} {
		if err := os.Symlink(run, filepath.Join(bin, program)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range settledPrograms {
		writeProgram(t, s.at(name), "#!/bin/sh\n"+text)
	}
	text := strings.NewReplacer("{user}", user, "{dir}", yamlText(s.work), "{bin}", yamlText(bin)).Replace(settled)
	set := withoutLogs(t, mustRender(t, "daemontools", load(t, text)))
	install(t, set, "daemontools", s.scan)
	return s
}

// withoutLogs takes log/ away: what is printed goes to the supervisor's output.
func withoutLogs(t *testing.T, set *fileset.Set) *fileset.Set {
	t.Helper()
	rest := new(fileset.Set)
	for _, f := range set.Files() {
		if strings.Contains(f.Path+"/", "/log/") {
			continue
		}
		if err := rest.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	return rest
}

// TestSettings runs what is rendered under our own supervisor: it starts in
// order, ends by the signal and the limit, and starts again, or not, as the
// description says.
func TestSettings(t *testing.T) {
	t.Parallel()
	s := prepareSettings(t)
	started := time.Now()
	sup := supervisetest.Start(t, s.scan, s.run, "supervise")

	flaky := s.is(t, "flaky", servicedir.Failing)
	if flaky.Starts != 3 || flaky.Last.Code != 1 {
		t.Errorf("flaky: %+v", flaky)
	}
	if wait := flaky.Next - float64(started.Unix()); wait < 3000 {
		t.Errorf("flaky is tried again after %.0f seconds, want an hour", wait)
	}
	eventually(t, "the end of done", func() bool { return s.detail("done").Last.At > 0 && s.detail("done").PID == 0 })
	if done := s.detail("done"); done.State == servicedir.BackOff || done.Starts != 1 {
		t.Errorf("done: %+v", done)
	}

	s.is(t, "base-1", servicedir.Starting)
	s.is(t, "base-2", servicedir.Starting)
	if stubborn := s.is(t, "stubborn", servicedir.Waiting); stubborn.Waits != "base-1" {
		t.Errorf("stubborn waits for %q", stubborn.Waits)
	}
	writeFile(t, s.at("go"), "")
	s.is(t, "base-1", servicedir.Running)
	s.is(t, "base-2", servicedir.Running)
	s.is(t, "stubborn", servicedir.Starting)
	writeFile(t, s.at("is ready"), "")
	stubborn := s.is(t, "stubborn", servicedir.Running)
	requireText(t, s.at("started"), "a b\n")

	dir := filepath.Join(s.scan, "stubborn")
	supervisetest.Command(t, dir, "l")
	user, group := someUser(t)
	requireText(t, s.at("reloaded"), fmt.Sprintf("it's %d c  d %d\n", stubborn.PID, ids(t, user, group)[0]))

	supervisetest.Command(t, dir, "d")
	eventually(t, "the end of stubborn", func() bool { return s.detail("stubborn").PID == 0 })
	requireText(t, s.at("signals"), "QUIT\n")
	if last := s.detail("stubborn").Last; last.Signal != "KILL" {
		t.Errorf("stubborn ended with %+v", last)
	}

	s.is(t, "polite", servicedir.Starting) // its check fails; who comes after it waits no longer
	s.is(t, "hasty", servicedir.Running)
	supervisetest.Command(t, filepath.Join(s.scan, "polite"), "l")
	eventually(t, "the signal to polite", func() bool { _, err := os.Stat(s.at("reread")); return err == nil })

	printed, err := os.ReadFile(sup.Printed)
	if err != nil || len(printed) > 0 {
		t.Errorf("%v: the supervisor printed %s", err, printed)
	}
}

// requireText waits until a file holds a text.
func requireText(t *testing.T, file, want string) {
	t.Helper()
	var got []byte
	eventually(t, fmt.Sprintf("%q in %s", want, file), func() bool {
		got, _ = os.ReadFile(file)
		return string(got) == want
	})
}

// TestSettingsUnderS6 has s6-supervise read what it knows: notification-fd,
// down-signal and timeout-kill.
func TestSettingsUnderS6(t *testing.T) {
	t.Parallel()
	supervise, svc, svstat := need.Program(t, "s6-supervise"), need.Program(t, "s6-svc"), need.Program(t, "s6-svstat")
	s := prepareSettings(t)
	start := func(service string) {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), supervise, filepath.Join(s.scan, service))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM) // ends the service too
			_ = cmd.Wait()
		})
	}
	stat := func(service, field string) string {
		out, _ := exec.CommandContext(t.Context(), svstat, "-o", field, filepath.Join(s.scan, service)).Output()
		return string(bytes.TrimSpace(out))
	}
	start("base-1")
	eventually(t, "the start of base-1", func() bool { return stat("base-1", "up") == "true" })
	if got := stat("base-1", "ready"); got != "false" {
		t.Errorf("ready before it says so: %q", got)
	}
	writeFile(t, s.at("go"), "")
	eventually(t, "base-1 to be ready", func() bool { return stat("base-1", "ready") == "true" })

	start("stubborn")
	requireText(t, s.at("started"), "a b\n")
	if out, err := exec.CommandContext(t.Context(), svc, "-d", filepath.Join(s.scan, "stubborn")).CombinedOutput(); err != nil {
		t.Fatalf("s6-svc: %v: %s", err, out)
	}
	eventually(t, "the end of stubborn", func() bool { return stat("stubborn", "up") == "false" })
	requireText(t, s.at("signals"), "QUIT\n")
	if got := stat("stubborn", "signal"); got != "SIGKILL" {
		t.Errorf("stubborn ended by %q", got)
	}
}

// TestSettingsAwkward lets our own supervisor read awkward names in after, and
// the shells run check and reload with awkward words.
func TestSettingsAwkward(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	program := installReporter(t, dir)
	writeProgram(t, filepath.Join(dir, "bin/setuidgid"), "#!/bin/sh\nshift\nexec \"$@\"\n")
	writeProgram(t, filepath.Join(dir, "bin/softlimit"), "#!/bin/sh\nshift 2\nexec \"$@\"\n")
	run, err := supervisetest.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	scan := filepath.Join(dir, "scan")
	waits := make(map[string]string)
	for i, s := range starterAwkward {
		name := fmt.Sprintf("app-%d", i)
		text := func(after string) string {
			return fmt.Sprintf(`apiVersion: scgikit/v1
name: %s
type: server
run: {command: [%s], user: nobody}
listen: {tcp: "127.0.0.1:8062"}
http: {mount: /a}
options: {daemontools: {supervisor: scgikit, bin_dir: %s, check: [%[2]s, %[4]s, "", last], reload: [%[2]s, %[4]s, "", last], after: [%[5]s]}}
`, name, yamlText(program), yamlText(filepath.Join(dir, "bin")), yamlText(s), yamlText(after))
		}
		after := s
		if strings.TrimSpace(s) != s || strings.ContainsAny(s, "/") || s[0] == '#' || len(s) > 255 {
			requireRefusal(t, text(s), "options.daemontools.after[0]")
			// A status shows no more than the beginning of a long name.
			after = "x" + strings.TrimSpace(strings.ReplaceAll(s[:min(len(s), 100)], "/", "_"))
		}
		set := withoutLogs(t, mustRender(t, "daemontools", load(t, text(after))))
		install(t, set, "daemontools", scan)
		waits[name] = after
		for _, shell := range shellOf(t, i) {
			for _, script := range []string{"./check", "./reload"} {
				// What they print goes to standard error, as messages do.
				words := slices.Concat([]string{"sh", "-c", `exec "$@" 123 2>&1`, "sh"}, shell, []string{script})
				got := runReporter(t, filepath.Join(scan, name), words...)
				if want := []string{program, s, "", "last"}; !reflect.DeepEqual(got.Args, want) {
					t.Errorf("%v %s: started with %q, want %q", shell, script, got.Args, want)
				}
			}
		}
	}
	supervisetest.Start(t, scan, run, "supervise")
	for name, want := range waits {
		eventually(t, fmt.Sprintf("%s to wait for %q", name, want), func() bool {
			return supervisetest.Details(filepath.Join(scan, name)).Waits == want
		})
	}
}

// requireRefusal expects a description that is in order, and a problem of
// daemontools with one of its fields.
func requireRefusal(t *testing.T, text, field string) {
	t.Helper()
	target, _ := generate.Lookup("daemontools")
	set, problems := render(t, target, load(t, text))
	for _, p := range problems {
		if p.Path == field && p.Code == "cannot-quote" && p.Hint != "" {
			return
		}
	}
	t.Errorf("%s: no problem with %s: %v %v", text, field, set != nil, problems)
}
