package bridge

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// What is sent on a TCP connection does not wait for an acknowledgement.
func TestNoDelay(t *testing.T) {
	l, err := new(Residence).listenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	address, err := unix.Getsockname(int(l.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	port := address.(*unix.SockaddrInet4).Port
	client, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fd, err := l.accept()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if on, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
		t.Errorf("TCP_NODELAY is %d, %v", on, err)
	}
}
