package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// residentProject is a folder of scripts, a callable in each of the forms that keep
// running, and a program that speaks HTTP. A script and the callables hang where
// they are asked to, and say their numbers.
func residentProject(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	callable := `import os, sys, time
print("loaded, pid", os.getpid(), file=sys.stderr, flush=True)
def application(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        print("hangs, pid", os.getpid(), file=sys.stderr, flush=True)
        time.sleep(1000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("first %d of %d" % (os.getpid(), os.getppid())).encode()]
`
	app := func(name, more string) string {
		return "apiVersion: scgikit/v1\nname: " + name + "\nrun: {user: www, directory: \"" + dir + "/" + name + "\"}\nlisten: {unix: /run/" + name + ".sock}\nhttp: {mount: /" + name + "/}\n" + more
	}
	socket := filepath.Join(t.TempDir(), "s")
	files := map[string]string{
		"apps/cgi.yaml":   strings.Replace(app("cgi", "type: cgi\ncgi: {directory: \""+dir+"/cgi/\"}\n"), ", directory: \""+dir+"/cgi\"", "", 1),
		"apps/fork.yaml":  app("fork", "type: wsgi\nwsgi: {module: \"app:application\"}\n"),
		"apps/fresh.yaml": app("fresh", "type: wsgi\nwsgi: {module: \"app:application\", style: zygote}\n"),
		"apps/web.yaml": `apiVersion: scgikit/v1
name: web
type: server
protocol: http
run: {user: www, directory: "` + dir + `/web", command: [./serve, "` + socket + `"]}
listen: {unix: "` + socket + `"}
http: {mount: /web/}
`,
		"fork/app.py":  callable,
		"fresh/app.py": callable,
		"cgi/hang.sh":  "#!/bin/sh\ntrap '' TERM\necho \"hangs, pid $$\" >&2\nprintf 'Content-Type: text/plain\\n\\n'\nwhile :; do sleep 1000; done\n",
		"cgi/leave.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nleft'\nsleep 1000 >/dev/null 2>&1 &\necho \"leaves, pid $!\" >&2\n",
		"cgi/who.sh":   "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s' $PPID\n",
		"web/serve": `#!/usr/bin/env python3
import http.server, os, socketserver, sys
print("serves, pid", os.getpid(), file=sys.stderr, flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(("%s below %s for %s" % (self.path, self.headers["X-Forwarded-Prefix"], self.headers["X-Forwarded-For"])).encode())
    def log_message(self, *_):
        pass
socketserver.UnixStreamServer(sys.argv[1], Handler).serve_forever()
`,
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o600)
		if strings.HasPrefix(text, "#!") {
			mode = 0o700
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// startResidents runs dev on such a project, with its private folder in temp.
func startResidents(t *testing.T, program, dir, temp string) *devRun {
	t.Helper()
	cmd := exec.Command(program, "-C", dir, "dev", "--log-dir", "logs", "apps")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	return runDev(t, cmd)
}

// hang has the script and both callables hang with a request each, and returns a
// function that waits for the ends of the requests.
func (d *devRun) hang() (wait func()) {
	d.t.Helper()
	var clients sync.WaitGroup
	for _, path := range []string{"/cgi/hang.sh", "/fork/hang", "/fresh/hang"} {
		clients.Go(func() {
			// The answer does not matter: dev ends under it.
			if response, err := http.Get(d.url + path); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
	d.await("hangs, pid ", 3)
	return clients.Wait
}

// folders returns the private folders of runs in a temporary folder.
func folders(t *testing.T, temp string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(temp, "scgikit-dev-*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// tempFolder returns a temporary folder that leaves room for the names of sockets.
func tempFolder(t *testing.T) string {
	t.Helper()
	temp, err := os.MkdirTemp("", "dev-") //nolint:usetesting // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) })
	// webserver.TempDir looks whether another user may pass.
	if err := os.Chmod(temp, 0o711); err != nil {
		t.Fatal(err)
	}
	return temp
}

// Apps run as the generated configuration has them: scgi-run answers for scripts and
// callables in one process for many requests, a zygote in a fresh one of an app that
// is loaded once, and a program that speaks HTTP is asked in that.
func testDevResidents(t *testing.T, program string) {
	dir, temp := residentProject(t), tempFolder(t)
	d := startResidents(t, program, dir, temp)
	if first, second := d.get("/fork/"), d.get("/fork/"); first != second || !strings.HasPrefix(first, "200 OK\nfirst ") {
		t.Errorf("prefork: %q, then %q", first, second)
	}
	first, second := d.get("/fresh/"), d.get("/fresh/")
	if _, zygote, _ := strings.Cut(first, " of "); first == second || !strings.HasSuffix(second, " of "+zygote) || !strings.HasPrefix(first, "200 OK\nfirst ") {
		t.Errorf("zygote: %q, then %q", first, second)
	}
	if first, second := d.get("/cgi/who.sh"), d.get("/cgi/who.sh"); first != second || !strings.HasPrefix(first, "200 OK\n") {
		t.Errorf("bridge: %q, then %q", first, second)
	}
	if got := d.get("/web/a%20b?c"); got != "200 OK\n/web/a%20b?c below /web for 127.0.0.1" {
		t.Errorf("http: %q", got)
	}
	// An edit, one that does not load, and one that mends it; no request fails but of
	// what does not load.
	for _, name := range []string{"fork", "fresh"} {
		d.edited(dir, name, "first ", "second ", "200 ")
		d.edited(dir, name, "def application(", "raise ImportError('no such thing')\ndef application(", "200 ", "500 ")
		d.edited(dir, name, "raise ImportError('no such thing')\n", "", "500 ", "200 ")
	}
	d.await("ImportError: no such thing", 2)

	if runtime.GOOS == "linux" {
		// Where processes are listed, what a script has left in the background ends too.
		if got := d.get("/cgi/leave.sh"); got != "200 OK\nleft" {
			t.Errorf("got %q", got)
		}
		d.await("leaves, pid ", 1)
	}
	wait := d.hang()
	_ = d.cmd.Process.Signal(os.Interrupt)
	d.await("Control-C again kills what is left", 1)
	_ = d.cmd.Process.Signal(os.Interrupt)
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit %d after Control-C", code)
	}
	wait()
	d.gone()
	if left := folders(t, temp); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// edited edits a callable and asks until the answer is another one, among answers
// that begin as expected; the last of these is what it ends with.
func (d *devRun) edited(dir, name, from, to string, expected ...string) {
	d.t.Helper()
	want := expected[len(expected)-1]
	if len(expected) == 1 {
		want = "200 OK\n" + to
	}
	began := time.Now()
	edit(d.t, dir, name+"/app.py", from, to)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		got := d.get("/" + name + "/")
		fine := false
		for _, e := range expected {
			fine = fine || strings.HasPrefix(got, e)
		}
		switch {
		case strings.HasPrefix(got, want):
			d.t.Logf("%s: %q after %v", name, want, time.Since(began).Round(time.Millisecond))
			return
		case !fine || time.Since(began) > 2*time.Minute:
			d.t.Fatalf("%s: %q, want %q", name, got, want)
		}
	}
}

// Where dev is killed, all that it has started ends, also what hangs and a script that
// ignores TERM; and the next run of this project removes the folder that is left, but
// not that of another project.
func testDevKilledResidents(t *testing.T, program string) {
	dir, other, temp := residentProject(t), residentProject(t), tempFolder(t)
	for _, project := range []string{other, dir} {
		d := startResidents(t, program, project, temp)
		wait := d.hang()
		_ = d.cmd.Process.Kill()
		<-d.ended
		wait()
		d.gone()
	}
	left := folders(t, temp)
	if len(left) != 2 {
		t.Fatalf("left: %q", left)
	}
	d := startResidents(t, program, dir, temp)
	if now := folders(t, temp); len(now) != 2 {
		t.Errorf("there are %q", now)
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit %d after Control-C", code)
	}
	d.gone()
	if now := folders(t, temp); len(now) != 1 {
		t.Errorf("left: %q, of %q", now, left)
	}
}
