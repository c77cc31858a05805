package supervise

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Somebody is there to start the keeper again where somebody reads the socket.
func TestWatched(t *testing.T) {
	address := filepath.Join(t.TempDir(), "notify")
	look := func(what, name string, want bool) {
		t.Helper()
		t.Setenv("NOTIFY_SOCKET", name)
		if got := watched(); got != want {
			t.Errorf("%s: %t", what, got)
		}
	}
	look("no name", "", false)
	look("a name alone", address, false)
	for _, name := range []string{address, "@" + address} {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: socketName(name)}); err != nil {
			t.Fatal(err)
		}
		look("a reader", name, true)
		unix.Close(fd)
		look("its reader has gone", name, false)
	}
}
