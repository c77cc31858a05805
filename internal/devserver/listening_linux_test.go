package devserver

import (
	"path/filepath"
	"syscall"
	"testing"

	"scgikit/internal/appfile"
)

// A program that has bound its socket and does not listen yet must not be
// probed by connecting: it may listen a moment later, and would get a
// connection without a request.
func TestListedBeforeListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	check := func(when string, wantFound, wantKnown bool) {
		t.Helper()
		if found, known := listed(appfile.Addr{Unix: path}); found != wantFound || known != wantKnown {
			t.Errorf("%s: found %t, known %t", when, found, known)
		}
	}
	check("before bind", false, false)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	check("bound", false, true)
	if err := syscall.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	check("listening", true, true)
}
