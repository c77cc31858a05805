package devserver

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestBodies(t *testing.T) {
	s := start(t, residentDesc(t, "resident", "/resident/"), oneshotDesc("oneshot", "/oneshot/"))
	random := rand.NewChaCha8([32]byte{1})
	big := make([]byte, 2<<20)
	random.Read(big)
	for _, mount := range []string{"/resident", "/oneshot"} {
		for _, size := range []int{0, 1, 4096, memoryBody - 1, memoryBody, memoryBody + 1, len(big)} {
			sum := sha256.Sum256(big[:size])
			want := fmt.Sprintf("%d %s", size, hex.EncodeToString(sum[:]))
			for _, chunked := range []bool{false, true} {
				body := io.Reader(strings.NewReader(string(big[:size])))
				if chunked {
					// Pieces, and no length that could be seen.
					body = io.MultiReader(body)
				}
				response, err := http.Post("http://"+s.addr+mount+"/count", "application/octet-stream", body)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || string(got) != want {
					t.Errorf("%s: %d bytes, chunked %v: got %q, %v, want %q", mount, size, chunked, got, err, want)
				}
			}
		}
		// The app answers while it is still being sent the body.
		response, err := http.Post("http://"+s.addr+mount+"/echo-late", "", strings.NewReader(string(big)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(got) != string(big) {
			t.Errorf("%s: echo of %d bytes is %d bytes, %v", mount, len(big), len(got), err)
		}
	}
}

// A body that arrives in pieces is declared with its full length.
func TestSlowBody(t *testing.T) {
	s := start(t, residentDesc(t, "blog", "/blog/"))
	read, write := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.addr+"/blog/x", read)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range 5 {
			io.WriteString(write, "piece")
		}
		write.Close()
	}()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := decodeParams(t, string(body))
	if got["CONTENT_LENGTH"] != "25" || got["HTTP_TRANSFER_ENCODING"] != "" {
		t.Errorf("got %v", got)
	}
}

func TestBodyLimit(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.MaxBody = 10
	large := residentDesc(t, "large", "/large/")
	large.HTTP.MaxBody = memoryBody + 10
	s := start(t, desc, large)
	for _, want := range []struct {
		target string
		size   int
		status int
	}{
		{"/blog/count", 10, 200},
		{"/blog/count", 11, 413},
		{"/large/count", memoryBody + 10, 200},
		{"/large/count", memoryBody + 11, 413},
	} {
		body := strings.Repeat("x", want.size)
		if response, _ := s.do("POST", want.target, body); response.StatusCode != want.status {
			t.Errorf("%s: %d bytes: %s, want %d", want.target, want.size, response.Status, want.status)
		}
		response, err := http.Post("http://"+s.addr+want.target, "", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want.status {
			t.Errorf("%s: %d bytes, chunked: %s, want %d", want.target, want.size, response.Status, want.status)
		}
	}
}

// A client that asks before it sends gets its answer, and is not asked to send.
func TestExpectContinue(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.MaxBody = 5
	s := start(t, desc)
	const head = "POST /blog/count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: "
	if answer := s.raw(head + "6\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 413 ") {
		t.Errorf("too large: %.60q", answer)
	}
	if answer := s.raw(head + "5\r\n\r\nhello"); !strings.HasPrefix(answer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ") {
		t.Errorf("allowed: %.60q", answer)
	}
}

// An app that ends with the body unread resets its connection. Web servers cut
// such an answer short; dev does too, and says why.
func TestUnreadBody(t *testing.T) {
	s := start(t, residentDesc(t, "blog", "/blog/"))
	response, err := http.Post("http://"+s.addr+"/blog/unread", "", strings.NewReader("a=1"))
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err == nil {
		t.Error("the answer looks whole")
	}
	s.output.await(t, "before it has read the whole request body", 1)
}

// A body that ends early does not reach the app.
func TestCutBody(t *testing.T) {
	s := start(t, oneshotDesc("blog", "/blog/"))
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /blog/count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nshort")
	conn.(*net.TCPConn).CloseWrite()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 400 || strings.Contains(s.output.String(), "| pid ") {
		t.Errorf("%s\n%s", response.Status, s.output)
	}
}
