package bridge

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// With the whole request here nothing is waited for after the answer, although the
// client keeps its end open. A client that still sends is waited for, also if it sends
// what it has not announced.
func TestDiscard(t *testing.T) {
	for _, tt := range []struct {
		name     string
		complete bool
		front    *front
		waiting  string // has arrived
		waits    bool
	}{
		{name: "whole", complete: true},
		{name: "whole, FastCGI", complete: true, front: &front{stdinDone: true}},
		{name: "part", waits: true},
		{name: "whole, FastCGI, but for the end of the body", complete: true, front: &front{}, waits: true},
		{name: "more", complete: true, waiting: "more than was announced", waits: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fds[0])
			conn := &connection{in: fds[0], out: fds[0], socket: true, complete: tt.complete, front: tt.front}
			defer unix.Close(fds[1])
			if _, err := unix.Write(fds[1], []byte(tt.waiting)); err != nil {
				t.Fatal(err)
			}
			if !tt.waits {
				conn.discard(time.Now().Add(time.Hour)) // or it does not return
				return
			}
			deadline := time.Now().Add(10 * time.Millisecond)
			conn.discard(deadline)
			if time.Now().Before(deadline) {
				t.Error("it has not waited for the client")
			}
			if n, _, err := unix.Recvfrom(fds[0], make([]byte, 100), unix.MSG_DONTWAIT); n > 0 || err == nil {
				t.Errorf("%d bytes are left, which would reset the connection", n)
			}
		})
	}
}
