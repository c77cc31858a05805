package bridge

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// With the whole request here nothing is waited for after the answer, although the
// client keeps its end open; with a part of it still to come, what comes is taken.
func TestDiscard(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	far := time.Now().Add(time.Hour)
	whole := &connection{in: fds[0], out: fds[0], socket: true, complete: true}
	whole.discard(far) // or it does not return
	text := []byte("more than was announced")
	if _, err := unix.Write(fds[1], text); err != nil {
		t.Fatal(err)
	}
	whole.discard(far)
	if n, _, err := unix.Recvfrom(fds[0], make([]byte, 100), unix.MSG_DONTWAIT); n > 0 || err == nil {
		t.Errorf("%d bytes are left, which would reset the connection", n)
	}
	part := &connection{in: fds[0], out: fds[0], socket: true}
	done := make(chan struct{})
	go func() {
		part.discard(far)
		close(done)
	}()
	for range 3 {
		if _, err := unix.Write(fds[1], text); err != nil {
			t.Fatal(err)
		}
	}
	unix.Close(fds[1])
	<-done
}
