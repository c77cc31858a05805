package bridge

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whatever the order in which waits begin, each ends at its own deadline, or when
// there is something to read; also with a waiter that has been used before.
func TestDeadlines(t *testing.T) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.file.Close() }()
	for range 3 {
		begin := time.Now()
		limits := []time.Duration{60 * time.Millisecond, time.Hour, 20 * time.Millisecond, 0, 90 * time.Millisecond, 60 * time.Millisecond}
		var ends [][2]int
		results := make([]chan error, len(limits))
		for i, limit := range limits {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, fds)
			results[i] = make(chan error, 1)
			go func() {
				w := p.waiter()
				defer w.close()
				results[i] <- w.poll([]unix.PollFd{{Fd: int32(fds[0]), Events: unix.POLLIN}}, begin.Add(limit))
			}()
		}
		for i, limit := range limits {
			if limit == time.Hour {
				continue
			}
			if err := <-results[i]; !errors.Is(err, errTime) {
				t.Errorf("a wait of %v ended with %v", limit, err)
			}
			if took := time.Since(begin); took < limit {
				t.Errorf("a wait of %v took %v", limit, took)
			}
		}
		if _, err := unix.Write(ends[1][1], []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := <-results[1]; err != nil {
			t.Errorf("a wait for what has come ended with %v", err)
		}
		for _, fds := range ends {
			unix.Close(fds[0])
			unix.Close(fds[1])
		}
		p.drop() // all of them, or none if one has not been closed yet
	}
}

// A waiter that is given to another connection does not take what the former one has
// seen for its own.
func TestWaiterAgain(t *testing.T) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.file.Close() }()
	wait := func(say string) error {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[0])
		defer unix.Close(fds[1])
		w := p.waiter()
		defer w.close()
		w.awake() // late news of who had it before
		if _, err := unix.Write(fds[1], []byte(say)); err != nil {
			t.Fatal(err)
		}
		return w.poll([]unix.PollFd{{Fd: int32(fds[0]), Events: unix.POLLIN}}, time.Now().Add(10*time.Millisecond))
	}
	for range 5 {
		if err := wait("x"); err != nil {
			t.Error(err)
		}
		if err := wait(""); !errors.Is(err, errTime) {
			t.Errorf("nothing has come, and the wait ended with %v", err)
		}
	}
	if len(p.waiters) != 1 {
		t.Errorf("%d waiters for one connection at a time", len(p.waiters))
	}
}
