package osservice

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kardianos/service"

	"scgikit/internal/need"
)

// inside is set in the process that has the file systems for itself.
const inside = "SCGIKIT_TEST_OSSERVICE_INSIDE"

// TestManagers installs and removes services under the fake managers of a
// namespace of its own: nothing of this machine is touched.
func TestManagers(t *testing.T) {
	need.Root(t)
	unshare := need.Program(t, "unshare")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), unshare, "--mount", "--propagation", "private", "true").CombinedOutput(); err != nil {
		t.Logf("%v: %s", err, out)
		need.Missing(t, "unshare of mounts")
	}
	cmd := exec.CommandContext(t.Context(), unshare, "--mount", "--propagation", "private", self, "-test.run=^TestInside$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=yes")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestInside/script") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestInside is what TestManagers runs in its namespace.
func TestInside(t *testing.T) {
	if os.Getenv(inside) == "" {
		return
	}
	t.Run("install", testInstall)
	t.Run("foreign", testForeign)
	t.Run("refused", testRefused)
	t.Run("script", testScript)
}

// fake is the managers' programs of a test: they note their arguments, and fail
// where the file fail says so.
type fake struct{ dir string }

// newFake replaces the folders of the machine and the programs in PATH.
func newFake(t *testing.T) *fake {
	t.Helper()
	for _, dir := range []string{"/etc/systemd/system", "/etc/init.d", "/etc/rc0.d", "/etc/rc1.d", "/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d", "/etc/rc6.d"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, 0); err != nil {
				t.Error(err)
			}
		})
	}
	f := &fake{t.TempDir()}
	for _, name := range []string{"systemctl", "service", "rc-update", "rc-service"} {
		script := fmt.Sprintf("#!/bin/sh\necho %s \"$@\" >>%s/calls\ncase $* in\n*is-active*) cat %[2]s/state 2>/dev/null || echo inactive ;;\n*list-unit-files*) echo my-own-apps.service ;;\n*status*)\n\tif test -e %[2]s/state; then echo Running; else echo Stopped; exit 3; fi ;;\nesac\ntest ! -e %[2]s/fail\n", name, f.dir)
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", f.dir+":"+os.Getenv("PATH"))
	return f
}

func (f *fake) set(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (f *fake) unset(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(f.dir, name)); err != nil {
		t.Fatal(err)
	}
}

// calls returns what the managers were told since the last time.
func (f *fake) calls(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "calls"))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	f.unset(t, "calls")
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; ")
}

// manager opens one of the managers, whatever this machine has.
func manager(t *testing.T, name string, c Config) *Manager {
	t.Helper()
	for _, system := range service.AvailableSystems() {
		if system.String() == name {
			m, err := open(system, c)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// kinds are the managers of Linux, and what each is told.
func kinds() map[string]struct{ path, install, start, uninstall string } {
	return map[string]struct{ path, install, start, uninstall string }{
		"linux-systemd": {
			"/etc/systemd/system/my-own-apps.service", "systemctl enable my-own-apps.service; systemctl daemon-reload",
			"systemctl start my-own-apps.service", "systemctl is-active my-own-apps.service; systemctl stop my-own-apps.service; systemctl disable my-own-apps.service; systemctl daemon-reload",
		},
		"linux-openrc": {
			"/etc/init.d/my-own-apps", "rc-update add my-own-apps",
			"rc-service my-own-apps start", "rc-service my-own-apps status; rc-service my-own-apps stop; rc-update delete my-own-apps",
		},
		"unix-systemv": {
			"/etc/init.d/my-own-apps", "",
			"service my-own-apps start", "service my-own-apps status; service my-own-apps stop",
		},
	}
}

// does runs Install or Uninstall, which must do that.
func does(t *testing.T, what string, do func(bool) (Action, error), force bool, want Action, reason error) {
	t.Helper()
	got, err := do(force)
	if got != want || !errors.Is(err, reason) {
		t.Errorf("%s: %q, %v, want %q, %v", what, got, err, want, reason)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

func testInstall(t *testing.T) {
	for name, want := range kinds() {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			m := manager(t, name, cases()["awkward"])
			does(t, "uninstall of nothing", m.Uninstall, false, Absent, nil)
			does(t, "install", m.Install, false, Create, nil)
			if m.Path != want.path || content(t, want.path) != m.Text() {
				t.Errorf("%s is not as rendered", want.path)
			}
			if got := f.calls(t); got != want.install {
				t.Errorf("install tells %q, want %q", got, want.install)
			}
			does(t, "install again", m.Install, false, Unchanged, nil)
			if got := f.calls(t); got != "" {
				t.Errorf("install again tells %q", got)
			}
			if state, err := m.Status(); state != Stopped || err != nil {
				t.Errorf("stopped: %q, %v", state, err)
			}
			f.calls(t)
			if err := m.Start(); err != nil || f.calls(t) != want.start {
				t.Errorf("start: %v", err)
			}
			f.set(t, "state", "active")
			if state, err := m.Status(); state != Running || err != nil {
				t.Errorf("running: %q, %v", state, err)
			}
			f.calls(t)
			other := manager(t, name, Config{Name: "my-own-apps", Program: "/usr/bin/scgi-run", Dir: "/other"})
			does(t, "another text", other.Install, false, Update, nil)
			if content(t, want.path) != other.Text() {
				t.Error("the other text is not there")
			}
			f.calls(t)
			does(t, "uninstall", other.Uninstall, false, Remove, nil)
			if got := f.calls(t); got != want.uninstall {
				t.Errorf("uninstall tells %q, want %q", got, want.uninstall)
			}
			left, err := filepath.Glob("/etc/*.d/*my-own-apps*")
			if err != nil || content(t, want.path) != "" || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if state, err := m.Status(); state != NotInstalled || err != nil {
				t.Errorf("removed: %q, %v", state, err)
			}
		})
	}
}

// testForeign: a file that is not as we wrote it is left alone.
func testForeign(t *testing.T) {
	for name := range kinds() {
		t.Run(name, func(t *testing.T) {
			newFake(t)
			m := manager(t, name, cases()["default"])
			for text, reason := range map[string]error{"mine\n": ErrForeign, m.Text() + "# mine\n": ErrEdited} {
				if err := os.WriteFile(m.Path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				does(t, "install", m.Install, false, "", reason)
				if _, err := m.Uninstall(false); !errors.Is(err, reason) {
					t.Errorf("uninstall: %v, want %v", err, reason)
				}
				if got := content(t, m.Path); got != text {
					t.Errorf("it holds %q now", got)
				}
				does(t, "install by force", m.Install, true, Update, nil)
				if content(t, m.Path) != m.Text() {
					t.Error("it is not as rendered")
				}
			}
			// What systemctl mask leaves is not written through.
			if err := os.Remove(m.Path); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("/dev/null", m.Path); err != nil {
				t.Fatal(err)
			}
			for _, force := range []bool{false, true} {
				does(t, "a link", m.Install, force, "", ErrForeign)
			}
		})
	}
}

// testRefused: where the manager refuses, everything is as before.
func testRefused(t *testing.T) {
	for _, name := range []string{"linux-systemd", "linux-openrc"} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			m := manager(t, name, cases()["default"])
			f.set(t, "fail", "")
			refused := func(m *Manager, left string) {
				t.Helper()
				action, err := m.Install(false)
				if _, ok := errors.AsType[*RolledBackError](err); !ok || action != "" {
					t.Errorf("%q, %v", action, err)
				}
				if got := content(t, m.Path); got != left {
					t.Errorf("left behind: %q", got)
				}
			}
			refused(m, "")
			f.unset(t, "fail")
			does(t, "install", m.Install, false, Create, nil)
			f.set(t, "fail", "")
			refused(manager(t, name, Config{Name: "scgikit", Program: "/usr/bin/scgi-run", Dir: "/other"}), m.Text())
		})
	}
}

// testScript runs the System V script with a program in place of scgi-run.
func testScript(t *testing.T) {
	newFake(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "scgi-run")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nprintf '%s\\n' \"$@\" >"+dir+"/args\ntrap 'echo >"+dir+"/hup' HUP\ntrap 'exit 0' TERM\nwhile :; do sleep 0.05; done\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/var/run", "/var/log"} {
		if err := syscall.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
	}
	m := manager(t, "unix-systemv", Config{Name: "scgikit", Program: program, Dir: awkward})
	does(t, "install", m.Install, false, Create, nil)
	run := func(verb, want string, code int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), need.Program(t, "dash"), m.Path, verb)
		out, err := cmd.Output()
		if _, exit := errors.AsType[*exec.ExitError](err); err != nil && !exit || cmd.ProcessState.ExitCode() != code || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %v, %s, want %q", verb, err, out, want)
		}
	}
	run("status", "Stopped", 3)
	run("reload", "", 7)
	run("start", "", 0)
	if got := content(t, dir+"/args"); got != "supervise\n"+awkward+"\n" {
		t.Errorf("it is started with %q", got)
	}
	run("start", "Running, process ", 0)
	run("status", "Running, process ", 0)
	run("reload", "", 0)
	run("restart", "", 0)
	if _, err := os.Stat(dir + "/hup"); err != nil {
		t.Error(err)
	}
	run("status", "Running, process ", 0)
	run("stop", "", 0)
	run("stop", "", 0)
	run("status", "Stopped", 3)
	// A number that is another program's now.
	if err := os.WriteFile("/var/run/scgikit.pid", []byte(fmt.Sprintln(os.Getppid())), 0o644); err != nil {
		t.Fatal(err)
	}
	run("status", "Stopped", 3)
	run("nothing", "", 2)
}
