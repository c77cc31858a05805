package supervisetest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/servicedir"
)

// Patience is how long something may take that is certain to happen.
const Patience = 2 * time.Minute

// Build builds scgi-run in a folder and returns its path.
func Build(dir string) (string, error) {
	path := filepath.Join(dir, "scgi-run")
	cmd := exec.Command("go", "build", "-o", path, "scgikit/cmd/scgi-run")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// Until polls until a condition holds, and fails the test if it never does.
func Until(t T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for pause := time.Millisecond; !holds(); pause = min(2*pause, 20*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s", Patience, what)
		}
		<-time.After(pause)
	}
}

// Service is a service folder that is to be made: files by their names, those with
// a first line that starts with #! executable. The file "run" is needed.
type Service map[string]string

// Make makes service folders in a scan folder.
func Make(t T, scan string, services map[string]Service) {
	t.Helper()
	for name, files := range services {
		files.Write(t, filepath.Join(scan, name))
	}
}

// Write makes one service folder, or changes it.
func (s Service) Write(t T, dir string) {
	t.Helper()
	for name, text := range s {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		// A new file each time: the old one may be running.
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// Supervisor is a supervisor that runs on a scan folder.
type Supervisor struct {
	Scan    string
	Printed string // file with what it prints
	cmd     *exec.Cmd
	args    []string
	ended   chan error
}

// Start starts a supervisor: a program, and its arguments behind which the scan
// folder is put. It is killed, and all that it has started with it, at the end of
// the test.
func Start(t T, scan string, argv ...string) *Supervisor {
	t.Helper()
	s := &Supervisor{Scan: scan, Printed: filepath.Join(t.TempDir(), "printed"), args: append(argv, scan)}
	t.Cleanup(func() { s.destroy(t) })
	s.Again(t)
	return s
}

// Again starts it once more, after its end.
func (s *Supervisor) Again(t T) {
	t.Helper()
	out, err := os.OpenFile(s.Printed, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	// The mark is how what it has started is found in the end.
	s.cmd.Env = append(os.Environ(), "SUPERVISETEST="+s.Printed)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan<- error) { ended <- cmd.Wait() }(s.cmd, s.ended)
}

// PID is the process that was started: of ours, the keeper.
func (s *Supervisor) PID() int { return s.cmd.Process.Pid }

// Worker returns the process of ours that does the work, or 0 while there is none.
// keeper is its parent.
func Worker(keeper int) int {
	if isWorker(keeper) {
		return 0 // it is about to become the keeper; what looks like it is to be a service
	}
	for _, pid := range Children(keeper) {
		if isWorker(pid) {
			return pid
		}
	}
	return 0
}

func isWorker(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(cmdline), "\x00--supervisor-of=")
}

// Children returns the children of a process.
func Children(parent int) []int {
	var list []int
	for _, pid := range processes() {
		if statField(pid, 1) == parent {
			list = append(list, pid)
		}
	}
	return list
}

// Wait waits for the end of the process that was started.
func (s *Supervisor) Wait(t T) error {
	t.Helper()
	select {
	case err := <-s.ended:
		s.ended <- err
		return err
	case <-time.After(Patience):
		t.Fatal("the supervisor does not end")
		return nil
	}
}

// Marked returns all processes that were started, directly or not, by s.
func (s *Supervisor) Marked() []int {
	var list []int
	for _, pid := range processes() {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && strings.Contains("\x00"+string(data), "\x00SUPERVISETEST="+s.Printed+"\x00") {
			list = append(list, pid)
		}
	}
	return list
}

// destroy kills everything, until nothing comes up again.
func (s *Supervisor) destroy(t T) {
	for range 200 {
		list := s.Marked()
		// Some programs begin with an environment of their own, without the mark.
		list = append(list, below(list)...)
		if len(list) == 0 {
			if t.Failed() {
				printed, _ := os.ReadFile(s.Printed)
				t.Logf("the supervisor printed:\n%s", printed)
			}
			return
		}
		for _, pid := range list {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Errorf("processes that do not end: %v", s.Marked())
}

// processes returns the ids of all processes.
func processes() []int {
	entries, _ := os.ReadDir("/proc")
	var list []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// below returns the children of processes, and theirs.
func below(parents []int) []int {
	children := make(map[int][]int)
	for _, pid := range processes() {
		parent := statField(pid, 1)
		children[parent] = append(children[parent], pid)
	}
	var all []int
	for next := parents; len(next) > 0; {
		var more []int
		for _, pid := range next {
			more = append(more, children[pid]...)
			delete(children, pid)
		}
		all, next = append(all, more...), more
	}
	return all
}

// statField returns a number of /proc/PID/stat; 1 is the parent, 3 the session.
func statField(pid, at int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return -1
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if at >= len(fields) {
		return -1
	}
	n, err := strconv.Atoi(fields[at])
	if err != nil {
		return -1
	}
	return n
}

// Alive returns whether a process is there and has not ended.
func Alive(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// Status returns the status of a service folder; the zero Status where there is
// none.
func Status(dir string) servicedir.Status {
	data, err := os.ReadFile(filepath.Join(dir, servicedir.Stat))
	if err != nil {
		return servicedir.Status{}
	}
	s, _ := servicedir.ParseStatus(data)
	return s
}

// Details returns what our supervisor says of a service.
func Details(dir string) servicedir.Detail {
	var d servicedir.Detail
	if data, err := os.ReadFile(filepath.Join(dir, servicedir.More)); err == nil {
		_ = json.Unmarshal(data, &d) // then there is nothing
	}
	return d
}

// Supervised returns whether clients can command a service.
func Supervised(dir string) bool {
	fd, err := unix.Open(filepath.Join(dir, servicedir.OK), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// Command writes letters to a service's control FIFO.
func Command(t T, dir, letters string) {
	t.Helper()
	fd, err := unix.Open(filepath.Join(dir, servicedir.Control), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("control of %s: %v", dir, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(letters)); err != nil {
		t.Fatalf("control of %s: %v", dir, err)
	}
}

// LogLines returns all lines in a log folder, the oldest first.
func LogLines(t T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "@*"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, name := range append(names, filepath.Join(dir, "previous"), filepath.Join(dir, "current")) {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		scanner := bufio.NewScanner(f)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			lines = append(lines, scanner.Text())
		}
		f.Close()
	}
	return lines
}
