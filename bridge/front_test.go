package bridge

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/fastcgi"
	"scgikit/internal/scgi"
)

// converse gives a front a stream, in pieces of that size, and returns what it
// makes of it: the parameters and bodies of its requests.
func converse(t *testing.T, stream []byte, size int) (seen []string) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	conn := &connection{in: fds[0], out: fds[0], socket: true, host: &host{res: &Residence{Connections: 3}}}
	f := &front{conn: conn}
	conn.front = f
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer func() { _ = unix.Shutdown(fds[1], unix.SHUT_WR) }()
		for piece := range slices.Chunk(stream, size) {
			if _, err := unix.Write(fds[1], piece); err != nil {
				return // it was refused
			}
		}
	}()
	defer func() {
		unix.Close(fds[0])
		<-written
		unix.Close(fds[1])
	}()
	for range 100 {
		req, err := f.request(time.Now().Add(time.Minute), time.Minute)
		if errors.Is(err, io.EOF) {
			return append(seen, "end")
		}
		if err != nil {
			return append(seen, err.Error())
		}
		text := ""
		for _, h := range req.Headers {
			text += h.Name + "=" + h.Value + "\n"
		}
		buf := make([]byte, 1000)
		for {
			n, err := f.read(buf)
			text += string(buf[:n])
			if err != nil {
				text += " " + err.Error()
				break
			}
			if n == 0 {
				if err := f.wait(time.Now().Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
			}
		}
		seen = append(seen, text)
		f.end(time.Now())
	}
	return seen
}

// A connection has memory for input only while there is some.
func TestFrontAtRest(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	f := &front{conn: &connection{in: fds[0], out: fds[0], socket: true}}
	begin := append(fastcgi.AppendHead(nil, fastcgi.Begin, 1, 8), 0, 1, 1, 0, 0, 0, 0, 0)
	for _, step := range []struct {
		send string
		has  bool
	}{{"", false}, {string(begin[:3]), true}, {string(begin[3:]), false}} {
		if _, err := unix.Write(fds[1], []byte(step.send)); err != nil {
			t.Fatal(err)
		}
		for err = nil; err == nil; {
			_, err = f.next()
		}
		if !errors.Is(err, errNothing) || (f.small != nil) != step.has {
			t.Errorf("after %q: %v, buffer %t, want %t", step.send, err, f.small != nil, step.has)
		}
	}
}

// However a stream arrives, the same requests are in it; and nothing makes a front
// take more memory than has been sent.
func FuzzFront(f *testing.F) {
	begin := append(fastcgi.AppendHead(nil, fastcgi.Begin, 1, 8), 0, 1, 1, 0, 0, 0, 0, 0)
	pairs := fastcgi.AppendPair(fastcgi.AppendPair(nil, "REQUEST_METHOD", "GET"), "CONTENT_LENGTH", "3")
	params := append(fastcgi.AppendHead(nil, fastcgi.Params, 1, len(pairs)), pairs...)
	params = fastcgi.AppendHead(params, fastcgi.Params, 1, 0)
	body := append(fastcgi.AppendHead(nil, fastcgi.Stdin, 1, 3), "abc"...)
	body = fastcgi.AppendHead(body, fastcgi.Stdin, 1, 0)
	whole := slices.Concat(begin, params, body)
	f.Add(slices.Concat(whole, whole), 7)
	f.Add(slices.Concat(begin, fastcgi.AppendHead(nil, fastcgi.Abort, 1, 0), whole), 1)
	f.Add(slices.Concat(fastcgi.AppendHead(nil, fastcgi.Values, 0, 0), whole), 100)
	f.Add(slices.Concat(begin, params, begin), 9)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		if len(stream) > 16<<10 || len(stream)/max(size, 1) > 2000 {
			return
		}
		size = max(size, 1)
		at := converse(t, stream, len(stream)+1)
		cut := converse(t, stream, size)
		if !slices.Equal(at, cut) {
			t.Fatalf("%q; in pieces of %d: %q", at, size, cut)
		}
	})
}

// A length that is only said takes no memory.
func TestParamsLimit(t *testing.T) {
	var stream []byte
	stream = append(fastcgi.AppendHead(nil, fastcgi.Begin, 1, 8), 0, 1, 0, 0, 0, 0, 0, 0)
	content := make([]byte, 65000)
	for range 4 {
		stream = append(fastcgi.AppendHead(stream, fastcgi.Params, 1, len(content)), content...)
	}
	stream = fastcgi.AppendHead(stream, fastcgi.Params, 1, 65000) // and nothing of it
	got := converse(t, stream, 32<<10)
	if want := "not a FastCGI request: parameters longer than " + itoa(scgi.MaxHeaderBytes) + " bytes"; len(got) != 1 || got[0] != want {
		t.Errorf("%.100q, want %q", got, want)
	}
}
