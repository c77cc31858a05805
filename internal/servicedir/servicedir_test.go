package servicedir

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// service makes a service folder with FIFOs that somebody reads, as a
// supervisor does, and returns the control FIFO.
func service(t *testing.T, dir string) *os.File {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, Dir), 0o700); err != nil {
		t.Fatal(err)
	}
	var control *os.File
	for _, name := range []string{OK, Control} {
		path := filepath.Join(dir, name)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		control = f
	}
	return control
}

func put(t *testing.T, dir string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, Stat), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSend(t *testing.T) {
	dir := t.TempDir()
	control := service(t, dir)
	for _, letters := range []string{"u", "dx", "tcu"} {
		if err := Send(dir, letters); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		if n, err := control.Read(b); err != nil || string(b[:n]) != letters {
			t.Errorf("%q arrived as %q, %v", letters, b[:n], err)
		}
	}
	if err := Send(dir, ""); err != nil {
		t.Error(err)
	}
}

// A FIFO that is full is waited for, whoever opened it without blocking.
func TestSendWaits(t *testing.T) {
	dir := t.TempDir()
	control := service(t, dir)
	full := strings.Repeat("x", 1<<20)
	done := make(chan error, 1)
	go func() { done <- Send(dir, full) }()
	total, b := 0, make([]byte, 1<<16)
	for total < len(full) {
		n, err := control.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNotSupervised(t *testing.T) {
	empty, dead := t.TempDir(), t.TempDir()
	os.Mkdir(filepath.Join(dead, Dir), 0o700)
	for _, name := range []string{OK, Control} {
		if err := unix.Mkfifo(filepath.Join(dead, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dead, make([]byte, Size))
	for dir, cause := range map[string]error{empty: unix.ENOENT, dead: unix.ENXIO} {
		_, readErr := Read(dir)
		for what, err := range map[string]error{"Send": Send(dir, "u"), "Read": readErr} {
			failed, ok := errors.AsType[*fs.PathError](err)
			if !errors.Is(err, ErrNotSupervised) || !errors.Is(err, cause) || !ok || failed.Op != "open" || !strings.HasSuffix(err.Error(), ": supervise not running") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if yes, err := Supervised(dir); yes || err != nil {
			t.Errorf("Supervised: %v, %v", yes, err)
		}
	}
}

func TestTrouble(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	odd := t.TempDir()
	os.MkdirAll(filepath.Join(odd, OK), 0o700)
	os.MkdirAll(filepath.Join(odd, Control), 0o700)
	os.Symlink("down", filepath.Join(odd, "down"))
	for dir, cause := range map[string]error{missing: unix.ENOENT, odd: unix.EISDIR} {
		_, readErr := Read(dir)
		_, okErr := Supervised(dir)
		for what, err := range map[string]error{"Send": Send(dir, "u"), "Read": readErr, "Supervised": okErr} {
			if errors.Is(err, ErrNotSupervised) || !errors.Is(err, cause) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if _, err := NormallyUp(odd); !errors.Is(err, unix.ELOOP) {
		t.Errorf("NormallyUp: %v", err)
	}
	full := t.TempDir()
	service(t, full)
	os.Remove(filepath.Join(full, Control))
	os.Symlink("/dev/full", filepath.Join(full, Control))
	// What is no FIFO is not written to, wherever a link leads.
	if failed, ok := errors.AsType[*fs.PathError](Send(full, "u")); !ok || failed.Op != "write" || failed.Err != ErrNoFIFO { //nolint:errorlint // as it is
		t.Errorf("Send: %v", failed)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	service(t, dir)
	if _, err := Read(dir); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotSupervised) {
		t.Errorf("no status: %v", err)
	}
	put(t, dir, make([]byte, 17))
	if _, err := Read(dir); !errors.Is(err, ErrFormat) {
		t.Errorf("17 bytes: %v", err)
	}
	want := Status{Since: time.Unix(1_800_000_000, 5), PID: 70_000, Paused: true, Want: WantDown, GotTERM: true, Run: RunUp, Exit: 9}
	var b [Size]byte
	want.Put(&b)
	put(t, dir, b[:])
	if got, err := Read(dir); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if up, err := NormallyUp(dir); !up || err != nil {
		t.Errorf("NormallyUp: %v, %v", up, err)
	}
	os.WriteFile(filepath.Join(dir, DownFile), nil, 0o644)
	if up, err := NormallyUp(dir); up || err != nil {
		t.Errorf("NormallyUp with a file down: %v, %v", up, err)
	}
}

func TestText(t *testing.T) {
	now := time.Unix(1_800_000_000, 999)
	for _, c := range []struct {
		status Status
		up     bool // normally
		want   string
	}{
		{Status{Since: now.Add(-5 * time.Second), PID: 17, Want: WantUp}, true, "up (pid 17) 5 seconds"},
		{Status{Since: now.Add(-5*time.Second + 900), PID: 17, Want: WantUp}, true, "up (pid 17) 5 seconds"},
		{Status{Since: now.Add(time.Hour), PID: 17, Want: WantUp}, false, "up (pid 17) 0 seconds, normally down"},
		{Status{Since: now, PID: 17, Paused: true, Want: WantDown}, false, "up (pid 17) 0 seconds, normally down, paused, want down"},
		{Status{Since: now, PID: 17, Want: WantOnce}, true, "up (pid 17) 0 seconds"},
		{Status{Since: now, Paused: true, Want: WantUp}, true, "down 0 seconds, normally up, want up"},
		{Status{Since: now, Want: WantDown}, false, "down 0 seconds"},
		{Status{Since: now, Want: WantDown}, true, "down 0 seconds, normally up"},
	} {
		if got := c.status.Text(now, c.up); got != c.want {
			t.Errorf("%+v: %q, want %q", c.status, got, c.want)
		}
	}
}

// FuzzParseStatus asks that any file is a status or ErrFormat, that its text has
// the shape of svstat's, and that what is read is what Put writes.
func FuzzParseStatus(f *testing.F) {
	var b [Size]byte
	(&Status{Since: time.Unix(1_800_000_000, 5), PID: 1, Want: WantUp, Run: RunUp}).Put(&b)
	f.Add(b[:])
	f.Add(b[:18])
	f.Add(b[:20])
	f.Add(b[:17])
	f.Add([]byte(strings.Repeat("\xff", 40)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseStatus(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) || len(data) >= 18 {
				t.Fatalf("%d bytes: %v", len(data), err)
			}
			return
		}
		text := s.Text(time.Unix(1_800_000_000, 0), true)
		if !strings.HasPrefix(text, "up (pid ") && !strings.HasPrefix(text, "down ") || !strings.Contains(text, " seconds") {
			t.Errorf("text %q", text)
		}
		var written [Size]byte
		s.Put(&written)
		if string(written[:8]) != string(data[:8]) {
			t.Errorf("second % x became % x", data[:8], written[:8])
		}
		again, err := ParseStatus(written[:])
		if err != nil || !again.Since.Equal(s.Since) || again.PID != s.PID || again.Want != s.Want || again.Paused != s.Paused || again.GotTERM != s.GotTERM || again.Run != s.Run || again.Exit != s.Exit {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
		if pid := binary.LittleEndian.Uint32(data[12:]); uint32(s.PID) != pid {
			t.Errorf("pid %d became %d", pid, s.PID)
		}
	})
}
