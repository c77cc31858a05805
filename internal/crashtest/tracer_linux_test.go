package crashtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracer runs a program under ptrace(2) and sends it a signal at one point.
// Points are counted through all threads of the program, not through the
// processes that it starts: two for each system call, before it and after it.
type tracer struct {
	dir    string
	input  *os.File
	words  []string
	point  int // here, from 1; 0 never
	steps  int // and so many instructions later
	signal syscall.Signal
	after  int // points are counted from the first such system call; 0 is any

	started func(pid int)
	sent    atomic.Bool // the signal was

	entered map[int]int // the system call that each thread is in
	skip    map[int]bool
}

// trace is what happened to a traced program.
type trace struct {
	points int    // that were passed
	begun  bool   // points are counted
	died   bool   // of SIGKILL
	code   int    // exit code, where it did not die
	where  string // the last point
	stderr string
}

// errUnexpected is the end of a program by a signal that the tracer did not send.
var errUnexpected = errors.New("died of a signal")

// uncounted are system calls that the Go run-time makes for itself, at times
// that nothing determines. To be killed at one is to be killed at the call
// before it or the call after it.
func uncounted() map[int]bool {
	calls := map[int]bool{}
	for _, n := range []int{
		unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_NANOSLEEP, unix.SYS_MADVISE, unix.SYS_RT_SIGACTION,
		unix.SYS_RT_SIGPROCMASK, unix.SYS_SIGALTSTACK, unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_TGKILL,
		unix.SYS_RT_SIGRETURN, unix.SYS_CLONE, unix.SYS_MPROTECT, unix.SYS_RT_SIGTIMEDWAIT,
		unix.SYS_SCHED_GETAFFINITY, unix.SYS_PRLIMIT64, unix.SYS_BRK,
	} {
		calls[n] = true
	}
	return calls
}

// syscallInfo is the head of struct ptrace_syscall_info of linux/ptrace.h, and
// the number that follows it at the beginning of a system call.
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	ip   uint64
	sp   uint64
	nr   uint64
	_    [6]uint64
}

// opEntry is op before a system call is carried out.
const opEntry = 1

// sysgood marks stops at system calls: PTRACE_O_TRACESYSGOOD adds it to SIGTRAP.
const sysgood = 0x80

// run starts the program and returns when it has ended. It keeps the thread:
// ptrace obeys only the one that began.
func (tr *tracer) run() (trace, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stderr, err := os.CreateTemp(tr.dir, "stderr-")
	if err != nil {
		return trace{}, err
	}
	defer stderr.Close()
	defer os.Remove(stderr.Name())
	pid, err := syscall.ForkExec(tr.words[0], tr.words, &syscall.ProcAttr{
		Dir: tr.dir, Env: os.Environ(),
		Files: []uintptr{tr.input.Fd(), stderr.Fd(), stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if err != nil {
		return trace{}, err
	}
	result, err := tr.follow(pid)
	if err != nil {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	text, _ := os.ReadFile(stderr.Name())
	result.stderr = string(text)
	return result, err
}

// follow lets the program go from stop to stop until it has ended.
func (tr *tracer) follow(pid int) (trace, error) {
	var result trace
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return result, err
	}
	options := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return result, err
	}
	tr.skip, tr.entered = uncounted(), map[int]int{}
	tr.started(pid)
	tid, sig := pid, 0
	for {
		// A thread that was killed meanwhile is no error.
		if err := unix.PtraceSyscall(tid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return result, fmt.Errorf("ptrace: %w", err)
		}
		var err error
		if tid, sig, err = tr.stop(pid, &status, &result); err != nil || tid == 0 {
			return result, err
		}
	}
}

// stop waits for the next stop. It returns the thread that is to go on, and the
// signal that it is to get; no thread where the program has ended.
func (tr *tracer) stop(pid int, status *unix.WaitStatus, result *trace) (tid, sig int, err error) {
	for {
		tid, err = waitThread(pid, status)
		switch {
		case err != nil:
			return 0, 0, err
		case tid == pid && status.Exited():
			result.code = status.ExitStatus()
			return 0, 0, nil
		case tid == pid && status.Signaled():
			if result.died = status.Signal() == unix.SIGKILL && tr.signal == unix.SIGKILL && tr.sent.Load(); !result.died {
				err = fmt.Errorf("%w: %v", errUnexpected, status.Signal())
			}
			return 0, 0, err
		case !status.Stopped():
			// One thread of several has ended.
		case status.StopSignal() == unix.SIGTRAP|sysgood:
			counted, err := tr.count(tid, result)
			if err == nil && counted && result.points == tr.point {
				err = tr.send(pid, tid)
			}
			return tid, 0, err
		case status.StopSignal() == unix.SIGTRAP, status.StopSignal() == unix.SIGSTOP:
			// A new thread, seen by its parent or by itself.
			return tid, 0, nil
		default:
			return tid, int(status.StopSignal()), nil
		}
	}
}

// waitThread waits for a stop of a thread of the program, which is a process
// group of its own; other tests wait for their own children.
func waitThread(pid int, status *unix.WaitStatus) (tid int, err error) {
	for {
		tid, err = unix.Wait4(-pid, status, unix.WALL|unix.WNOTHREAD, nil)
		if !errors.Is(err, unix.EINTR) {
			return tid, err
		}
	}
}

// count looks at a stop at a system call, which may be a point.
func (tr *tracer) count(tid int, result *trace) (counted bool, err error) {
	var info syscallInfo
	if err := getSyscallInfo(tid, &info); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return false, nil // killed meanwhile
		}
		return false, err
	}
	when := "after"
	if info.op == opEntry {
		tr.entered[tid], when = int(info.nr), "before"
	}
	nr, known := tr.entered[tid]
	result.begun = result.begun || tr.after == 0 || nr == tr.after
	known = known && result.begun
	if !known || tr.skip[nr] || tr.sent.Load() {
		return false, nil
	}
	result.points++
	result.where = fmt.Sprintf("point %d, %s system call %d", result.points, when, nr)
	return true, nil
}

// ptraceGetSyscallInfo is PTRACE_GET_SYSCALL_INFO, since Linux 5.3.
const ptraceGetSyscallInfo = 0x420e

func getSyscallInfo(tid int, info *syscallInfo) error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(tid),
		uintptr(binary.Size(*info)), uintptr(unsafe.Pointer(info)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// send sends the signal at this point, or some instructions later.
func (tr *tracer) send(pid, tid int) error {
	for range tr.steps {
		if unix.PtraceSingleStep(tid) != nil || !stepped(tid) {
			break
		}
	}
	tr.sent.Store(true)
	return unix.Kill(pid, tr.signal)
}

// stepped returns whether a thread stops again after one instruction. One that
// waits in a system call does not; the other threads are not going on.
func stepped(tid int) bool {
	var status unix.WaitStatus
	for end := time.Now().Add(5 * time.Millisecond); time.Now().Before(end); {
		if got, err := unix.Wait4(tid, &status, unix.WALL|unix.WNOHANG, nil); err != nil || got == tid {
			return err == nil && status.Stopped()
		}
	}
	return false
}
