package spawn

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// systemActors are what this test binary is on this system besides.
var systemActors = map[string]func(){"starter": starter}

// stateScript prints the signals and the limits of open files that a program starts
// with. It is for a shell, because Go changes both at its start.
const stateScript = `grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; ulimit -Sn; ulimit -Hn`

// starter starts what its arguments say, and waits for it.
//
//	starter fast|plain|filtered PROGRAM ARG…
func starter() {
	runtime.LockOSThread()
	if os.Args[2] == "filtered" {
		if err := withoutClone3(); err != nil {
			fmt.Println(err)
			return
		}
	}
	start := Plainly
	if way := os.Args[2]; way != "plain" {
		s := New()
		start = s.Start
		if s.plain == (way == "fast") {
			fmt.Println("is not", way)
		}
	}
	var fds [3]int
	for i := range fds {
		var err error
		if fds[i], err = unix.FcntlInt(uintptr(i), unix.F_DUPFD_CLOEXEC, 16); err != nil {
			fmt.Println(err)
			return
		}
	}
	// This thread blocks a signal; the program must not.
	var set unix.Sigset_t
	set.Val[0] = 1 << (uint(unix.SIGUSR1) - 1)
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil)
	pid, _, err := start(&Program{Path: os.Args[3], Argv: os.Args[3:], Files: fds[:], ParentSignal: syscall.SIGTERM})
	if err != nil {
		fmt.Println(err)
		return
	}
	var status syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(pid, &status, 0, nil); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if status != 0 {
		fmt.Printf("ended with %#x\n", int(status))
	}
}

// withoutClone3 makes clone3 unknown to this process, as systemd does with
// RestrictNamespaces=.
func withoutClone3() error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_CLONE3},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
}

// startedBy returns what a program prints that a starter has started. The starter is
// run by a shell that says what to ignore and how many files may be open.
func startedBy(t *testing.T, way string, program ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-c", `ulimit -Sn 123; ulimit -Hn 456; trap '' HUP; exec "$@"`, "sh", self, "starter", way}, program...)
	var out bytes.Buffer
	cmd := exec.Command("/bin/sh", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

// The program has the signals and the limits that it would have without Go.
func TestStartState(t *testing.T) {
	ways := []string{"plain", "filtered"}
	if hasVfork {
		ways = append(ways, "fast")
	}
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			got := startedBy(t, way, "/bin/sh", "-c", stateScript)
			lines := strings.Split(got, "\n")
			if len(lines) != 6 {
				t.Fatalf("got\n%s", got)
			}
			if !ignoresHUP(t, lines[1]) || lines[3] != "123" || lines[4] != "456" {
				t.Errorf("got\n%s", got)
			}
			if way == "fast" && lines[0] != "SigBlk:\t0000000000000000" {
				t.Errorf("blocked: %s", lines[0])
			}
		})
	}
}

// ignoresHUP reports whether a line of /proc/self/status says that HUP is ignored, and
// nothing else but the two signals of glibc's own, which what has started the tests
// may have left ignored.
func ignoresHUP(t *testing.T, line string) bool {
	t.Helper()
	set, err := strconv.ParseUint(strings.TrimPrefix(line, "SigIgn:\t"), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	const ofGlibc = 1<<31 | 1<<32 // 32 and 33
	return set&^ofGlibc == 1
}

// The descriptor tells of the end, and not before.
func TestStartExit(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd := int(null.Fd())
	pid, exit, err := New().Start(&Program{Path: "/bin/cat", Argv: []string{"cat"}, Files: []int{int(r.Fd()), fd, fd}})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(exit)
	pfds := []unix.PollFd{{Fd: int32(exit), Events: unix.POLLIN}}
	if n, err := unix.Poll(pfds, 0); n != 0 || err != nil {
		t.Errorf("it runs, and the descriptor says %d, %v", n, err)
	}
	w.Close()
	for {
		n, err := unix.Poll(pfds, 20_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Errorf("it has ended, and the descriptor says %d, %v", n, err)
		}
		break
	}
	if status := waitFor(t, pid); status != 0 {
		t.Errorf("ended with %v", status)
	}
	if flags, err := unix.FcntlInt(uintptr(exit), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 || err != nil {
		t.Errorf("programs inherit the descriptor: %#x, %v", flags, err)
	}
}

// What was started ends with who started it.
func TestStartParentDies(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"plain", "filtered", "fast"} {
		if way == "fast" && !hasVfork {
			continue
		}
		t.Run(way, func(t *testing.T) {
			cmd := exec.Command(self, "starter", way, "/bin/sh", "-c", "echo up; read x")
			in, err := cmd.StdinPipe() // open until the end
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(out)
			if line, err := lines.ReadString('\n'); line != "up\n" {
				t.Fatalf("got %q, %v", line, err)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			// Its end closes the other end of the pipe.
			if rest, err := io.ReadAll(lines); len(rest) != 0 || err != nil {
				t.Errorf("got %q, %v", rest, err)
			}
			_ = cmd.Wait()
		})
	}
}
