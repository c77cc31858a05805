package importer_test

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"scgikit/generate"
	"scgikit/internal/importer"
)

// folderOf is a project at /srv/p of the files of an archive. What is in a folder bin
// or cgi-bin, or ends in .cgi, may be executed.
func folderOf(text string) fstest.MapFS {
	m := fstest.MapFS{"srv/p": {Mode: fs.ModeDir | 0o755}}
	for _, f := range txtar.Parse([]byte(text)).Files {
		mode := fs.FileMode(0o644)
		if strings.Contains(f.Name, "bin/") || strings.HasSuffix(f.Name, ".cgi") {
			mode = 0o755
		}
		m["srv/p/"+f.Name] = &fstest.MapFile{Data: f.Data, Mode: mode}
	}
	return m
}

func readProject(t testing.TB, m fstest.MapFS, o importer.Options) *importer.Result {
	t.Helper()
	o.Targets = generate.OptionTypes()
	result, err := importer.Read(t.Context(), importer.Project, m, "srv/p", "p", &o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

var foundIn = regexp.MustCompile(`(?m)^ +(?:module|script|directory|command): (.*)$`)

// summary is what was found, in a line: the module with its path and the line that says
// so, or another program, or what there is instead.
func summary(result *importer.Result) string {
	var out []string
	for _, a := range result.Apps {
		module := regexp.MustCompile(`module: (.*)`).FindStringSubmatch(a.Text)
		path := regexp.MustCompile(`\n  path: \[(.*)\]`).FindStringSubmatch(a.Text)
		if module != nil && path != nil {
			out = append(out, strings.TrimPrefix(path[1], "/srv/")+" "+module[1])
			continue
		}
		for _, m := range foundIn.FindAllStringSubmatch(a.Text, -1) {
			out = append(out, m[1])
		}
	}
	for _, c := range result.Choices {
		out = append(out, "choice "+c.ID)
	}
	for _, n := range result.Notes {
		if n.Class == importer.Refused {
			out = append(out, fmt.Sprintf("refused %s:%d", n.File, n.Line))
		}
		if n.Field == "wsgi.module" {
			out = append(out, "assumed")
		}
	}
	if result.Lacks != "" {
		out = append(out, "nothing")
	}
	return strings.Join(out, "; ")
}

// What a module binds is told from its text: imported, in blocks, by a factory, as a
// class; and ASGI from WSGI.
func TestCallables(t *testing.T) {
	tests := []struct{ name, files, want string }{
		{"imported from the folder", "-- wsgi.py --\nfrom blog.site import application\n-- blog/site.py --\nimport flask\napplication = flask.Flask(__name__)\n", "p wsgi:application # wsgi.py:1"},
		{"imported from elsewhere", "-- wsgi.py --\nfrom blog.wsgi import application\n", "p wsgi:application # wsgi.py:1; assumed"},
		{"imported as", "-- wsgi.py --\nfrom blog import (\n    app as application,  # the app\n)\n-- blog/__init__.py --\nfrom flask import Flask\napp = Flask(__name__)\n", "p wsgi:application # wsgi.py:1"},
		{"star", "-- wsgi.py --\nfrom blog import *\n-- blog.py --\ndef application(environ, start_response):\n    return []\n", "p wsgi:application # wsgi.py:1"},
		{"module's attribute", "-- wsgi.py --\nimport blog\napplication = blog.app\n-- blog.py --\nfrom flask import Flask\napp = Flask('x')\n", "p wsgi:application # wsgi.py:2"},
		{"in try", "-- wsgi.py --\ntry:\n    from nowhere import application\nexcept ImportError:\n    application = None\n", "p wsgi:application # wsgi.py:2; assumed"},
		{"in if", "-- wsgi.py --\nimport os\nif os.environ.get('X'):\n    application = make(1)\nelse:\n    application = make(2)\n", "p wsgi:application # wsgi.py:5; assumed"},
		{"in with", "-- wsgi.py --\nwith lock:\n\n    # a comment\n\tapp = Bottle()\nfrom bottle import Bottle\n", "p wsgi:app # wsgi.py:4"},
		{"one line", "-- wsgi.py --\nfrom flask import Flask; app = Flask(__name__); x = 1\n", "p wsgi:app # wsgi.py:1"},
		{"Django's", "-- wsgi.py --\nfrom django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n", "p wsgi:application # wsgi.py:2"},
		{"wrapped", "-- wsgi.py --\nfrom django.core.wsgi import get_wsgi_application\nfrom x import Around\napplication = get_wsgi_application()\napplication = Around(application)\n", "p wsgi:application # wsgi.py:4"},
		{"wrapped around ASGI", "-- wsgi.py --\nfrom fastapi import FastAPI\nfrom x import Around\napp = FastAPI()\napp = Around(app, 1)\n", "refused p/wsgi.py:4"},
		{"ASGI made WSGI", "-- wsgi.py --\nfrom fastapi import FastAPI\nfrom a2wsgi import ASGIMiddleware\napi = FastAPI()\napplication = ASGIMiddleware(api)\n", "p wsgi:application # wsgi.py:4"},
		{"WSGI made ASGI", "-- main.py --\nfrom flask import Flask\nfrom asgiref.wsgi import WsgiToAsgi\napp = WsgiToAsgi(Flask(__name__))\n", "refused p/main.py:3"},
		{"factory", "-- app.py --\nfrom flask import Flask\ndef create_app(config=None):\n    app = Flask(__name__)\n    def inner():\n        pass\n    return app\napp = create_app()\n", "p app:app # app.py:7"},
		{"factory elsewhere", "-- wsgi.py --\nfrom blog import create_app\napp = create_app()\n-- blog/__init__.py --\nfrom .factory import create_app\n-- blog/factory.py --\nfrom quart import Quart\ndef create_app():\n    return Quart(__name__)\n", "refused p/wsgi.py:2"},
		{"factory alone", "-- blog.py --\ndef create_app():\n    return Flask(__name__)\n", "nothing"},
		{"class", "-- wsgi.py --\nclass application:\n    def __init__(self, environ, start_response):\n        pass\n    def __iter__(self):\n        yield b''\n", "p wsgi:application # wsgi.py:1"},
		{"class without", "-- wsgi.py --\nclass application:\n    pass\n", "nothing"},
		{"instance", "-- app.py --\nclass App(object):\n    def __call__(self, environ, start_response):\n        return []\napplication = App()\n", "p app:application # app.py:4"},
		{"instance of ASGI", "-- app.py --\nclass App:\n    async def __call__(self, scope, receive, send):\n        pass\napp = App()\n", "refused p/app.py:4"},
		{"subclass", "-- app.py --\nimport flask\nclass App(flask.Flask):\n    pass\napplication = App(__name__)\n", "p app:application # app.py:4"},
		{"def", "-- hello.py --\ndef application(environ, start_response):\n    pass\n", "p hello:application # hello.py:1"},
		{"decorated", "-- hello.py --\nfrom werkzeug.wrappers import Request\n@Request.application\ndef application(request):\n    pass\n", "p hello:application # hello.py:3"},
		{"lambda", "-- hello.py --\napplication = lambda environ, start_response: []\n", "p hello:application # hello.py:1"},
		{"async def", "-- app.py --\nasync def app(scope, receive, send):\n    pass\n", "refused p/app.py:1"},
		{"FastAPI", "-- main.py --\nfrom fastapi import FastAPI\napp: FastAPI = FastAPI(\n    title='x',\n)\n", "refused p/main.py:2"},
		{"Starlette", "-- main.py --\nfrom starlette.applications import Starlette as S\napp = S()\n", "refused p/main.py:2"},
		{"Litestar, of another name", "-- srv.py --\nimport litestar\napi = litestar.Litestar([])\n", "refused p/srv.py:2"},
		{"asgi.py", "-- asgi.py --\nfrom somewhere import application\n", "refused p/asgi.py:1"},
		{"Django's asgi.py", "-- asgi.py --\nfrom django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n", "refused p/asgi.py:2"},
		{"asgi.py and wsgi.py", "-- asgi.py --\nfrom django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n-- wsgi.py --\nfrom django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n", "p wsgi:application # wsgi.py:2"},
		{"falcon", "-- app.py --\nimport falcon\napplication = falcon.App()\n", "p app:application # app.py:2"},
		{"falcon.asgi", "-- app.py --\nimport falcon.asgi\napp = falcon.asgi.App()\n", "refused p/app.py:2"},
		{"pyramid", "-- app.py --\nfrom pyramid.config import Configurator\nconfig = Configurator()\nserve = config.make_wsgi_app()\n", "p app:serve # app.py:3"},
		{"web.py", "-- code.py --\nimport web\napplication = web.application(urls, globals()).wsgifunc()\n", "p code:application # code.py:2"},
		{"Dash", "-- app.py --\nfrom dash import Dash\napp = Dash(__name__)\nserver = app.server\n", "p app:server # app.py:3"},
		{"no web app", "-- app.py --\nimport typer\napp = typer.Typer()\n-- worker.py --\nfrom celery import Celery\napp = Celery('x')\n", "nothing"},
		{"only when run", "-- app.py --\nif __name__ == \"__main__\":\n    app = make()\n", "nothing"},
		{"in a function", "-- app.py --\ndef f():\n    app = Flask(__name__)\n", "nothing"},
		{"in a string", "-- app.py --\n\"\"\"\napplication = Flask(__name__)\n\"\"\"\nx = '''\napp = Flask()\n'''\ny = 'app = 1 \\\napp = 2'\n", "nothing"},
		{"in a comment", "-- app.py --\n# app = Flask(__name__)\nx = [  # app = 1\n]\n", "nothing"},
		{"an argument", "-- app.py --\nrun(\napp = make(),\n)\n", "nothing"},
		{"a comparison", "-- app.py --\nif app == make(): pass\n", "nothing"},
		{"quotes in strings", "-- app.py --\nimport flask\nx = f\"it's {y!r} # no\" + rb'\\'' + \"\"\"a\"b\"\"\"\napp = flask.Flask('x')\n", "p app:app # app.py:3"},
		{"CRLF and latin 1", "-- app.py --\n# caf\xe9\r\nimport flask\r\napp = \\\r\n  flask.Flask('x')\r\n", "p app:app # app.py:3"},
		{"names in a circle", "-- app.py --\nfrom b import app\n-- b.py --\nfrom app import app\n", "p app:app # app.py:1; assumed"},
		{"made of itself", "-- app.py --\napp = wrap(app)\n", "p app:app # app.py:1; assumed"},
		{"in brackets", "-- app.py --\nimport flask\napp = (\n    flask.Flask('x')\n)\n", "p app:app # app.py:2"},
		{"one of two", "-- app.py --\nimport flask\nx, app = 1, flask.Flask('x')\n", "p app:app # app.py:2"},
		{"two of a factory", "-- app.py --\nimport quart\ndef make():\n    a = quart.Quart('x')\n    return a, 1\napp, x = make()\n", "refused p/app.py:5"},
		{"run.py", "-- run.py --\nfrom blog import app\napp.run()\n-- blog/__init__.py --\nfrom flask import Flask\napp = Flask('x')\n", "p blog:app # blog/__init__.py:2"},
		{"src", "-- src/proj/wsgi.py --\nfrom proj.app import app\n-- src/proj/app.py --\nfrom flask import Flask\napp = Flask('x')\n-- src/proj/__init__.py --\n", "p/src proj.wsgi:app # src/proj/wsgi.py:1"},
		{"a module beside src", "-- wsgi.py --\nfrom proj import app\n-- src/proj/__init__.py --\nfrom .a import *\nfrom helper import app\n-- src/proj/a.py --\n-- src/helper.py --\nfrom flask import Flask\napp = Flask('x')\n", "p, /srv/p/src wsgi:app # wsgi.py:1"},
		{"what src imports from the folder", "-- src/proj/wsgi.py --\nfrom proj.views import app\n-- src/proj/views.py --\nimport config, os\nfrom flask import Flask\napp = Flask('x')\n-- config.py --\n", "p/src, /srv/p proj.wsgi:app # src/proj/wsgi.py:1"},
		{"src without __init__.py", "-- src/proj/wsgi.py --\nfrom flask import Flask\napp = Flask('x')\n", "p/src proj.wsgi:app # src/proj/wsgi.py:2"},
		{"a folder that is no package", "-- server/wsgi.py --\nfrom views import application\n-- server/views.py --\ndef application(environ, start_response): pass\n", "p/server wsgi:application # server/wsgi.py:1"},
		{"a package", "-- blog/__init__.py --\nfrom flask import Flask\napp = Flask('x')\n", "p blog:app # blog/__init__.py:2"},
		{"the folder is one", "-- __init__.py --\n-- wsgi.py --\napplication = make()\n", "/srv p.wsgi:application # wsgi.py:1; assumed"},
		{"one, of two names", "-- wsgi.py --\nfrom app import app as application\n-- app.py --\nfrom flask import Flask\napp = Flask('x')\n", "p wsgi:application # wsgi.py:1"},
		{"below a name that is no package's", "-- my-site/shop/app.py --\nimport flask\napp = flask.Flask('x')\n", "p/my-site shop.app:app # my-site/shop/app.py:2"},
		{"two", "-- a/app.py --\nfrom flask import Flask\napp = Flask('x')\n-- b/app.py --\nfrom flask import Flask\napp = Flask('x')\n", "choice a/app.py:app; choice b/app.py:app"},
		{"tests are none", "-- a/app.py --\nfrom flask import Flask\napp = Flask('x')\n-- tests/app.py --\nfrom flask import Flask\napp = Flask('x')\n-- venv2/pyvenv.cfg --\n-- venv2/app.py --\nfrom flask import Flask\napp = Flask('x')\n", "p a.app:app # a/app.py:2"},
		{"ASGI with a Procfile", "-- main.py --\nfrom fastapi import FastAPI\napp = FastAPI()\n-- Procfile --\nweb: uvicorn main:app --port $PORT\n", `[/usr/bin/env, uvicorn, main:app, "--port", "${port}"]; /srv/p`},
		{"a Procfile of two", "-- Procfile --\nadmin: ./a $PORT\napi: ./b $PORT\n", "choice Procfile:admin; choice Procfile:api"},
		{"a Procfile with web", "-- Procfile --\nworker: ./w\napi: ./b $PORT\nweb: ./s\n", "[./s]; /srv/p"},
		{"a Procfile of workers", "-- Procfile --\nworker: ./w\n", "refused p/Procfile:1; nothing"},
		{"scripts", "-- cgi-bin/x --\n#!/bin/sh\n", "/srv/p/cgi-bin/ # cgi-bin"},
		{"scripts that may not run", "-- cgi-bin.txt --\n", "nothing"},
	}
	for _, test := range tests {
		got := summary(readProject(t, folderOf(test.files), importer.Options{Users: map[string]string{"": "www"}}))
		if got != test.want {
			t.Errorf("%s: got  %s\nwant %s", test.name, got, test.want)
		}
	}
}

// Django's settings lead to the callable, and what keeps them from it is said.
func TestDjangoFolders(t *testing.T) {
	const manage = "-- manage.py --\nimport os\ndef main():\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'conf.settings.prod')\n"
	const application = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
	tests := []struct{ name, files, want, note string }{
		{"beside the settings", manage + "-- conf/wsgi.py --\n" + application, "p conf.wsgi:application # conf/wsgi.py:2", "those of manage.py are taken"},
		{"named by the settings", manage + "-- conf/settings/base.py --\nWSGI_APPLICATION = \"deploy.entry.application\"\n-- conf/settings/prod.py --\nfrom .base import *\n-- deploy/entry.py --\n" + application, "p deploy.entry:application # deploy/entry.py:2", ""},
		{"other settings", manage + "-- conf/wsgi.py --\nimport os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'conf.settings.dev'\n" + application, "p conf.wsgi:application # conf/wsgi.py:4", "the settings are conf.settings.dev, and not conf.settings.prod"},
		{"below", strings.ReplaceAll(manage, "manage.py", "backend/manage.py") + "-- backend/conf/wsgi.py --\n" + application, "p/backend conf.wsgi:application # backend/conf/wsgi.py:2", ""},
		{"two of them", strings.ReplaceAll(manage, "manage.py", "a/manage.py") + "-- a/conf/wsgi.py --\n" + application + strings.ReplaceAll(manage, "manage.py", "b/manage.py") + "-- b/conf/wsgi.py --\n" + application, "choice a/conf/wsgi.py:application; choice b/conf/wsgi.py:application", ""},
		{"no wsgi.py", manage, "nothing", "there is no conf.settings.wsgi:application"},
		{"no wsgi.py below", strings.ReplaceAll(manage, "manage.py", "a/manage.py"), "nothing", "there is no conf.settings.wsgi:application"},
		{"no settings", "-- manage.py --\nmain()\n", "nothing", "it names no module of settings"},
		{"only asgi.py", manage + "-- conf/asgi.py --\nfrom django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n", "refused p/conf/asgi.py:2", ""},
	}
	for _, test := range tests {
		result := readProject(t, folderOf(test.files), importer.Options{Users: map[string]string{"": "www"}})
		if got := summary(result); got != test.want {
			t.Errorf("%s: got  %s\nwant %s", test.name, got, test.want)
		}
		if notes := fmt.Sprint(result.Notes); !strings.Contains(notes, test.note) {
			t.Errorf("%s: the notes are %s", test.name, notes)
		}
		if strings.Contains(result.Lacks, "manage.py") {
			t.Errorf("%s: %s, and there is one", test.name, result.Lacks)
		}
	}
}

// The Python of a virtual environment is taken where it runs, that of the folder
// above a nested program too.
func TestVirtualEnvironments(t *testing.T) {
	const app = "-- src/app.py --\nfrom flask import Flask\napp = Flask('x')\n"
	tests := []struct{ files, want, note string }{
		{app + "-- .venv/bin/python3 --\n", "/srv/p/.venv/bin/python3", ""},
		{app + "-- venv/bin/python --\n", "/srv/p/venv/bin/python", ""},
		{app + "-- src/env/bin/python3 --\n", "/srv/p/src/env/bin/python3", ""},
		{app + "-- py312/pyvenv.cfg --\n-- py312/bin/python3 --\n", "/srv/p/py312/bin/python3", ""},
		{app + "-- .venv/pyvenv.cfg --\n", "", "has no python3 that runs here"},
		{app + "-- pyproject.toml --\n", "", "the packages have to be those of the system"},
		{app, "", ""},
	}
	for _, test := range tests {
		result := readProject(t, folderOf(test.files), importer.Options{})
		if len(result.Apps) != 1 {
			t.Fatal(test.files, result)
		}
		got := regexp.MustCompile(`python: (\S+)`).FindStringSubmatch(result.Apps[0].Text)
		if test.want == "" && got != nil || test.want != "" && (got == nil || got[1] != test.want) {
			t.Errorf("%s: %q, and not %s", test.files, got, test.want)
		}
		if notes := fmt.Sprint(result.Notes); !strings.Contains(notes, test.note) {
			t.Errorf("%s: the notes are %s", test.files, notes)
		}
	}
}

// Which of several apps, and of what type, is said by options; what is not there is
// wrong.
func TestChosenApp(t *testing.T) {
	m := folderOf("-- wsgi.py --\napplication = make()\n-- api.py --\nimport flask\napi = flask.Flask('x')\n-- cgi-bin/x --\n-- Procfile --\nweb: ./serve\n")
	for _, test := range []struct {
		o    importer.Options
		want string
	}{
		{importer.Options{}, "p wsgi:application # wsgi.py:1; assumed"},
		{importer.Options{App: "api.py:api"}, "p api:api # api.py:2"},
		{importer.Options{App: "api:api"}, "p api:api # api.py:2"},
		{importer.Options{App: "cgi-bin/"}, "/srv/p/cgi-bin/ # cgi-bin"},
		{importer.Options{App: "Procfile:web"}, "[./serve]; /srv/p"},
		{importer.Options{Type: "cgi"}, "/srv/p/cgi-bin/ # cgi-bin"},
		{importer.Options{Type: "server"}, "[./serve]; /srv/p"},
		{importer.Options{Answers: []importer.Answer{{Field: "wsgi.module", Words: []string{"api:other"}, Flag: "module"}}}, "p api:other"},
	} {
		if got := summary(readProject(t, m, test.o)); got != test.want {
			t.Errorf("%+v: got  %s\nwant %s", test.o, got, test.want)
		}
	}
	if got := summary(readProject(t, folderOf("-- x.cgi --\n-- Procfile --\nweb: ./x\n"), importer.Options{App: "./"})); got != "/srv/p/" {
		t.Errorf("./: got %s", got)
	}
	twice := folderOf("-- Procfile --\nweb: ./x\nweb: ./y\n")
	for app, want := range map[string]string{"Procfile:web": "[./x]; /srv/p", "Procfile:web:2": "[./y]; /srv/p"} {
		if got := summary(readProject(t, twice, importer.Options{App: app})); got != want {
			t.Errorf("%s: got %s", app, got)
		}
	}
	result := readProject(t, m, importer.Options{App: "other"})
	if len(result.Apps) > 0 || len(result.Wrong) != 1 || result.Wrong[0].Flag != "app" || !strings.Contains(result.Wrong[0].Hint, "wsgi.py:application, api.py:api") {
		t.Errorf("%+v", result)
	}
}

// A folder of the kinds that nobody has, and files that are no text, are read within
// bounds, and told of.
func TestAwkwardProjects(t *testing.T) {
	m := folderOf("-- app.py --\nimport flask\napp = flask.Flask('x')\n")
	m["srv/p/wsgi.py"] = &fstest.MapFile{Mode: fs.ModeNamedPipe | 0o644}
	m["srv/p/main.py"] = &fstest.MapFile{Data: make([]byte, 100)}
	m["srv/p/server.py"] = &fstest.MapFile{Data: []byte(strings.Repeat("x = 1\n", 1<<20))}
	m["srv/p/table.py"] = &fstest.MapFile{Data: []byte(strings.Repeat("x = 1\n", 1<<20))}
	m["srv/p/a b.py"] = m["srv/p/app.py"]
	m["srv/p/a\nb.py"] = m["srv/p/app.py"]
	m["srv/p/it's \"x\"/app.py"] = m["srv/p/app.py"]
	result := readProject(t, m, importer.Options{})
	if got := summary(result); got != "p app:app # app.py:2" {
		t.Errorf("got %s", got)
	}
	notes := fmt.Sprint(result.Notes)
	for _, want := range []string{"p/wsgi.py: skipped: is no regular file", "p/main.py: lost: can not be read: has a NUL byte", "p/server.py: lost: can not be read: has more than"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q: %s", want, notes)
		}
	}
	if strings.Contains(notes, "table.py") {
		t.Errorf("the notes tell of a file that is nobody's app: %s", notes)
	}
	m["srv/manage.py"] = &fstest.MapFile{Data: []byte("x = 1\n")}
	delete(m, "srv/p/app.py")
	delete(m, "srv/p/it's \"x\"/app.py")
	if notes := fmt.Sprint(readProject(t, m, importer.Options{}).Notes); !strings.Contains(notes, "/srv/manage.py: skipped: it stands above the folder") {
		t.Errorf("the notes do not tell of the folder above: %s", notes)
	}
	_, err := importer.Read(t.Context(), importer.Project, fstest.MapFS{"srv/a\nb/wsgi.py": m["srv/p/app.py"]}, "srv/a\nb", "b", &importer.Options{})
	if err == nil || !strings.Contains(err.Error(), "control character") {
		t.Errorf("a path of two lines: %v", err)
	}
	if _, err = importer.Read(t.Context(), importer.Project, m, "srv/q", "q", &importer.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// Any text is read without a panic, and in a time that grows as the text does.
func FuzzPython(f *testing.F) {
	for _, text := range []string{
		"from a import b as application\n", "app = App(\n'x', \"\"\"y\"\"\", f'{z}'\n)\n", "class application:\n def __init__(self, environ, start_response): pass\n",
		"if x: app = y\nelif z:\n\tapp = q\\\n(1)\n", "'''", "\"\\", "((((", "app = app\n", "def app(", "@x.application\ndef app(a): pass\n", "from . import *\nfrom .. import app\n", "lambda", "app = lambda: 1",
		"import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'a.b'\n", "app = a.b(c(d(e(f(app)))))\n", "a = b = app = a\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m := folderOf("-- b.py --\nfrom wsgi import *\napp = other\n")
		m["srv/p/wsgi.py"] = &fstest.MapFile{Data: []byte(text)}
		m["srv/p/manage.py"] = m["srv/p/wsgi.py"]
		m["srv/p/__init__.py"] = m["srv/p/wsgi.py"]
		result := readProject(t, m, importer.Options{})
		for _, a := range result.Apps {
			if load(a.Text) == nil {
				t.Errorf("this is not valid:\n%s", a.Text)
			}
		}
	})
}

// Where a program listens that is told its port by its words, or that has one of its
// own, is no matter of PORT.
func TestProcfilePorts(t *testing.T) {
	for command, want := range map[string]string{
		"./serve":                              "5000",
		"./serve --port $PORT":                 "5000",
		"uvicorn main:app":                     "8000",
		"uvicorn main:app --port 9001":         "9001",
		"uvicorn main:app --port=9001 -x":      "9001",
		"gunicorn app:app":                     "5000",
		"gunicorn -b 0.0.0.0:9002 app:app":     "9002",
		"gunicorn --bind=:9003 app:app":        "9003",
		"gunicorn --bind [::]:9004 app:app":    "9004",
		"hypercorn --bind localhost:9005 a:b":  "9005",
		"./serve -p 9006":                      "9006",
		"./serve --port 99999":                 "5000",
		"./serve -p 0660":                      "5000",
		"waitress-serve --listen=*:9007 a:app": "9007",
		"waitress-serve a:app":                 "8080",
	} {
		result := readProject(t, folderOf("-- Procfile --\nweb: "+command+"\n"), importer.Options{})
		if len(result.Apps) != 1 || !strings.Contains(result.Apps[0].Text, "  tcp: 127.0.0.1:"+want) {
			t.Errorf("%s is not at %s: %+v", command, want, result)
		}
	}
}

// A module that serves by itself does not come back from its import.
func TestModuleThatServes(t *testing.T) {
	const text = "-- app.py --\nimport flask\napp = flask.Flask('x')\n"
	for more, want := range map[string]bool{
		"app.run(debug=True)\n": true, "if True:\n    app.run()\n": true, "from waitress import serve\nserve(app)\n": true,
		"if __name__ == '__main__':\n    app.run()\n": false, "def main():\n    app.run()\n": false, "x = app.run\n": false,
	} {
		notes := fmt.Sprint(readProject(t, folderOf(text+more), importer.Options{}).Notes)
		if strings.Contains(notes, "does not come back") != want {
			t.Errorf("%q: %s", more, notes)
		}
	}
}

// What an answer says is not told of as assumed.
func TestNothingAssumedThatIsSaid(t *testing.T) {
	m := folderOf("-- Procfile --\nweb: ./serve\n")
	result := readProject(t, m, importer.Options{Answers: []importer.Answer{
		{Field: "run.user", Words: []string{"www"}, Flag: "user"},
		{Field: "listen", Words: []string{"127.0.0.1:9000"}, Flag: "listen"},
		{Field: "http.mount", Words: []string{"/x/"}, Flag: "mount"},
		{Field: "protocol", Words: []string{"scgi"}, Flag: "protocol"},
	}})
	for _, n := range result.Notes {
		if n.Class == importer.Assumed && n.Field != "run.umask" {
			t.Errorf("%s", n)
		}
	}
	if len(result.Apps) != 1 || !strings.Contains(result.Apps[0].Text, "9000") {
		t.Errorf("%+v", result)
	}
	units := fstest.MapFS{"x.service": {Data: []byte("[Service]\nUser=u\nExecStart=/x --bind 127.0.0.1:9000\n")}}
	result, err := importer.Read(t.Context(), importer.Systemd, units, "x.service", "x.service", &importer.Options{Targets: generate.OptionTypes(), Listens: map[string]string{"": "127.0.0.1:9001"}})
	if err != nil || len(result.Apps) != 1 || !strings.Contains(result.Apps[0].Text, "tcp: 127.0.0.1:9001") {
		t.Fatalf("%+v %v", result, err)
	}
	for _, n := range result.Notes {
		if strings.HasPrefix(n.Field, "listen") {
			t.Errorf("%s", n)
		}
	}
}
