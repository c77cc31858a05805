package appfile

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

const twoApps = `apiVersion: scgikit/v1
name: blog
type: server
run:
  user: www
  command: [/srv/blog, "a $$b"]
  env: {LANG: C, TEXT: "it's"}
  secrets: {KEY: {file: /etc/key}}
listen: {tcp: "127.0.0.1:8040"}
http: {mount: /blog/, static: [{url: /blog/s/, dir: /srv/s/}], host: [a.example, b.example]}
---
apiVersion: scgikit/v1
name: wiki
type: cgi
run: {user: www}
cgi: {directory: /srv/wiki/}
listen: {unix: /run/wiki/socket, group: www}
http: {mount: /wiki/}
`

// TestVariants: most values have one that may take their place, it changes the
// app that it is of, and no other.
func TestVariants(t *testing.T) {
	load := func(name string, sets []string) *Project {
		p, list := (&Loader{AppSets: map[string][]string{name: sets}}).Load([]Source{{Name: "x.yaml", Data: []byte(twoApps)}})
		if list.HasErrors() {
			return nil
		}
		return p
	}
	plain := load("", nil)
	for i, a := range plain.Apps {
		good := make(map[string]bool)
		var paths []string
		for _, v := range a.Variants() {
			if _, ok := a.Value(v.Path); !ok {
				t.Errorf("%s has no value", v.Path)
			}
			if !slices.Contains(paths, v.Path) {
				paths = append(paths, v.Path)
			}
			p := load(a.Name, v.Sets)
			if p == nil {
				continue
			}
			other := 1 - i
			if v.Path != "name" && !bytes.Equal(p.Apps[other].Canonical(), plain.Apps[other].Canonical()) {
				t.Errorf("%v changes the other app", v.Sets)
			}
			if v.Path == "name" || !bytes.Equal(p.Apps[i].Canonical(), a.Canonical()) {
				good[v.Path] = true
			}
		}
		var bad []string
		for _, path := range paths {
			if !good[path] && !strings.HasPrefix(path, "cgi.") && !strings.HasPrefix(path, "wsgi.") {
				bad = append(bad, path)
			}
		}
		// Rules across fields, and what is no part of the canonical form.
		allowed := []string{"type", "run.command", "listen.tcp", "listen.unix", "listen.user", "listen.group", "listen.mode", "vars", "vars_from_env"}
		bad = slices.DeleteFunc(bad, func(path string) bool { return slices.Contains(allowed, path) })
		if len(bad) > 0 {
			t.Errorf("%s: no variant changes %v", a.Name, bad)
		}
	}
	blog, _ := plain.App("blog")
	for path, want := range map[string]string{
		"run.command[1]": "a $b", "run.env.TEXT": "it's", "run.secrets.KEY.file": "/etc/key", "http.static[0].url": "/blog/s/", "http.host[1]": "b.example",
		"listen.mode": "0660", "run.restart.delay": "1s", "run.command": `["/srv/blog", "a $b"]`,
	} {
		if got, ok := blog.Value(path); got != want || !ok {
			t.Errorf("%s is %q, %v, want %q", path, got, ok, want)
		}
	}
	if _, ok := blog.Value("run.nothing"); ok {
		t.Error("what is no field has a value")
	}
}
