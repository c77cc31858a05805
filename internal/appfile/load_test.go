package appfile

import (
	"strings"
	"testing"
)

const blogText = `apiVersion: scgikit/v1
name: blog
type: server
run:
  command: [/srv/blog/serve, --port, "${port}"]
  user: www
  instances: 2
  env:
    LANG: C.UTF-8
    DEBUG: yes
    VERSION: 1.10
listen:
  tcp: 127.0.0.1:8040
http:
  mount: /blog
  static:
    - url: /blog/static/
      dir: /data/blog/static/
`

func load(t *testing.T, l *Loader, text string) *App {
	t.Helper()
	p, list := l.Load([]Source{{Name: "blog.yaml", Data: []byte(text)}})
	if len(list) > 0 {
		var b strings.Builder
		if err := list.Show(&b); err != nil {
			t.Fatal(err)
		}
		t.Fatal(b.String())
	}
	return p.Apps[0]
}

func TestLoadFirst(t *testing.T) {
	a := load(t, new(Loader), blogText)
	if got := a.Instances[1].Run.Command[2]; got != "8041" {
		t.Errorf("port of the second instance is %s", got)
	}
	if got := a.Backends()[1].String(); got != "127.0.0.1:8041" {
		t.Errorf("the second backend is %s", got)
	}
	if a.HTTP.Mount != "/blog/" || a.Health.Path != "/blog/" || a.Log.Dir != "/var/log/scgikit/blog" || a.Description != "blog" {
		t.Errorf("defaults: %q %q %q %q", a.HTTP.Mount, a.Health.Path, a.Log.Dir, a.Description)
	}
	if a.Run.Env["DEBUG"] != "yes" || a.Run.Env["VERSION"] != "1.10" {
		t.Errorf("env: %v", a.Run.Env)
	}
	o := a.Origin("http.static[0].dir")
	if o.Kind != FromFile || o.Span.Line != 18 || o.Span.Column != 12 || o.Span.Width != len("/data/blog/static/") {
		t.Errorf("origin: %+v", o)
	}
	if p, ok := a.FindString("unix:/data/blog/static/"); !ok || p != "http.static[0].dir" {
		t.Errorf("FindString: %q", p)
	}
	if got := FieldOf("http.static[0].dir"); got != "http.static[].dir" {
		t.Errorf("FieldOf: %q", got)
	}
}
