package bridge

import (
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Setting is what a program finds itself in. The zero value changes nothing.
type Setting struct {
	Umask  *int // file mode creation mask; nil leaves it
	Nice   int  // added to the niceness
	Limits []Limit
}

// Limit is a resource limit of a program, the soft and the hard one alike, as
// ulimit of the shell sets it.
type Limit struct {
	Resource Resource
	Value    uint64
}

// String is NAME=VALUE, as on the command line.
func (l Limit) String() string {
	return string(l.Resource) + "=" + strconv.FormatUint(l.Value, 10)
}

// Resource is what a limit counts. Its text is its name on the command line.
type Resource string

// The resources.
const (
	LimitCore   Resource = "core"   // bytes of a core file
	LimitCPU    Resource = "cpu"    // seconds of processor time
	LimitNoFile Resource = "nofile" // one more than the highest file descriptor
	LimitNProc  Resource = "nproc"  // processes and threads of the user
	LimitMemory Resource = "memory" // bytes of address space
)

// Resources are all of them, in the order that they are set in: under the last
// two a process may not be able to do much any more.
func Resources() []Resource {
	return []Resource{LimitCore, LimitCPU, LimitNoFile, LimitNProc, LimitMemory}
}

// number returns the system's number of a resource, or -1 where it has none.
func (r Resource) number() int {
	switch r {
	case LimitCore:
		return syscall.RLIMIT_CORE
	case LimitCPU:
		return syscall.RLIMIT_CPU
	case LimitNoFile:
		return syscall.RLIMIT_NOFILE
	case LimitNProc:
		return rlimitProcesses
	case LimitMemory:
		return rlimitMemory
	}
	return -1
}

// settingError is a part of a Setting that the system did not grant.
type settingError struct {
	what  string
	cause error
}

func (e *settingError) Error() string { return e.what + ": " + e.cause.Error() }

// confining returns the limits that a bridge could not work under.
func (s *Setting) confining() []Limit {
	return slices.DeleteFunc(slices.Clone(s.Limits), func(l Limit) bool { return l.Resource == LimitCore })
}

// adjust sets what this process can have as well as the program that it starts
// next: umask, niceness, and the size of core files. The caller must be locked
// to its thread, because on Linux the niceness is one of threads.
func (s *Setting) adjust() error {
	if s.Umask != nil {
		unix.Umask(*s.Umask)
	}
	if s.Nice != 0 {
		if err := addNiceness(s.Nice); err != nil {
			return &settingError{"add " + strconv.Itoa(s.Nice) + " to the niceness", err}
		}
	}
	return setLimits(slices.DeleteFunc(slices.Clone(s.Limits), func(l Limit) bool { return l.Resource != LimitCore }))
}

// become makes this process a program, with the whole Setting. It returns only
// if that fails: with a settingError, or with what execve says of the program.
func (s *Setting) become(path string, argv, env []string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.adjust(); err != nil {
		return err
	}
	limits := s.confining()
	if len(limits) == 0 {
		return syscall.Exec(path, argv, env)
	}
	return execUnder(limits, path, argv, env)
}

// setLimits sets limits of this process. Of several for one resource the last
// counts.
func setLimits(limits []Limit) error {
	for _, r := range Resources() {
		for _, l := range slices.Backward(limits) {
			if l.Resource != r {
				continue
			}
			if err := setLimit(l); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

func setLimit(l Limit) error {
	what, number := "set the limit "+l.String(), l.Resource.number()
	if number < 0 {
		return &settingError{what, unix.ENOTSUP}
	}
	// Go has raised the soft limit of open files for itself, and gives programs
	// the old one back unless it was changed by this function. A limit that is
	// set in any other way would be lost.
	var limit syscall.Rlimit
	if syscall.Getrlimit(number, &limit) == nil && uint64(limit.Max) < l.Value { //nolint:unconvert // the type differs between systems
		what += " above the hard limit " + strconv.FormatUint(uint64(limit.Max), 10) //nolint:unconvert // as above
	}
	assign(&limit.Cur, l.Value)
	assign(&limit.Max, l.Value)
	if err := syscall.Setrlimit(number, &limit); err != nil {
		return &settingError{what, err}
	}
	return nil
}

// assign sets a field of Rlimit, whose type differs between systems.
func assign[T int64 | uint64](to *T, value uint64) { *to = T(value) }
