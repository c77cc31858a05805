package logrotate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// compressionHelperFolder names the variable that makes TestCompressionHelper
// compress.
const compressionHelperFolder = "SCGIKIT_TEST_COMPRESS"

// TestCompressionHelper is no test but the process that TestCompressFaults
// breaks: it compresses the finished file of a folder.
func TestCompressionHelper(t *testing.T) {
	path := os.Getenv(compressionHelperFolder)
	if path == "" {
		return
	}
	f := &compressionFolder{T: t, path: path}
	f.open(Gzip)
	if err := finishCompressions(f.job.dir, f.names()); err != nil {
		t.Fatal(err)
	}
	if err := startCompression(f.job, nil).wait(); err != nil {
		t.Fatal(err)
	}
}

// TestCompressFaults lets every system call fail, and lets the process be killed
// at it: the whole log is there under one of its names, or both, and the next
// start makes one of them.
func TestCompressFaults(t *testing.T) {
	t.Parallel()
	strace := need.Program(t, "strace")
	for _, call := range []string{
		"openat", "read", "write", "lseek", "fstat", "newfstatat", "fchmod", "fsync", "unlinkat", "renameat,renameat2",
	} {
		for _, fault := range []string{"error=EIO", "error=EIO:signal=KILL"} {
			t.Run(call+" "+fault, func(t *testing.T) {
				t.Parallel()
				for n := 1; n <= 12; n++ {
					hit := compressWithFault(t, strace, fmt.Sprintf("%s:%s:when=%d", call, fault, n))
					if !hit && n == 1 {
						t.Error("the call is not made")
					}
					if !hit {
						t.Logf("%d calls", n-1)
						break
					}
				}
			})
		}
	}
}

// compressWithFault compresses once with the fault and once without, and looks
// at what is there after each. It returns whether the fault happened.
func compressWithFault(t *testing.T, strace, fault string) (hit bool) {
	t.Helper()
	f := newCompressionFolder(t, Gzip)
	trace := filepath.Join(t.TempDir(), "trace")
	calls, _, _ := strings.Cut(fault, ":")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-o", trace, "-e", "trace="+calls, "-e", "inject="+fault,
		os.Args[0], "-test.run=^TestCompressionHelper$")
	// The race detector would sleep for a second before the end.
	cmd.Env = append(os.Environ(), compressionHelperFolder+"="+f.path, "GORACE=atexit_sleep_ms=0")
	_ = cmd.Run() // it may succeed all the same: the call may be one that does not matter
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	f.wantWhole(fault)
	names := f.names()
	if err := finishCompressions(f.job.dir, names); err != nil {
		t.Fatal(err)
	}
	f.wantWhole(fault + ", then a start")
	if err := startCompression(f.job, nil).wait(); err != nil && !errors.Is(err, errPruned) {
		t.Errorf("%s: the next compression: %v", fault, err)
	}
	f.want(finishedLog + ".gz")
	f.wantWhole(fault + ", then a compression")
	return bytes.Contains(text, []byte("(INJECTED)")) || bytes.Contains(text, []byte("killed by SIGKILL"))
}

// wantWhole fails unless each of the log's names that is there has all of it,
// and one is.
func (f *compressionFolder) wantWhole(when string) {
	f.Helper()
	found := false
	for _, name := range f.names() {
		path := filepath.Join(f.path, name)
		var got []byte
		switch name {
		case finishedLog:
			var err error
			if got, err = os.ReadFile(path); err != nil {
				f.Fatal(err)
			}
		case finishedLog + ".gz":
			got = gunzipped(f.T, path)
		default:
			continue
		}
		found = true
		if !bytes.Equal(got, f.content) {
			f.Errorf("%s: %s has %d bytes of %d, or others", when, name, len(got), len(f.content))
		}
	}
	if !found {
		f.Errorf("%s: the log is gone: %q", when, f.names())
	}
}
