package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Where there is no web server, no setting and nothing in PATH, two commands lead
// from a program to its answer.
func testDevOnABareMachine(t *testing.T, program string) {
	for name, row := range map[string]struct{ file, text, path string }{
		"cgi":  {"cgi-bin/hello.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n", "/hello.cgi"},
		"wsgi": {"wsgi.py", "def application(environ, start_response):\n    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'hello']\n", "/"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			file := filepath.Join(dir, row.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(row.text), 0o700); err != nil {
				t.Fatal(err)
			}
			environ := []string{"HOME=" + t.TempDir(), "PATH=" + t.TempDir(), "GORACE=" + goRace}
			initialize := exec.CommandContext(t.Context(), program, "init", "--from", ".")
			initialize.Dir, initialize.Env = dir, environ
			if out, err := initialize.CombinedOutput(); err != nil {
				t.Fatalf("init: %v\n%s", err, out)
			}
			dev := exec.Command(program, "dev")
			dev.Dir, dev.Env = dir, environ
			d := runDev(t, dev)
			if got := d.get("/" + name + row.path); got != "200 OK\nhello" {
				t.Errorf("got %q", got)
			}
			_ = d.cmd.Process.Signal(os.Interrupt)
			if code := d.exitCode(); code != 0 {
				t.Errorf("exit %d after Control-C", code)
			}
		})
	}
}

// An edit of the source, and one of the description, are served without a
// request that fails; a mistake in the description is told of and changes
// nothing.
func testDevEdit(t *testing.T, program string) {
	dir := withSocket(t, devProject(t))
	d := startDev(t, program, dir)
	// until asks until an answer holds a text; none of the others is an error.
	until := func(path, want string, mayMiss bool) {
		t.Helper()
		began := time.Now()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ; ; <-tick.C {
			got := d.get(path)
			switch {
			case strings.Contains(got, want):
				t.Logf("%s: %q after %v", path, want, time.Since(began).Round(time.Millisecond))
				return
			case !strings.HasPrefix(got, "200 ") && (!mayMiss || !strings.HasPrefix(got, "404 ")):
				t.Fatalf("%s: %s", path, got)
			case time.Since(began) > 2*time.Minute:
				t.Fatalf("%s: no %q in %s", path, want, got)
			}
		}
	}
	until("/echo/x", "REQUEST_URI", false)
	edit(t, dir, "echo", `b"Status: 200 OK`, `b"X-Edited: 1\r\nStatus: 200 OK`)
	edit(t, dir, "echo", `+ data`, `+ b"edited " + data`)
	until("/echo/x", "edited ", false)
	edit(t, dir, "cgi-bin/post.sh", "cat", "echo edited; cat")
	until("/cgi/post.sh", "edited", false)
	edit(t, dir, "apps/echo.yaml", "mount: /echo", "mount: /moved")
	until("/moved/x", "edited ", true)
	edit(t, dir, "apps/echo.yaml", "mount: /moved", "muont: /moved")
	d.await("did you mean mount?", 1)
	d.await("the descriptions stay as they were", 1)
	until("/moved/x", "edited ", false)
	if n := strings.Count(d.text(), "| * ready on"); n > 4 {
		t.Errorf("the program was started %d times for two edits of it and one of its description", n)
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit %d after Control-C", code)
	}
	d.gone()
}

// The browser is shown the first app.
func testDevOpen(t *testing.T, program string) {
	dir, bin := withSocket(t, devProject(t)), t.TempDir()
	opened := filepath.Join(bin, "opened")
	for _, name := range []string{"xdg-open", "open"} {
		text := "#!/bin/sh\nprintf %s \"$1\" > " + opened + ".new && mv " + opened + ".new " + opened + "\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-C", dir, "dev", "--open", "--log-dir", "logs", "--set", "vars.dir="+dir, "apps")
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	d := runDev(t, cmd)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		text, err := os.ReadFile(opened)
		if err == nil {
			if string(text) != d.url+"/cgi/" {
				t.Errorf("the browser got %q, want %s/cgi/", text, d.url)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no browser was started")
		}
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit %d after Control-C", code)
	}
	d.gone()
}
