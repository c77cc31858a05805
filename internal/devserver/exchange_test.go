package devserver

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"scgikit/internal/appfile"
)

// rawAnswers are what an app may send, by query.
var rawAnswers = map[string]string{
	"plain":            "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nhello",
	"no-status":        "Content-Type: text/plain\n\nhello",
	"lf":               "Status: 404 Gone Fishing\nContent-Type: text/plain\n\nhello",
	"nph":              "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\n\r\nhello",
	"lower":            "status: 202\ncontent-type: text/plain\n\nhello",
	"status-last":      "Content-Type: text/plain\nStatus: 203 x\n\nhello",
	"status-bare":      "Status: 404\n\nhello",
	"location":         "Location: /x\n\n",
	"location-abs":     "Location: http://example.org/x\n\n",
	"location-status":  "Status: 303 See Other\nLocation: /x\n\n",
	"location-200":     "Status: 200 OK\nLocation: /x\n\nhello",
	"no-type":          "Status: 200 OK\n\n<html>hello",
	"big":              "X-Big: " + strings.Repeat("x", 5000) + "\n\nhello",
	"connection":       "Connection: keep-alive, X-A\nTransfer-Encoding: chunked\nKeep-Alive: 5\nUpgrade: h2c\nTrailer: X-T\nContent-Type: text/plain\n\nhello",
	"cookies":          "Set-Cookie: a=1\nSet-Cookie: b=2\nContent-Type: text/plain\nContent-Type: text/html\n\nhello",
	"length":           "Content-Length: 5\n\nhello, and more",
	"length-twice":     "Content-Length: 5\nContent-Length: 7\n\nhello",
	"length-bad":       "Content-Length: +5\nContent-Type: text/plain\n\nhello",
	"no-content":       "Status: 204 No Content\n\nhello",
	"not-modified":     "Status: 304 Not Modified\nETag: \"a\"\n\n",
	"accel":            "X-Accel-Redirect: /etc/passwd\nX-Accel-Buffering: no\nContent-Type: text/plain\n\nhello",
	"early":            "Status: 103 Early Hints\nLink: </a>\n\nStatus: 200 OK\nContent-Type: text/plain\n\nhello",
	"empty":            "",
	"no-blank":         "Content-Type: text/plain\n",
	"garbage":          "<html>hello</html>\n",
	"crlf-first":       "\r\nContent-Type: text/plain\r\n\r\nhello",
	"split-cr":         "Location: x\rSet-Cookie: evil=1\n\nhello",
	"split-nul":        "X-A: a\x00b\n\nhello",
	"split-escape":     "X-A: \x1b[31m\n\nhello",
	"bad-name":         "X A: b\n\nhello",
	"bad-status":       "Status: banana\n\nhello",
	"status-99":        "Status: 99 Low\n\nhello",
	"status-2000":      "Status: 2000 High\n\nhello",
	"huge":             "X-Big: " + strings.Repeat("x", 70000) + "\n\nhello",
	"two-answers":      "Content-Type: text/plain\n\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
	"injected-in-page": "<script>alert(1)</script>: x\n\n",
}

func TestResponseHeads(t *testing.T) {
	s := start(t, residentDesc(t, "blog", "/blog/"))
	for _, want := range []struct {
		query  string
		status int
		body   string
		fields map[string]string
	}{
		{"plain", 200, "hello", map[string]string{"Content-Type": "text/plain"}},
		{"no-status", 200, "hello", nil},
		{"lf", 404, "hello", nil},
		{"nph", 201, "hello", nil},
		{"lower", 202, "hello", map[string]string{"Content-Type": "text/plain"}},
		{"status-last", 203, "hello", nil},
		{"status-bare", 404, "hello", nil},
		{"location", 302, "", map[string]string{"Location": "/x"}},
		{"location-abs", 302, "", map[string]string{"Location": "http://example.org/x"}},
		{"location-status", 303, "", map[string]string{"Location": "/x"}},
		{"location-200", 200, "hello", map[string]string{"Location": "/x"}},
		{"no-type", 200, "<html>hello", map[string]string{"Content-Type": ""}},
		{"big", 200, "hello", map[string]string{"X-Big": strings.Repeat("x", 5000)}},
		{"connection", 200, "hello", map[string]string{"Keep-Alive": "", "Upgrade": "", "Trailer": "", "Connection": "close"}},
		{"cookies", 200, "hello", map[string]string{"Set-Cookie": "a=1|b=2", "Content-Type": "text/plain"}},
		{"length", 200, "hello", map[string]string{"Content-Length": "5"}},
		{"length-twice", 200, "hello", map[string]string{"Content-Length": "5"}},
		{"length-bad", 200, "hello", nil},
		{"no-content", 204, "", nil},
		{"not-modified", 304, "", map[string]string{"Etag": `"a"`}},
		{"accel", 200, "hello", map[string]string{"X-Accel-Redirect": "", "X-Accel-Buffering": ""}},
		{"early", 200, "hello", map[string]string{"Link": ""}},
		{"two-answers", 200, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", nil},
	} {
		response, body := s.get("/blog/raw?" + want.query)
		if response.StatusCode != want.status || body != want.body {
			t.Errorf("%s: %s %.80q, want %d %q", want.query, response.Status, body, want.status, want.body)
		}
		for name, value := range want.fields {
			if got := strings.Join(response.Header[name], "|"); name != "Connection" && got != value {
				t.Errorf("%s: %s is %.80q, want %.80q", want.query, name, got, value)
			}
		}
	}
	for _, query := range []string{
		"empty", "no-blank", "garbage", "crlf-first", "split-cr", "split-nul", "split-escape", "bad-name", "bad-status", "status-99", "status-2000", "huge", "injected-in-page",
	} {
		response, body := s.get("/blog/raw?" + query)
		if response.StatusCode != 502 || !strings.Contains(body, "scgikit dev") || response.Header["Set-Cookie"] != nil {
			t.Errorf("%s: %s %.80q, want dev's page for 502", query, response.Status, body)
		}
		if strings.Contains(body, "<script") || strings.Contains(body, "\x1b") {
			t.Errorf("%s: the page passes on %q", query, body)
		}
	}
	response, body := s.get("/blog/bytewise")
	if response.StatusCode != 201 || body != "body" || response.Header.Get("X-A") != "b" {
		t.Errorf("bytewise: %s %q", response.Status, body)
	}
	response, body = s.do("HEAD", "/blog/raw?length", "")
	if response.StatusCode != 200 || body != "" || response.ContentLength != 5 {
		t.Errorf("HEAD: %s %q length %d", response.Status, body, response.ContentLength)
	}
	// A POST answered by a relative redirect reaches the browser as one.
	response, _ = s.do("POST", "/blog/raw?location", "a=1")
	if response.StatusCode != 302 || response.Header.Get("Location") != "/x" {
		t.Errorf("POST: %s %q", response.Status, response.Header.Get("Location"))
	}
}

func TestHiddenAndPassedFields(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.HideHeaders = []string{"content-type"}
	desc.HTTP.PassHeaders = []string{"x-accel-redirect"}
	s := start(t, desc)
	response, _ := s.get("/blog/raw?accel")
	want := map[string]string{"Content-Type": "", "X-Accel-Redirect": "/etc/passwd", "X-Accel-Buffering": ""}
	for name, value := range want {
		if got := response.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

// What an app sends while it works reaches the browser at once.
func TestStreaming(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.Buffering = false
	s := start(t, desc)
	response, err := http.Get("http://" + s.addr + "/blog/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	if line, err := lines.ReadString('\n'); line != "one\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if release, _ := s.get("/blog/release"); release.StatusCode != 204 {
		t.Fatal(release.Status)
	}
	if line, err := lines.ReadString('\n'); line != "two\n" {
		t.Fatalf("got %q, %v", line, err)
	}
}

func TestReadTimeout(t *testing.T) {
	for _, desc := range []*appfile.App{residentDesc(t, "blog", "/blog/"), oneshotDesc("blog", "/blog/")} {
		desc.HTTP.Timeouts.Read = 50 * time.Millisecond
		s := start(t, desc)
		response, body := s.get("/blog/silent")
		if response.StatusCode != 504 || !strings.Contains(body, "http.timeouts.read") {
			t.Errorf("%s: %s\n%s", desc.Type, response.Status, body)
		}
		s.stop()
	}
}

// Once the head is out, the only honest end is a cut connection.
func TestReadTimeoutAfterHead(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.Timeouts.Read = time.Second
	s := start(t, desc)
	s.output.await(t, "ready on", 1)
	response, err := http.Get("http://" + s.addr + "/blog/half")
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err == nil {
		t.Error("half an answer looks like a whole one")
	}
	s.output.await(t, "(cut)", 1)
}

// A client that goes away takes the program that serves it along.
func TestClientGone(t *testing.T) {
	s := start(t, oneshotDesc("blog", "/blog/"))
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr+"/blog/silent", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			t.Error("an answer")
		}
	}()
	s.output.await(t, "| silent", 1)
	cancel()
	<-done
	s.output.await(t, "(cut)", 1)
	for deadline := time.Now().Add(2 * time.Minute); alive(s.output.pids()[0]); {
		if time.Now().After(deadline) {
			t.Fatal("the program still runs")
		}
	}
}
