package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// confined is a flag that sends a script the way of those with limits, and has
// no effect on what the tests' scripts do.
const confined = "--limit=cpu=3600"

// starter starts scgi-run with a setting that is none of those in the tests.
const starter = `umask 0002; ulimit -S -c 0; ulimit -S -n 77; exec nice -n 1 "$0" "$@"`

// hardLimits are those of programs that the tests start.
func hardLimits(t *testing.T) (nofile string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "ulimit -H -n").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// showSetting is a CGI script in Python, through the WSGI app that does it.
func showSetting(t *testing.T) string {
	t.Helper()
	apps, err := filepath.Abs("testdata/wsgi")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`#!%s
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, %q)
import apps
print("Content-Type: text/plain\n", flush=True)
sys.stdout.write(b"".join(apps.setting({}, lambda *_: None)).decode())
`, python(t), apps)
}

// The program finds itself in what the flags say, in every form, and in what
// the starter has where they say nothing.
func TestSetting(t *testing.T) {
	t.Parallel()
	needLimits(t)
	forms := map[string]func(flags ...string) (call, string){
		"wsgi": func(flags ...string) (call, string) {
			dir := t.TempDir()
			return app(t, "apps:setting", call{args: append(flags, "--directory", dir)}), dir
		},
	}
	for name, flag := range map[string]string{"bridge": "--timeout=60s", "bridge stream": "--stream-body", "bridge handoff": "--handoff", "bridge resident": "--max=1"} {
		forms[name] = func(flags ...string) (call, string) {
			dir := folder(t, map[string]string{"show": showSetting(t)})
			return call{args: slices.Concat([]string{"bridge", "--mount=/", flag}, flags, []string{dir}), headers: []header{{"SCRIPT_NAME", "/show"}}, resident: flag == "--max=1"}, strings.TrimSuffix(dir, "/")
		}
	}
	hard := hardLimits(t)
	for _, tt := range []struct {
		flags string
		want  map[string]string // what a line says, by its first word
	}{
		{"", map[string]string{"umask": "0002", "nice": "1", "nofile": "77 " + hard}},
		{"--umask 0137", map[string]string{"umask": "0137", "nice": "1", "nofile": "77 " + hard}},
		{"--umask 0000 --nice 3 --limit core=0", map[string]string{"umask": "0000", "nice": "4", "core": "0 0", "nofile": "77 " + hard}},
		{"--limit cpu=50,nproc=5000 --limit memory=6GiB", map[string]string{
			"umask": "0002", "nice": "1", "cpu": "50 50", "nproc": "5000 5000", "memory": "6442450944 6442450944", "nofile": "77 " + hard,
		}},
		{"--umask 0027 --nice 19 --limit core=8KiB,cpu=9,cpu=51,nofile=99,nproc=4000,memory=5GiB", map[string]string{
			"umask": "0027", "nice": "19", "core": "8192 8192", "cpu": "51 51", "nofile": "99 99", "nproc": "4000 4000", "memory": "5368709120 5368709120",
		}},
	} {
		for name, form := range forms {
			c, dir := form(strings.Fields(tt.flags)...)
			c.command = []string{"/bin/sh", "-c", starter, scgiRun(t)}
			a := c.do(t)
			if !strings.Contains(a.raw, "\nin "+dir+"\n") {
				t.Fatalf("%s %s: answer %q, log %q", name, tt.flags, a.raw, a.log)
			}
			for word, value := range tt.want {
				if !strings.Contains(a.raw, "\n"+word+" "+value+"\n") {
					t.Errorf("%s %s: want %s %s; answer %q", name, tt.flags, word, value, a.raw)
				}
			}
		}
	}
}

// needLimits skips a test where the system has not all the limits.
func needLimits(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "openbsd" || runtime.GOOS == "solaris" {
		need.Missing(t, "limits of memory and processes")
	}
}

// The bridge does its own work, which takes more descriptors than the script
// may have, and still tells an error of the start from one of the script.
func TestTightLimits(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"echo": child(t, "echo"), "missing": "#!/no/such/interpreter\n"})
	body := strings.Repeat("b", 300_000)
	for _, mode := range []string{"--timeout=60s", "--stream-body"} {
		a := call{args: []string{"bridge", "--mount=/", mode, "--limit=nofile=6", dir}, headers: []header{{"SCRIPT_NAME", "/echo"}}, body: body}.do(t)
		if a.body != body || a.log != "" {
			t.Errorf("%s: answer %.100q, log %q", mode, a.raw, a.log)
		}
	}
	for _, mode := range []string{"--timeout=60s", "--stream-body", "--handoff"} {
		a := call{args: []string{"bridge", "--mount=/", mode, "--limit=nofile=6", dir}, headers: []header{{"SCRIPT_NAME", "/missing"}}}.do(t)
		if a.status != "500 Internal Server Error" || !strings.Contains(a.log, `interpreter "/no/such/interpreter" of its #! line not found`) {
			t.Errorf("%s: answer %q, log %q", mode, a.raw, a.log)
		}
	}
}

// What the system does not grant ends the request, and not in silence.
func TestSettingNotGranted(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"script": "#!/bin/sh\necho A: b; echo\n"})
	gone := filepath.Join(t.TempDir(), "gone")
	const much = "--limit=nofile=4611686018427387903" // more than any system's
	for _, tt := range []struct {
		c   call
		log string
	}{
		{call{args: []string{"bridge", "--mount=/", much, dir}}, "script: set the limit nofile=4611686018427387903 above the hard limit "},
		{call{args: []string{"bridge", "--mount=/", "--handoff", much, dir}}, "script: set the limit nofile=4611686018427387903 above the hard limit "},
		{app(t, "apps:hello", call{args: []string{much}}), "scgi-run: set the limit nofile=4611686018427387903 above the hard limit "},
		{app(t, "apps:hello", call{args: []string{"--directory", gone}}), "chdir " + gone + ": no such file or directory"},
	} {
		if tt.c.headers == nil {
			tt.c.headers = []header{{"SCRIPT_NAME", "/script"}}
		}
		if a := tt.c.do(t); a.status != "500 Internal Server Error" || a.code != 111 || !strings.Contains(a.log, tt.log) || strings.Count(a.log, "\n") != 1 {
			t.Errorf("%v: answer %q, exit code %d, log %q", tt.c.args, a.raw, a.code, a.log)
		}
	}
}

// A program without CAP_SYS_NICE may not be less nice than its starter.
func TestNiceNotGranted(t *testing.T) {
	t.Parallel()
	command := []string{scgiRun(t)}
	if os.Geteuid() == 0 {
		command = append([]string{need.Program(t, "setpriv"), "--bounding-set=-sys_nice"}, command...)
	}
	dir := folder(t, map[string]string{"script": "#!/bin/sh\necho A: b; echo\n"})
	a := call{command: command, args: []string{"bridge", "--mount=/", "--nice=-5", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}}.do(t)
	if a.status != "500 Internal Server Error" || !strings.Contains(a.log, "add -5 to the niceness: ") {
		t.Errorf("answer %q, log %q", a.raw, a.log)
	}
}
