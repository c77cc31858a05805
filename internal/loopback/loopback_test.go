package loopback

import (
	"net"
	"strconv"
	"testing"
)

func TestFreePorts(t *testing.T) {
	const n = 24
	first, err := FreePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	if first < lowest || first+n > above {
		t.Errorf("%d to %d are not all between %d and %d", first, first+n-1, lowest, above)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(Host, strconv.Itoa(first+n/2)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if free(first, n) {
		t.Error("one of the ports is taken, and all are said to be free")
	}
	if !free(first+n/2+1, 1) {
		t.Error("a port is said to be taken that this left behind")
	}
}

func TestAddr(t *testing.T) {
	addr, err := Addr()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
