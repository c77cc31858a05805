package supervisetest

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func hostileScenarios() []Scenario {
	return []Scenario{
		{"a line of 64 MiB a round", nil, 1, longLine},
		{"services that mistreat their output", nil, 1, oddOutput},
		{"services that replace their folders", nil, 1, replacedFolders},
		{"commands of another user", []string{"root"}, 1, foreignCommand},
		{"processes that leave and ignore TERM", nil, 2, strays},
	}
}

// peak returns the most memory that a process has had, in kilobytes.
func peak(pid int) int {
	for line := range strings.Lines(string(readFile("/proc/" + itoa(pid) + "/status"))) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := number(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return n
		}
	}
	return 0
}

// maxPeak is how much memory the supervisor may need, in kilobytes.
const maxPeak = 30 << 10

// longLine prints a line that no memory could hold.
func longLine(f *Fault) {
	l := newLoad(f, 2, 5_000)
	size := 64 << 20 * min(f.Rounds, 16)
	l.add("long", "-rate 5000 -long "+strconv.Itoa(size), Service{"log/run": "#!/bin/sh\nexec multilog t s16777215 n1000 ./main\n"})
	l.start()
	f.Count.Kills++
	Until(f, "the line is written", func() bool { return l.logged("long") > int64(size)+4096 })
	l.flowing()
	if n := peak(l.worker(0)); n > maxPeak || n == 0 {
		f.Errorf("the supervisor has needed %d kB", n)
	}
	l.stop()
	longest := 0
	var t tally
	for line, length := range logLines(l.logDir("long"), &t) {
		if stamp, rest, _ := strings.Cut(line, " "); strings.HasPrefix(rest, "x") {
			longest = max(longest, length-len(stamp)-1)
		}
	}
	if longest != size {
		f.Count.Damaged++
		f.Errorf("of the line %d of %d bytes are there", longest, size)
	}
}

// oddOutput has services close their output, set it to not waiting, and start
// many processes that share it.
func oddOutput(f *Fault) {
	l := newLoad(f, 1, 5_000)
	l.add("nonblock", "-rate 20000 -nonblock")
	l.add("bomb", "-rate 2000 -children 200")
	Make(f, l.scan, map[string]Service{
		"closed": {"run": "#!/bin/sh\nexec >&- 2>&-\nexec sleep 100000\n", "log/run": logRun},
		"quick":  {"run": "#!/bin/sh\nexec >&-\nexit 0\n", "log/run": logRun},
	})
	l.start()
	Until(f, "closed runs", func() bool { return isProgram(Details(l.dir("closed")).PID, "sleep") })
	Until(f, "quick is started again", func() bool { return Details(l.dir("quick")).Starts > 1 })
	pid := Details(l.dir("closed")).PID
	for range f.Rounds {
		l.flowing()
		l.killWorker()
		l.flowing()
		l.killBoth()
		f.Count.Kills += 2
	}
	l.flowing()
	Until(f, "closed is known", func() bool { return Details(l.dir("closed")).PID != 0 })
	if now := Details(l.dir("closed")).PID; now != pid {
		f.Errorf("process %d became %d", pid, now)
	}
	l.stop()
}

// replacedFolders has a service put links in the place of its folders.
func replacedFolders(f *Fault) {
	l := newLoad(f, 2, 5_000)
	victim := f.TempDir()
	for _, name := range []string{"status", "lock", "scgikit.json", "current", "state"} {
		if err := os.WriteFile(filepath.Join(victim, name), []byte("do not touch"), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	away := f.TempDir()
	for i, what := range []string{"supervise", "log/main", "log", "."} {
		dir := filepath.Join(l.scan, "evil"+itoa(i))
		target := filepath.Clean(filepath.Join(dir, what))
		script := "#!/bin/sh\necho line\nexec 2>&1\nmv " + target + " " + away + "/" + itoa(i) + "\nln -s " + victim + " " + target + "\necho another line\nexec sleep 100000\n"
		Service{"run": script, "log/run": logRun}.Write(f, dir)
		_ = os.MkdirAll(filepath.Join(dir, "log", "main"), 0o755)
	}
	l.start()
	f.Count.Kills += 4
	for i := range 4 {
		Until(f, "it has moved its folder", func() bool {
			_, err := os.Lstat(filepath.Join(away, itoa(i)))
			return err == nil
		})
	}
	l.flowing()
	// The scan folder is looked at once more.
	l.add("another", "-rate 5000")
	l.running()
	l.flowing()
	l.stop()
	for _, name := range []string{"status", "lock", "scgikit.json", "current", "state"} {
		if text := readFile(filepath.Join(victim, name)); string(text) != "do not touch" {
			if name == "current" || name == "state" {
				f.Errorf("%s was written to: %q", name, bound(string(text)))
				continue
			}
			f.Logf("%s was written to: a folder of services says where it is supervised", name)
		}
	}
}

// foreignCommand commands a service as a user who may not.
func foreignCommand(f *Fault) {
	l := newLoad(f, 1, 5_000)
	l.start()
	l.flowing()
	for dir := l.scan; strings.HasPrefix(dir, filepath.Clean(os.TempDir())+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			f.Fatal(err)
		}
	}
	try := func(word string) string {
		cmd := exec.Command("/bin/sh", "-c", word)
		cmd.Dir = l.dir("line0")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	for range f.Rounds {
		f.Count.Kills++
		if out := try("echo d >supervise/control"); !strings.Contains(strings.ToLower(out), "permission denied") {
			f.Errorf("the folder: %q", out)
		}
		if err := os.Chmod(filepath.Join(l.dir("line0"), "supervise"), 0o755); err != nil {
			f.Fatal(err)
		}
		if out := try("echo d >supervise/control"); !strings.Contains(strings.ToLower(out), "permission denied") {
			f.Errorf("the FIFO: %q", out)
		}
	}
	l.flowing()
	l.stop()
}

// strays has a service start processes that are in no session of its and ignore
// TERM, and ignore it itself. With a time to end in, all of them do.
func strays(f *Fault) {
	l := newLoad(f, 1, 5_000)
	l.add("root", "-rate 1000 -strays 5 -stubborn", Service{"timeout-kill": "200\n"})
	l.add("ends", "-rate 1000 -strays 5", Service{"timeout-kill": "200\n"})
	l.start()
	for range f.Rounds {
		Until(f, "all are there", func() bool { return l.strays() == 10 })
		l.flowing()
		f.Count.Kills++
		for _, name := range []string{"root", "ends"} {
			Command(f, l.dir(name), "d")
			Until(f, name+" is down", func() bool { d := Details(l.dir(name)); return d.PID == 0 && d.State == "down" })
		}
		Until(f, "all have ended", func() bool { return l.strays() == 0 })
		for _, name := range []string{"root", "ends"} {
			l.starts[name]++
			Command(f, l.dir(name), "u")
		}
		l.running()
	}
	Until(f, "all are there", func() bool { return l.strays() == 10 })
	l.stop()
}

// strays returns how many processes have left their session for good.
func (l *load) strays() int {
	n := 0
	for _, pid := range l.sup.Marked() {
		if bytes.Contains(readFile("/proc/"+itoa(pid)+"/cmdline"), []byte("-stray\x001\x00")) && ignoresTERM(pid) {
			n++
		}
	}
	return n
}

func ignoresTERM(pid int) bool {
	scanner := bufio.NewScanner(bytes.NewReader(readFile("/proc/" + itoa(pid) + "/status")))
	for scanner.Scan() {
		if rest, ok := strings.CutPrefix(scanner.Text(), "SigIgn:\t"); ok {
			mask, err := strconv.ParseUint(rest, 16, 64)
			return err == nil && mask&(1<<(syscall.SIGTERM-1)) != 0
		}
	}
	return false
}
