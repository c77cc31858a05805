package servertest

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/webserver"
)

// TestBalanced runs the Django example on four backends, each a service of the
// real svscan, behind every web server: the backends share the requests, a POST
// answered by a relative 302 reaches the client as one, and the secret key,
// which only root can read, reaches the app and no generated file.
func TestBalanced(t *testing.T) {
	need.Root(t)
	python := need.Program(t, "python3")
	if exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import django").Run() == nil {
		python = "/usr/bin/python3"
	} else if exec.CommandContext(t.Context(), python, "-c", "import django").Run() != nil {
		need.Missing(t, "django")
	}
	s := &stack{dir: Folder(t)}
	src := example(t, s.dir, "shop")
	secrets := filepath.Join(s.dir, "secrets")
	if err := os.Mkdir(secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	const key = "a-key-that-stands-in-no-generated-file"
	if err := os.WriteFile(filepath.Join(secrets, "django-secret-key"), []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := Ports(t, 4)
	files := s.add(t, "shop", "nginx lighttpd apache daemontools",
		"vars.shop="+src, "vars.secrets="+secrets, "vars.python="+python, "run.user=www-data", "listen.tcp=127.0.0.1:"+strconv.Itoa(first),
		"options.daemontools.scgi_run="+programs.ScgiRun)
	for i := range files {
		if bytes.Contains(files[i].Data, []byte(key)) {
			t.Errorf("the secret stands in %s", files[i].Path)
		}
	}
	services := filepath.Join(s.dir, "service")
	Place(t, files, "daemontools", services)
	if err := os.MkdirAll(s.logs(), 0o755); err != nil {
		t.Fatal(err)
	}
	Svscan(t, services, s.logs())
	for i := range 4 {
		s.awaitListener(t, "127.0.0.1:"+strconv.Itoa(first+i))
	}
	for _, program := range webserver.SpeakSCGI() {
		t.Run(string(program), func(t *testing.T) {
			shop := "http://" + s.serve(t, program) + "/shop/"
			backend := regexp.MustCompile(`Served by process (\d+)`)
			seen := make(map[string]bool)
			for range 16 {
				got := ask(t, http.MethodGet, shop, "", nil)
				match := backend.FindStringSubmatch(got.body)
				if got.status != 200 || match == nil {
					t.Fatalf("%d %.600q", got.status, got.body)
				}
				seen[match[1]] = true
			}
			if len(seen) != 4 {
				t.Errorf("%d backends answered 16 requests, want 4", len(seen))
			}
			page := ask(t, http.MethodGet, shop, "", nil)
			token := regexp.MustCompile(`name="csrfmiddlewaretoken" value="(\w+)"`).FindStringSubmatch(page.body)
			if token == nil {
				t.Fatalf("no form: %.600q", page.body)
			}
			cookie, _, _ := strings.Cut(page.header.Get("Set-Cookie"), ";")
			form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Cookie": {cookie}}
			got := ask(t, http.MethodPost, shop, "item=pears&number=3&csrfmiddlewaretoken="+token[1], form)
			if location := got.header.Get("Location"); got.status != 302 || location != "thanks/3/pears" {
				t.Errorf("POST: %d, Location %q; want 302 and thanks/3/pears", got.status, location)
			}
			if got := ask(t, http.MethodGet, shop+"thanks/3/pears", "", nil); got.status != 200 || !strings.Contains(got.body, "pears") {
				t.Errorf("the page behind the redirect: %d %.300q", got.status, got.body)
			}
			if got := ask(t, http.MethodGet, shop+"static/shop.css", "", nil); got.status != 200 || got.header.Get("Cache-Control") != "max-age=3600" {
				t.Errorf("static file: %d, Cache-Control %q", got.status, got.header.Get("Cache-Control"))
			}
		})
	}
}
