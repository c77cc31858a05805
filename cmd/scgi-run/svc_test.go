package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
)

// serviceFolder makes a folder that looks supervised as long as the test lasts,
// and returns the reading end of its control FIFO.
func serviceFolder(t *testing.T, dir string, status []byte) *os.File {
	t.Helper()
	unsupervised(t, dir, status)
	var control *os.File
	for _, name := range []string{servicedir.OK, servicedir.Control} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		control = f
	}
	return control
}

// unsupervised makes a folder whose supervisor has gone.
func unsupervised(t *testing.T, dir string, status []byte) {
	t.Helper()
	write(t, filepath.Join(dir, servicedir.Stat), string(status), 0o644)
	for _, name := range []string{servicedir.OK, servicedir.Control} {
		if err := unix.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// statusOf is a status file whose service has changed an hour and a half ago, so
// that the number of seconds tells little.
func statusOf(pid int, want servicedir.Want, paused bool) []byte {
	var b [servicedir.Size]byte
	s := servicedir.Status{Since: time.Now().Add(-90 * time.Minute), PID: pid, Want: want, Paused: paused}
	s.Put(&b)
	return b[:]
}

// services fills a folder with service folders of all sorts.
func services(t *testing.T, dir string) {
	t.Helper()
	up := statusOf(17, servicedir.WantUp, false)
	for name, status := range map[string][]byte{
		"up": up, "paused": statusOf(17, servicedir.WantDown, true), "once": statusOf(70_000, servicedir.WantOnce, false),
		"stopped": statusOf(0, servicedir.WantDown, false), "starting": statusOf(0, servicedir.WantUp, true),
		"18": up[:18], "17": up[:17], "empty": nil, "long": append(slices.Clone(up), make([]byte, 300)...),
		"down-up": up, "down-stopped": statusOf(0, servicedir.WantDown, false),
	} {
		serviceFolder(t, filepath.Join(dir, name), status)
		if strings.HasPrefix(name, "down-") {
			write(t, filepath.Join(dir, name, servicedir.DownFile), "", 0o644)
		}
	}
	future := servicedir.Status{Since: time.Now().Add(time.Hour), PID: 5, Want: servicedir.WantUp}
	var b [servicedir.Size]byte
	future.Put(&b)
	serviceFolder(t, filepath.Join(dir, "future"), b[:])
	unsupervised(t, filepath.Join(dir, "dead"), up)
	unsupervised(t, filepath.Join(dir, "two words"), up)
	for _, name := range []string{"plain", "ok-is-folder/supervise/ok", "ok-is-folder/supervise/control", "status-is-folder/supervise", "no-status/supervise", "loop/supervise", "full/supervise", "files/supervise", "down-loop", "supervise-is-file"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range [][2]string{
		{"control", "loop/supervise/control"},
		{"ok", "loop/supervise/ok"},
		{"down", "down-loop/down"},
		{"/dev/full", "full/supervise/control"},
		{"../../up/supervise/ok", "no-status/supervise/ok"},
		{"../../up/supervise/ok", "status-is-folder/supervise/ok"},
		{"nowhere", "link-to-nothing"},
		{"up", "link"},
	} {
		os.Symlink(link[0], filepath.Join(dir, link[1]))
	}
	os.Mkdir(filepath.Join(dir, "status-is-folder/supervise/status"), 0o755)
	write(t, filepath.Join(dir, "file"), "", 0o644)
	write(t, filepath.Join(dir, "supervise-is-file/supervise"), "", 0o644)
	for _, name := range []string{servicedir.OK, servicedir.Control, servicedir.Stat} {
		write(t, filepath.Join(dir, "files", name), "abcdefghijklmnopqrstuvwxyz", 0o644)
	}
}

// serviceNames are the folders of services, and some that do not exist. Where the
// status is a folder, the real svstat takes an error for 18 bytes, and shows what
// it has read of the service before: that one is not among them.
func serviceNames() []string {
	return []string{
		"up", "paused", "once", "stopped", "starting", "18", "17", "empty", "long", "down-up", "down-stopped", "future", "dead", "two words", "plain", "ok-is-folder", "no-status", "loop",
		"full", "files", "down-loop", "supervise-is-file", "link-to-nothing", "link", "file", "file/x", "none", "", ".", "./up/", strings.Repeat("n", 300), "/",
	}
}

// seconds hides how long ago something was.
func seconds(text string) string {
	return regexp.MustCompile(`54[0-9][0-9] seconds`).ReplaceAllString(text, "5400 seconds")
}

func TestSvstat(t *testing.T) {
	t.Parallel()
	list := []usage{
		{name: "none"},
		{name: "all", args: serviceNames(), prepare: services},
		{name: "many", args: slices.Repeat(serviceNames(), 60), prepare: services},
		{name: "flags are folders", args: []string{"-h", "--", "-"}},
	}
	for _, name := range serviceNames() {
		list = append(list, usage{name: "folder " + name, args: []string{name}, prepare: services})
	}
	for i := range list {
		list[i].edit = seconds
	}
	compare(t, "svstat", list)
}

func TestSvok(t *testing.T) {
	t.Parallel()
	list := []usage{
		{name: "none"},
		{name: "two", args: []string{"up", "none"}, prepare: services},
		{name: "flag", args: []string{"-h"}},
	}
	for _, name := range serviceNames() {
		list = append(list, usage{name: "folder " + name, args: []string{name}, prepare: services})
	}
	compare(t, "svok", list)
}

func TestSvc(t *testing.T) {
	t.Parallel()
	// Somebody reads what has arrived.
	arrived := func(t *testing.T, dir string) string {
		t.Helper()
		text := ""
		for _, name := range []string{"up", "stopped"} {
			fd, err := unix.Open(filepath.Join(dir, name, servicedir.Control), unix.O_RDONLY|unix.O_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 100)
			n, err := unix.Read(fd, b)
			if err == nil {
				text += name + " " + string(b[:n]) + "\n"
			} else {
				text += name + " " + err.Error() + "\n"
			}
			unix.Close(fd)
		}
		file, err := os.ReadFile(filepath.Join(dir, "files", servicedir.Control))
		return text + string(file) + " " + map[bool]string{true: "", false: "error"}[err == nil]
	}
	// What is no FIFO is not written to, other than by the original; see below.
	all := slices.DeleteFunc(serviceNames(), func(name string) bool { return name == "files" || name == "full" })
	var list []usage
	for _, flags := range []string{
		"", "-u", "-d", "-dx", "-o", "-p", "-c", "-h", "-a", "-i", "-t", "-k", "-x", "-udopchaitkx", "-uu", "-ud -du", "-d -u --", "-d -", "-d --x",
	} {
		list = append(list,
			usage{name: "flags " + flags, args: append(strings.Fields(flags), "up", "stopped"), prepare: services, look: arrived},
			usage{name: "no folder " + flags, args: strings.Fields(flags), prepare: services, look: arrived})
	}
	for _, flags := range []string{"-z", "-uz", "-u1", "-u -z up", "-+", "-?", "-u-", "-:"} {
		list = append(list, usage{name: "usage " + flags, args: append(strings.Fields(flags), "up"), prepare: services, look: arrived})
	}
	for _, name := range all {
		if name != "." && name != "/" {
			list = append(list, usage{name: "folder " + name, args: []string{"-u", name, "stopped"}, prepare: services, look: arrived})
		}
	}
	list = append(list,
		usage{name: "all", args: append([]string{"-t"}, all...), prepare: services, look: arrived},
		usage{name: "nothing to say to", args: []string{"dead", "none"}, prepare: services, look: arrived})
	compare(t, "svc", list)
}

// A service folder's owner cannot have another file written to.
func TestSvcNoFIFO(t *testing.T) {
	t.Parallel()
	u := usage{args: []string{"-d", "files"}, prepare: services, look: func(t *testing.T, dir string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, "files", servicedir.Control))
		return fmt.Sprint(string(data), err)
	}}
	want := ended{0, "abcdefghijklmnopqrstuvwxyz<nil>", "svc: warning: error writing commands to files: write supervise/control: not a FIFO; remove it\n"}
	if got := u.run(t, link(t, "svc")); got != want {
		t.Errorf("%#x %q %q", got.status, got.out, got.err)
	}
}

// The letters arrive in one write, whole, also where the FIFO is full for now.
func TestSvcWaits(t *testing.T) {
	t.Parallel()
	for _, program := range []string{need.Program(t, "svc"), link(t, "svc")} {
		dir := t.TempDir()
		control := serviceFolder(t, dir, nil)
		full, b := 0, make([]byte, 4096)
		for {
			n, err := unix.Write(int(control.Fd()), b)
			if err != nil {
				break
			}
			full += n
			unix.SetNonblock(int(control.Fd()), true) // Fd has made it wait
		}
		cmd := exec.CommandContext(t.Context(), program, "-dx", dir)
		cmd.Env = []string{noRaceSleep}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for b = make([]byte, 1<<16); full > 0; {
			n, err := unix.Read(int(control.Fd()), b[:min(len(b), full)])
			if err != nil {
				t.Fatal(err)
			}
			full -= n
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", program, err)
		}
		if n, err := unix.Read(int(control.Fd()), b); err != nil || string(b[:n]) != "dx" {
			t.Errorf("%s: %q arrived, %v", program, b[:max(n, 0)], err)
		}
	}
}

// svup has no original on this system: what it does is in the manual of
// daemontools-encore.
func TestSvup(t *testing.T) {
	t.Parallel()
	program := link(t, "svup")
	for name, want := range map[string]ended{
		"up": {}, "paused": {}, "once": {}, "18": {}, "long": {}, "down-up": {}, "link": {}, "down-loop": {status: 100 << 8},
		"stopped": {status: 100 << 8}, "starting": {status: 100 << 8}, "dead": {status: 100 << 8}, "plain": {status: 100 << 8}, "no-status": {status: 100 << 8},
		"17":               {111 << 8, "", "svup: fatal: bad data in supervise/status: truncated file\n"},
		"none":             {111 << 8, "", "svup: fatal: unable to chdir to none: file does not exist\n"},
		"file":             {111 << 8, "", "svup: fatal: unable to chdir to file: not a directory\n"},
		"ok-is-folder":     {111 << 8, "", "svup: fatal: unable to open supervise/ok: is a directory\n"},
		"loop":             {111 << 8, "", "svup: fatal: unable to open supervise/ok: symbolic link loop\n"},
		"status-is-folder": {111 << 8, "", "svup: fatal: unable to read supervise/status: is a directory\n"},
		"-z":               {100 << 8, "", "svup: illegal option -- z\nsvup: usage: svup dir\n"},
	} {
		u := usage{args: []string{name, "ignored"}, prepare: services}
		if got := u.run(t, program); got != want {
			t.Errorf("svup %s: %#x %q %q", name, got.status, got.out, got.err)
		}
	}
	u := usage{}
	if got := u.run(t, program); got != (ended{100 << 8, "", "svup: usage: svup dir\n"}) {
		t.Errorf("svup: %+v", got)
	}
}

// TestRealSupervise runs a service under the real supervise, and has ours steer
// it and show what svstat shows.
func TestRealSupervise(t *testing.T) {
	t.Parallel()
	supervise, svstat := need.Program(t, "supervise"), need.Program(t, "svstat")
	dir := filepath.Join(t.TempDir(), "service")
	write(t, filepath.Join(dir, "run"), "#!/bin/sh\nexec cat >/dev/null <fifo\n", 0o755)
	write(t, filepath.Join(dir, servicedir.DownFile), "", 0o644)
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), supervise, dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	ours := map[string]string{"svc": link(t, "svc"), "svok": link(t, "svok"), "svup": link(t, "svup"), "svstat": link(t, "svstat")}
	call := func(program string, args ...string) (int, string) {
		c := exec.CommandContext(t.Context(), program, args...)
		c.Env = []string{noRaceSleep}
		out, _ := c.CombinedOutput()
		return c.ProcessState.ExitCode(), string(out)
	}
	code := func(name string) int { n, _ := call(ours[name], dir); return n }
	digits := regexp.MustCompile(`\b[0-9]+ seconds`)
	same := func(want string) bool {
		_, theirs := call(svstat, dir)
		_, text := call(ours["svstat"], dir)
		theirs, text = digits.ReplaceAllString(theirs, "N seconds"), digits.ReplaceAllString(text, "N seconds")
		return theirs == text && strings.Contains(text, want)
	}
	eventually(t, "svok", func() bool { return code("svok") == 0 })
	eventually(t, "down", func() bool { return same("down N seconds\n") && code("svup") == 100 })
	for _, step := range []struct{ flags, text string }{
		{"-u", ") N seconds, normally down\n"},
		{"-p", ", normally down, paused\n"},
		{"-c", ") N seconds, normally down\n"},
		{"-o", ") N seconds, normally down\n"},
		{"-k", "down N seconds\n"},
	} {
		if n, text := call(ours["svc"], step.flags, dir); n != 0 || text != "" {
			t.Errorf("svc %s: exit code %d, %q", step.flags, n, text)
		}
		eventually(t, "svc "+step.flags, func() bool { return same(step.text) })
		if want := map[bool]int{true: 0, false: 100}[step.flags != "-k"]; code("svup") != want {
			t.Errorf("after svc %s svup is not %d", step.flags, want)
		}
	}
	call(ours["svc"], "-dx", dir)
	eventually(t, "the end", func() bool { return code("svok") == 100 && same("supervise not running") })
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
