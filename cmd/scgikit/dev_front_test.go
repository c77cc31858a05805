package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scgikit/internal/need"
)

// testDevFronts runs each real web server on the generated files, as its own
// user where the test is root.
func testDevFronts(t *testing.T, program string) {
	for name, binary := range map[string]string{"nginx": "nginx", "lighttpd": "lighttpd", "apache": "apache2"} {
		t.Run(name, func(t *testing.T) {
			need.Program(t, binary)
			dir := withSocket(t, devProject(t))
			for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o755, dir + "/static": 0o755, dir + "/static/x.txt": 0o644} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(program, "-C", dir, "dev", "--server", name, "--log-dir", "logs", "--set", "vars.dir="+dir, "apps")
			testDevFront(t, runDev(t, cmd), dir)
		})
	}
}

// testDevFrontResidents runs the programs that keep running behind a real web server.
func testDevFrontResidents(t *testing.T, program string) {
	need.Program(t, "nginx")
	cmd := exec.Command(program, "-C", residentProject(t), "dev", "--server", "nginx", "--log-dir", "logs", "apps")
	d := runDev(t, cmd)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		// The web server itself starts a moment later.
		if response, err := http.Get(d.url + "/web/"); err == nil {
			_ = response.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nginx does not answer")
		}
	}
	if got := d.get("/web/a%20b?c"); got != "200 OK\n/web/a%20b?c below /web for 127.0.0.1" {
		t.Errorf("http: %q", got)
	}
	for _, path := range []string{"/fork/", "/cgi/who.sh"} {
		if first, second := d.get(path), d.get(path); first != second || !strings.HasPrefix(first, "200 OK\n") {
			t.Errorf("%s: %q, then %q", path, first, second)
		}
	}
	if first, second := d.get("/fresh/"), d.get("/fresh/"); first == second || !strings.HasPrefix(first, "200 OK\n") {
		t.Errorf("zygote: %q, then %q", first, second)
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit %d after Control-C", code)
	}
	d.gone()
}

// Even where dev is killed, the web server ends with it.
func testDevFrontKilled(t *testing.T, program string) {
	need.Program(t, "nginx")
	dir, temp := withSocket(t, devProject(t)), t.TempDir()
	if err := os.Chmod(filepath.Dir(temp), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-C", dir, "dev", "--server", "nginx", "--log-dir", "logs", "--set", "vars.dir="+dir, "apps")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	d := runDev(t, cmd)
	await := func(want bool) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
			response, err := http.Get(d.url + "/cgi/none.sh")
			if err == nil {
				_ = response.Body.Close()
			}
			if (err == nil) == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("nginx answers: %t", err == nil)
			}
		}
	}
	await(true)
	_ = d.cmd.Process.Kill()
	await(false)
	<-d.ended
	d.gone()
}

func testDevFront(t *testing.T, d *devRun, dir string) {
	// The web server itself starts, or is told of a change, a moment later.
	answers := func(path, want string, expected ...string) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
			response, err := http.Get(d.url + path)
			got := ""
			if err == nil {
				body, _ := io.ReadAll(response.Body)
				_ = response.Body.Close()
				got = response.Status + "\n" + string(body)
			}
			if strings.Contains(got, want) {
				return
			}
			fine := false
			for _, e := range expected {
				fine = fine || strings.HasPrefix(got, e)
			}
			if !fine || time.Now().After(deadline) {
				t.Fatalf("%s: %q, want %q", path, got, want)
			}
		}
	}
	answers("/echo/x", "REQUEST_URI\x00/echo/x\x00", "")
	answers("/cgi/hello.sh/a%20b?q=1", "PATH_INFO=/a b\n")
	answers("/cgi/static/x.txt", "200 OK\nstatic")
	answers("/cgi/none.sh", "404 ")
	d.posts()
	for host, allowed := range map[string]bool{
		"localhost:1": true, "LOCALHOST.": true, "127.0.0.2": true, "[::1]:80": true,
		"evil.example": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false, "xlocalhost": false, "10.0.0.1": false,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/cgi/static/x.txt", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || strings.Contains(string(body), "static") != allowed || (response.StatusCode == http.StatusOK) != allowed {
			t.Errorf("host %s: %s %q, %v; want it allowed: %t", host, response.Status, body, err, allowed)
		}
	}
	// The source, then the description; what runs meanwhile does not fail.
	edit(t, dir, "echo", `+ data`, `+ b"edited " + data`)
	answers("/echo/x", "edited ", "200 ")
	edit(t, dir, "apps/echo.yaml", "mount: /echo", "mount: /moved")
	answers("/moved/x", "edited ", "404 ", "403 ")
	answers("/cgi/static/x.txt", "200 OK\nstatic")
	// An app that ends has dev's page.
	edit(t, dir, "echo", `import os`, `import os; os._exit(3); import os`)
	answers("/moved/x", "exited with status 3", "200 ")
	_ = d.cmd.Process.Signal(os.Interrupt)
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit %d after Control-C", code)
	}
	d.gone()
	if conn, err := http.Get(d.url + "/"); err == nil {
		_ = conn.Body.Close()
		t.Error("the web server still answers")
	}
}

// edit replaces a text in a file of a project.
func edit(t *testing.T, dir, name, from, to string) {
	t.Helper()
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), from) {
		t.Fatalf("%s has no %q: %v", name, from, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), from, to)), info.Mode()); err != nil {
		t.Fatal(err)
	}
}
