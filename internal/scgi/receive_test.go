//go:build unix

package scgi

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is the two ends of a connection, as file descriptors of our own.
func pair(t *testing.T, kind string) (near, far *os.File) {
	t.Helper()
	if kind == "pipe" {
		var err error
		if near, far, err = os.Pipe(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { near.Close(); far.Close() })
		return near, far
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far = os.NewFile(uintptr(fds[0]), "near"), os.NewFile(uintptr(fds[1]), "far")
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func TestReceive(t *testing.T) {
	long := netstring("CONTENT_LENGTH|4|SCGI|1|HTTP_X|" + strings.Repeat("y", 200000) + "|")
	short := netstring("CONTENT_LENGTH|4|SCGI|1|")
	for _, kind := range []string{"socket", "pipe"} {
		for name, pieces := range map[string][]string{
			"at once":                      {short + "body"},
			"prefix in pieces":             {"2", "4", short[2:] + "body"},
			"colon alone":                  {"24", ":", short[3:], "body"},
			"byte by byte":                 strings.Split(short+"body", ""),
			"longer than the socket holds": {long, "body"},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				near, far := pair(t, kind)
				sent := make(chan error, 1)
				go func() {
					defer far.Close()
					for _, piece := range pieces {
						if _, err := io.WriteString(far, piece); err != nil {
							sent <- err
							return
						}
					}
					sent <- nil
				}()
				req, err := Receive(int(near.Fd()), time.Now().Add(10*time.Second))
				if err != nil || req.ContentLength != 4 {
					t.Fatalf("got %.99v, %v", req, err)
				}
				if body, err := io.ReadAll(near); string(body) != "body" || err != nil {
					t.Errorf("left %q, %v: want the body, whole", body, err)
				}
				if err := <-sent; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestReceiveErrors(t *testing.T) {
	for _, kind := range []string{"socket", "pipe"} {
		for _, tt := range []struct {
			name, in string
			want     string
		}{
			{"nothing", "", io.EOF.Error()},
			{"half a prefix", "2", io.ErrUnexpectedEOF.Error()},
			{"half a block", "24:CONTENT", io.ErrUnexpectedEOF.Error()},
			{"HTTP", "GET / HTTP/1.1\r\n", "this is HTTP"},
			{"bad block", netstring("CONTENT_LENGTH|x|SCGI|1|"), `byte 18: CONTENT_LENGTH is "x"`},
			{"too long", "262145:", "header block longer"},
		} {
			t.Run(kind+" "+tt.name, func(t *testing.T) {
				near, far := pair(t, kind)
				io.WriteString(far, tt.in)
				far.Close()
				_, err := Receive(int(near.Fd()), time.Now().Add(10*time.Second))
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
			})
		}
	}
}

// A client that stops sending, or sends too slowly, is given up at the deadline.
func TestReceiveDeadline(t *testing.T) {
	for _, kind := range []string{"socket", "pipe"} {
		for _, in := range []string{"", "2", "24", "24:", "24:CONTENT_LENGTH"} {
			near, far := pair(t, kind)
			io.WriteString(far, in)
			start := time.Now()
			_, err := Receive(int(near.Fd()), start.Add(30*time.Millisecond))
			if !errors.Is(err, ErrTimeout) {
				t.Errorf("%s, after %q: got %v", kind, in, err)
			}
			if took := time.Since(start); took < 30*time.Millisecond {
				t.Errorf("%s, after %q: gave up after %v already", kind, in, took)
			}
		}
	}
}

// The netstring's length is checked before memory is taken for it.
func TestReadRequestTakesLittleForABadLength(t *testing.T) {
	for _, in := range []string{"262145:", "99999999999:", "GET / HTTP/1.1\r\n\r\n"} {
		const runs = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, err := ReadRequest(strings.NewReader(in)); err == nil {
				t.Fatal("accepted")
			}
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / runs; each > 4096 {
			t.Errorf("%q: %d bytes taken", in, each)
		}
	}
}
