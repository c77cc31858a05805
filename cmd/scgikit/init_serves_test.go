package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"scgikit/internal/loopback"
	"scgikit/internal/need"
)

// asgiServer answers HTTP requests by an ASGI callable, with the command line of
// uvicorn.
const asgiServer = `#!/usr/bin/env python3
import argparse, asyncio, http.server, importlib, sys
parser = argparse.ArgumentParser()
parser.add_argument("app")
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int)
options = parser.parse_args()
sys.path.insert(0, "")
module, name = options.app.split(":")
app = getattr(importlib.import_module(module), name)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}
        async def send(message):
            if message["type"] == "http.response.start":
                self.send_response(message["status"])
                self.end_headers()
            else:
                self.wfile.write(message["body"])
        asyncio.run(app({"type": "http", "path": self.path, "method": "GET", "headers": []}, receive, send))
http.server.HTTPServer((options.host, options.port), Handler).serve_forever()
`

const (
	wsgiHello = "    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'hello']\n"
	asgiHello = "async def app(scope, receive, send):\n    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n    await send({'type': 'http.response.body', 'body': b'hello'})\n"
	cgiHello  = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n"

	djangoManage   = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
	djangoSettings = "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'shop.urls'\nWSGI_APPLICATION = 'shop.wsgi.application'\n"
	djangoURLs     = "from django.http import HttpResponse\nfrom django.urls import path\nurlpatterns = [path('', lambda request: HttpResponse('hello'))]\n"
	djangoBareWSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
)

const (
	flaskApp   = "import flask\napp = flask.Flask('x')\n"
	djangoWSGI = "import os\nfrom django.core.wsgi import get_wsgi_application\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\napplication = get_wsgi_application()\n"
)

// projectFiles writes files; those of cgi-bin and .cgi may be executed.
func projectFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// servedFolder is a folder of each kind that init --from knows.
type servedFolder struct {
	kind  string
	files map[string]string
	args  []string // of init
	path  string   // behind the mount
	needs string   // a module of Python
	hint  bool     // init refuses, and the command that its hint names is run
}

func servedFolders() []servedFolder {
	django := func(prefix, wsgi string) map[string]string {
		return map[string]string{prefix + "manage.py": djangoManage, prefix + "shop/__init__.py": "", prefix + "shop/settings.py": djangoSettings, prefix + "shop/urls.py": djangoURLs, prefix + "shop/wsgi.py": wsgi}
	}
	return []servedFolder{
		{kind: "wsgi.py", files: map[string]string{"wsgi.py": "def application(environ, start_response):\n" + wsgiHello}},
		{kind: "imported callable", files: map[string]string{"wsgi.py": "from blog.site import app as application\n", "blog/__init__.py": "", "blog/site.py": "def app(environ, start_response):\n" + wsgiHello}},
		{kind: "callable in a block", files: map[string]string{"wsgi.py": "try:\n    from nowhere import application\nexcept ImportError:\n    from site2 import application\n", "site2.py": "def application(environ, start_response):\n" + wsgiHello}},
		{kind: "factory", files: map[string]string{"app.py": "from blog import create_app\napp = create_app()\n", "blog.py": "def create_app():\n    def app(environ, start_response):\n" + strings.ReplaceAll(wsgiHello, "    ", "        ") + "    return app\n"}},
		{kind: "class", files: map[string]string{"wsgi.py": "class application:\n    def __init__(self, environ, start_response):\n        start_response('200 OK', [])\n    def __iter__(self):\n        yield b'hello'\n"}},
		{kind: "instance", files: map[string]string{"main.py": "class App:\n    def __call__(self, environ, start_response):\n" + strings.ReplaceAll(wsgiHello, "    ", "        ") + "app = App()\n"}},
		{kind: "src layout", files: map[string]string{"src/proj/__init__.py": "", "src/proj/wsgi.py": "from proj.views import application\n", "src/proj/views.py": "def application(environ, start_response):\n" + wsgiHello}},
		{kind: "module beside src", files: map[string]string{"wsgi.py": "from proj import application\n", "src/proj/__init__.py": "import helper\nfrom .views import application\n", "src/proj/views.py": "def application(environ, start_response):\n" + wsgiHello, "src/helper.py": ""}},
		{kind: "folder that is no package", files: map[string]string{"backend/wsgi.py": "from views import application\n", "backend/views.py": "def application(environ, start_response):\n" + wsgiHello}},
		{kind: "one of several", files: map[string]string{"a/app.py": "app = None\n", "b/app.py": "def app(environ, start_response):\n" + wsgiHello, "c/app.py": "def app(environ, start_response): pass\n"}, args: []string{"--app", "b/app.py:app"}},
		{kind: "Django", files: django("", djangoWSGI), needs: "django"},
		{kind: "Django, settings by manage.py", files: django("", djangoBareWSGI), needs: "django"},
		{kind: "Django below", files: django("backend/", djangoWSGI), needs: "django"},
		{kind: "cgi-bin", files: map[string]string{"cgi-bin/hello": cgiHello}, path: "hello"},
		{kind: ".cgi files", files: map[string]string{"hello.cgi": cgiHello}, path: "hello.cgi"},
		{kind: "cgit.cgi", files: map[string]string{"cgit.cgi": cgiHello, "cgitrc": ""}},
		{kind: "Procfile", files: map[string]string{"Procfile": "web: python3 -m http.server --bind 127.0.0.1 $PORT\n", "app/index.html": "hello"}},
		{kind: "Procfile, by a virtual environment", files: map[string]string{"Procfile": "web: uvicorn main:app --port $PORT\n", ".venv/bin/uvicorn": asgiServer, "main.py": asgiHello}},
		{kind: "ASGI with a Procfile", files: map[string]string{"Procfile": "web: ./serve main:app --port $PORT\n", "serve": asgiServer, "main.py": asgiHello}},
		{kind: "ASGI, by the hint", files: map[string]string{".venv/bin/uvicorn": asgiServer, "main.py": asgiHello}, hint: true},
	}
}

// What init makes of each kind of folder can be generated and checked, and answers.
func TestInitServes(t *testing.T) {
	need.Program(t, "python3")
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin+"/", "scgikit/cmd/scgikit", "scgikit/cmd/scgi-run")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "folder\tfound\tgenerate\tcheck\tanswer")
	for _, f := range servedFolders() {
		t.Run(f.kind, func(t *testing.T) {
			if f.needs != "" {
				if err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-I", "-c", "import "+f.needs).Run(); err != nil {
					need.Missing(t, f.needs)
				}
			}
			f.serve(t, filepath.Join(bin, "scgikit"), w)
		})
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("init --from a folder of each kind:\n%s", table.String())
}

func (f *servedFolder) serve(t *testing.T, program string, w *tabwriter.Writer) {
	dir, home := filepath.Join(t.TempDir(), "my app"), t.TempDir()
	projectFiles(t, dir, f.files)
	environ := append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=", "PYTHONDONTWRITEBYTECODE=1")
	run := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, environ
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	port, err := loopback.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	flags := append([]string{"--listen", "127.0.0.1:" + strconv.Itoa(port), "--user", "www", "--mount", "/app/", "--targets", "nginx systemd"}, f.args...)
	out, err := run(program, append([]string{"init", "--from", "."}, flags...)...)
	if f.hint {
		hint := regexp.MustCompile(`(?m)^ +hint: scgikit (init .*)$`).FindStringSubmatch(out)
		if err == nil || hint == nil {
			t.Fatalf("no refusal with a hint: %v\n%s", err, out)
		}
		// The words are typed into a shell as they stand there.
		out, err = run("sh", append([]string{"-c", `"$0" ` + hint[1] + ` "$@"`, program}, flags...)...)
	}
	if err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "scgikit.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	row := []string{f.kind, ""}
	for _, key := range []string{"module", "script", "command", "directory"} {
		if m := regexp.MustCompile(`(?m)^  ` + key + `:((?: .*|\n    +- .*)+)`).FindStringSubmatch(string(data)); m != nil && row[1] == "" {
			found, _, _ := strings.Cut(m[1], " #")
			row[1] = strings.Join(strings.Fields(strings.ReplaceAll(found, dir, "DIR")), " ")
		}
	}
	for _, command := range []string{"generate", "check"} {
		if out, err := run(program, command); err != nil {
			t.Fatalf("%s: %v\n%s\n%s", command, err, out, data)
		}
		row = append(row, "ok")
	}
	dev := exec.Command(program, "dev")
	dev.Dir, dev.Env = dir, environ
	d := runDev(t, dev)
	response, err := http.Get(d.url + "/app/" + f.path)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("answers %s\n%s\n%s", response.Status, data, d.text())
	}
	fmt.Fprintln(w, strings.Join(append(row, response.Status), "\t"))
	_ = d.cmd.Process.Signal(os.Interrupt)
	if code := d.exitCode(); code != int(exitInterrupted) && code != 0 {
		t.Errorf("dev ended with %d", code)
	}
}
