package logrotate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mapped returns whether a file is mapped into this process.
func mapped(t *testing.T, path string) bool {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(maps), path+"\n")
}

// parked is a fleet of one, which has written a line and a half, and is parked.
func parked(t *testing.T, words ...string) *fleet {
	t.Helper()
	f := newFleet(t, NewBuffers(), false, "", words)
	f.write(0, []byte("one\nha"))
	f.settle(0)
	lock := filepath.Join(f.logs[0].root, "a/lock")
	if !mapped(t, lock) {
		t.Fatal("no record")
	}
	if !f.loggers[0].Park() || mapped(t, lock) || !f.loggers[0].KillSafe() {
		t.Fatal("not parked")
	}
	return f
}

// TestParked: whatever is asked of a parked Logger comes out as if it were not
// parked.
func TestParked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(f *fleet)
		want []string
	}{
		{"goes on", func(f *fleet) { f.write(0, []byte("lf\n")) }, []string{"one\nhalf\n"}},
		{"parked twice", func(f *fleet) { f.loggers[0].Park(); f.write(0, []byte("lf\n")) }, []string{"one\nhalf\n"}},
		{"end of input", func(*fleet) {}, []string{"one\nha\n"}},
		{"rotated", func(f *fleet) {
			f.loggers[0].Rotate()
			f.settle(0)
			f.write(0, []byte("lf\n"))
		}, []string{"one\n", "half\n"}},
		{"killed", func(f *fleet) {
			f.crash(0)
			f.write(0, []byte("lf\n"))
		}, []string{"one\n", "half\n"}},
		{"killed after a rotation", func(f *fleet) {
			f.loggers[0].Rotate()
			f.settle(0)
			f.loggers[0].Park()
			f.crash(0)
			f.write(0, []byte("lf\n"))
		}, []string{"one\n", "", "half\n"}},
		{"killed again and again", func(f *fleet) {
			for _, b := range []byte("lf\ntwo") {
				f.crash(0)
				f.write(0, []byte{b})
				f.settle(0)
				f.loggers[0].Park()
			}
		}, []string{"one\n", "", "", "half\n", "", "", "two\n"}},
		{"stopped", func(f *fleet) {
			f.loggers[0].Stop()
			f.settle(0)
			f.write(0, []byte("lf\nthe next one\n")) // Stop waits for the end of the line
			f.settle(0)
		}, []string{"one\nhalf\n"}},
		{"lock file cut off", func(f *fleet) {
			if err := os.Truncate(filepath.Join(f.logs[0].root, "a/lock"), 0); err != nil {
				f.t.Error(err)
			}
			f.write(0, []byte("lf\nthi"))
			f.settle(0)
			f.crash(0)
			f.write(0, []byte("rd\n"))
		}, []string{"one\nhalf\n", "third\n"}},
		{"lock file removed", func(f *fleet) {
			if err := os.Remove(filepath.Join(f.logs[0].root, "a/lock")); err != nil {
				f.t.Error(err)
			}
			f.write(0, []byte("lf\n"))
		}, []string{"one\nhalf\n"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := parked(t, "n100", "./a")
			test.do(f)
			f.end()
			got := f.logs[0].files("a")
			if !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestParkedClosed: a parked Logger that is stopped where a line has ended leaves
// an empty lock file and a complete current, and Close needs no record.
func TestParkedClosed(t *testing.T) {
	t.Parallel()
	f := newFleet(t, NewBuffers(), false, "", []string{"./a"}, []string{"./a"})
	for i, l := range f.loggers {
		f.write(i, []byte("one\n"))
		f.settle(i)
		if !l.Park() {
			t.Fatal("not parked")
		}
	}
	f.loggers[0].Close()
	if f.loggers[0].Park() {
		t.Error("parked after Close")
	}
	f.loggers[1].Stop()
	if wait := f.settle(1); !wait.Done || f.loggers[1].Err() != nil {
		t.Error(wait, f.loggers[1].Err())
	}
	tree := treeOf(t, f.logs[1].root)
	if tree["a/lock"] != "-rw-------\n" || tree["a/current"] != "-rwxr--r--\none\n" {
		t.Errorf("%q", tree)
	}
}

// TestUnparkInTrouble: a record that can not be mapped again has the Logger
// pause, with its input in the pipe.
func TestUnparkInTrouble(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"input", "rotation", "stop"} {
		f := parked(t, "n100", "./a")
		lock := f.loggers[0].folders[0].lock
		kept, err := unix.FcntlInt(uintptr(lock), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup3(null, lock, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		unix.Close(null)
		if what == "rotation" {
			f.loggers[0].Rotate()
			f.settle(0)
		}
		f.write(0, []byte("lf\n"))
		for range 3 {
			if wait := f.settle(0); wait.Until.IsZero() {
				t.Fatal(what, wait)
			}
			if got := <-f.warned; !strings.HasPrefix(got, "unable to map ./a/lock, pausing: ") {
				t.Errorf("%q", got)
			}
			f.resume(0)
		}
		if n := f.loggers[0].source.available(); n != 3 {
			t.Errorf("%s: %d bytes in the pipe", what, n)
		}
		if what == "stop" {
			f.loggers[0].Stop()
			if wait := f.settle(0); !wait.Done {
				t.Error(wait)
			}
			(&fault{lock, kept}).mend(t)
			f.crash(0) // the pipe has the rest of the line, the record its beginning
		} else {
			(&fault{lock, kept}).mend(t)
		}
		f.settle(0)
		f.end()
		if got := strings.Join(f.logs[0].files("a"), ""); got != "one\nhalf\n" {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// TestLockCutOff: who cuts the lock file of a log off ends that log, and no
// other one in the process.
func TestLockCutOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t, NewBuffers(), false, "", []string{"./a"}, []string{"./a"})
	if err := os.Truncate(filepath.Join(f.logs[0].root, "a/lock"), 0); err != nil {
		t.Fatal(err)
	}
	for i := range f.loggers {
		f.write(i, []byte(fmt.Sprintln(i)))
	}
	if wait := f.settle(0); !wait.Done || f.loggers[0].Err() == nil {
		t.Error(wait, f.loggers[0].Err())
	}
	f.loggers[0].Close()
	f.settle(1)
	f.loggers[0] = f.open(0, f.words[0])
	f.settle(0)
	f.end()
	for i := range f.loggers {
		if got, want := strings.Join(f.logs[i].files("a"), ""), fmt.Sprintln(i); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
