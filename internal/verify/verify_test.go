package verify

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/inetdconf"
	"scgikit/internal/need"
)

func setOf(t *testing.T, files ...fileset.File) *fileset.Set {
	t.Helper()
	set := new(fileset.Set)
	for _, f := range files {
		if err := set.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	return set
}

func script(name, target, text string) fileset.File {
	return fileset.File{Path: name, Mode: 0o755, Data: []byte(text), Target: target, Apps: []string{"blog"}}
}

func conf(name, target, place, text string, apps ...string) fileset.File {
	return fileset.File{Path: name, Mode: 0o644, Data: []byte(text), Target: target, Place: place, Apps: apps}
}

// only returns the results of one checker.
func only(t *testing.T, set *fileset.Set, o *Options, checker string) Result {
	t.Helper()
	results, err := Check(t.Context(), set, o)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(results, func(r Result) bool { return r.Checker == checker })
	if i < 0 {
		t.Fatalf("%s is not among %+v", checker, results)
	}
	return results[i]
}

func TestScripts(t *testing.T) {
	good := script("d/a/run", "d", "#!/bin/sh\nexec 2>&1\nexec env -i 'a b'\n")
	bad := script("d/b/run", "d", "#!/bin/sh\n\nif true\n")
	python := script("d/c/run", "d", "#!/usr/bin/python3\nif True:\n")
	r := only(t, setOf(t, good, python), new(Options), "sh -n")
	if r.Outcome != Accepted || r.Files != 1 || r.Program == "" {
		t.Errorf("good: %+v", r)
	}
	r = only(t, setOf(t, good, bad, python), new(Options), "sh -n")
	if r.Outcome != Rejected || r.Files != 2 || len(r.Complaints) == 0 {
		t.Fatalf("bad: %+v", r)
	}
	if c := r.Complaints[0]; c.Path != "d/b/run" || c.Line < 3 || !strings.Contains(strings.ToLower(c.Message), "syntax error") {
		t.Errorf("complaint: %+v", c)
	}
	t.Setenv("PATH", t.TempDir())
	if r := only(t, setOf(t, good, bad), new(Options), "sh -n"); r.Outcome != NotChecked || r.Why == "" {
		t.Errorf("without a shell: %+v", r)
	}
}

// TestShellDoesNotRun: sh -n reads a script and does nothing it says.
func TestShellDoesNotRun(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "ran")
	only(t, setOf(t, script("d/a/run", "d", "#!/bin/sh\n: > "+mark+"\n")), new(Options), "sh -n")
	if _, err := os.Stat(mark); err == nil {
		t.Error("the script was run")
	}
}

func TestServiceFolders(t *testing.T) {
	run := script("d/blog/run", "d", "#!/bin/sh\n")
	logRun := script("d/blog/log/run", "d", "#!/bin/sh\n")
	plain := func(name, text string) fileset.File { return conf(name, "d", "", text, "blog") }
	tests := []struct {
		name  string
		files []fileset.File
		path  string // of the complaint; "" for none
	}{
		{"whole", []fileset.File{run, logRun, plain("d/blog/env/A", "1\n"), plain("d/blog/env/B", ""), plain("d/blog/env/C", "a\x00b")}, ""},
		{"not executable", []fileset.File{{Path: "d/blog/run", Mode: 0o644, Data: []byte("#!/bin/sh\n"), Target: "d"}}, "d/blog/run"},
		{"no interpreter", []fileset.File{script("d/blog/run", "d", "echo\n")}, "d/blog/run"},
		{"log without run", []fileset.File{run, plain("d/blog/log/config", "x\n")}, "d/blog/log"},
		{"hidden", []fileset.File{script("d/.blog/run", "d", "#!/bin/sh\n")}, "d/.blog/run"},
		{"two lines", []fileset.File{run, plain("d/blog/env/A", "1\n2\n")}, "d/blog/env/A"},
		{"blanks at the end", []fileset.File{run, plain("d/blog/env/A", "1 \n")}, "d/blog/env/A"},
		{"a name with =", []fileset.File{run, plain("d/blog/env/A=B", "1\n")}, "d/blog/env/A=B"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := only(t, setOf(t, tt.files...), new(Options), "service folders")
			if (r.Outcome == Rejected) != (tt.path != "") {
				t.Fatalf("%+v", r)
			}
			if tt.path != "" && (len(r.Complaints) != 1 || r.Complaints[0].Path != tt.path) {
				t.Errorf("complaints: %+v", r.Complaints)
			}
		})
	}
}

func TestInetd(t *testing.T) {
	line := func(app, text string) fileset.File {
		return conf("inetd/"+app+".conf", "inetd", "inetd.conf", text, app)
	}
	o := &Options{Dialects: map[string]inetdconf.Dialect{
		"a": inetdconf.FreeBSD, "b": inetdconf.FreeBSD, "c": inetdconf.OpenBSD, "d": inetdconf.Busybox,
	}}
	good := []fileset.File{
		line("a", "# a comment\n:www:www:0660:/run/a.sock stream unix nowait/16 www /bin/true true\n"),
		line("b", "# another\n:www:www:0660:/run/b.sock stream unix nowait/16 www /bin/true true\n"),
		line("c", "/run/c.sock stream unix nowait.100 www /bin/true true\n"),
	}
	for _, dialect := range []string{"freebsd", "openbsd"} {
		if r := only(t, setOf(t, good...), o, "inetd.conf ("+dialect+")"); r.Outcome != Accepted {
			t.Errorf("%+v", r)
		}
	}
	// The second file of a dialect is named, with its own line.
	bad := append(slices.Clone(good), line("d", "# fine\n/run/d.sock stream unix nowait/16 www /bin/true true\n"))
	r := only(t, setOf(t, bad...), o, "inetd.conf (busybox)")
	if r.Outcome != Rejected || r.Complaints[0].Path != "inetd/d.conf" {
		t.Errorf("%+v", r)
	}
	// A line that begins with a blank goes on with the one before it.
	swallowed := []fileset.File{good[0], line("b", " :www:www:0660:/run/b.sock stream unix nowait/16 www /bin/true true\n")}
	r = only(t, setOf(t, swallowed...), o, "inetd.conf (freebsd)")
	if r.Outcome != Rejected || r.Complaints[len(r.Complaints)-1].Path != "inetd/b.conf" {
		t.Errorf("%+v", r)
	}
}

func TestNginx(t *testing.T) {
	need.Program(t, "nginx")
	good := conf("nginx/a.conf", "nginx", "server", "location ^~ /a/ { return 204; }\n", "a")
	twice := conf("nginx/b.conf", "nginx", "server", "location ^~ /a/ { return 204; }\n", "b")
	bad := conf("nginx/c.conf", "nginx", "server", "\nno_such_thing on;\n", "c")
	stub := conf("nginx/d.conf", "nginx", "server", "location /d/ { include /etc/nginx/mine.conf; }\n", "d")
	sameHosts := &Options{Hosts: map[string]string{"a": "any", "b": "any"}}
	otherHosts := &Options{Hosts: map[string]string{"a": "one", "b": "two"}}
	if r := only(t, setOf(t, good), new(Options), "nginx"); r.Outcome != Accepted || r.Files != 1 {
		t.Errorf("good: %+v", r)
	}
	r := only(t, setOf(t, good, bad), new(Options), "nginx")
	if r.Outcome != Rejected || r.Complaints[0].Path != "nginx/c.conf" || r.Complaints[0].Line != 2 {
		t.Errorf("bad: %+v", r)
	}
	if strings.Contains(r.Complaints[0].Message, os.TempDir()) {
		t.Errorf("a temporary folder shows: %s", r.Complaints[0].Message)
	}
	if r := only(t, setOf(t, good, twice), sameHosts, "nginx"); r.Outcome != Rejected {
		t.Errorf("one location twice: %+v", r)
	}
	if r := only(t, setOf(t, good, twice), otherHosts, "nginx"); r.Outcome != Accepted || r.Files != 2 {
		t.Errorf("on two hosts: %+v", r)
	}
	stubs := &Options{Stubs: map[string][]string{"nginx": {"/etc/nginx/mine.conf"}}}
	if r := only(t, setOf(t, stub), stubs, "nginx"); r.Outcome != Accepted {
		t.Errorf("with a file of the machine: %+v", r)
	}
	gone := &Options{Programs: map[string]string{"nginx": filepath.Join(t.TempDir(), "nginx")}}
	if r := only(t, setOf(t, good), gone, "nginx"); r.Outcome != NotChecked || r.Why == "" {
		t.Errorf("without nginx: %+v", r)
	}
}

// TestLighttpd: an unknown key is a warning to Lighttpd, which ends with 0.
func TestLighttpd(t *testing.T) {
	need.Program(t, "lighttpd")
	good := conf("lighttpd/a.conf", "lighttpd", "server", "server.tag = \"x\"\n", "a")
	if r := only(t, setOf(t, good), new(Options), "lighttpd"); r.Outcome != Accepted {
		t.Errorf("good: %+v", r)
	}
	for name, text := range map[string]string{"unknown key": "scgi.servr = ( )\n", "syntax": "server.tag = (\n"} {
		bad := conf("lighttpd/b.conf", "lighttpd", "server", text, "b")
		r := only(t, setOf(t, good, bad), new(Options), "lighttpd")
		if r.Outcome != Rejected || len(r.Complaints) == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestApache(t *testing.T) {
	need.Program(t, "apache2")
	good := conf("apache/a.conf", "apache", "server", "Alias \"/a/\" \"/srv/a/\"\n", "a")
	bad := conf("apache/b.conf", "apache", "server", "\nNoSuchThing on\n", "b")
	lacks := conf("apache/c.conf", "apache", "server",
		"<IfModule !nonesuch_module>\n  Error \"scgikit: c needs mod_nonesuch; load it\"\n</IfModule>\n", "c")
	if r := only(t, setOf(t, good), new(Options), "apache"); r.Outcome != Accepted {
		t.Errorf("good: %+v", r)
	}
	r := only(t, setOf(t, good, bad), new(Options), "apache")
	if r.Outcome != Rejected || r.Complaints[0].Path != "apache/b.conf" || r.Complaints[0].Line != 2 {
		t.Errorf("bad: %+v", r)
	}
	// A module that this machine lacks is nothing against the file, and does
	// not hide what is wrong with another.
	r = only(t, setOf(t, good, lacks), new(Options), "apache")
	if r.Outcome != NotChecked || !strings.Contains(r.Why, "mod_nonesuch") {
		t.Errorf("without a module: %+v", r)
	}
	r = only(t, setOf(t, lacks, bad), new(Options), "apache")
	if r.Outcome != Rejected {
		t.Errorf("without a module, and bad: %+v", r)
	}
}

func TestHAProxy(t *testing.T) {
	need.Program(t, "haproxy")
	backend := "backend a\n    mode http\n    timeout connect 5s\n    timeout server 5s\n    server s 127.0.0.1:1\n"
	good := conf("haproxy/a.cfg", "haproxy", "config", backend, "a")
	rules := conf("haproxy/r.rules", "haproxy", "frontend", "use_backend %[path,map_reg(/etc/haproxy/x.map)]\n", "a")
	list := conf("haproxy/x.map", "haproxy", "/etc/haproxy/x.map", "^/ a\n", "a")
	bad := conf("haproxy/b.cfg", "haproxy", "config", "\n\nbackend b\n    no_such_thing\n", "b")
	if r := only(t, setOf(t, good, rules, list), new(Options), "haproxy"); r.Outcome != Accepted {
		t.Errorf("good: %+v", r)
	}
	r := only(t, setOf(t, good, bad), new(Options), "haproxy")
	if r.Outcome != Rejected || r.Complaints[0].Path != "haproxy/b.cfg" || r.Complaints[0].Line != 4 {
		t.Errorf("bad: %+v", r)
	}
}

func TestCaddy(t *testing.T) {
	need.Program(t, "caddy")
	good := conf("caddy/a.caddy", "caddy", "site", "handle /a/* {\n\terror 404\n}\n", "a")
	site := conf("caddy/s.caddy", "caddy", "config", "https://example.org {\n\terror 404\n}\n", "a")
	if r := only(t, setOf(t, good, site), new(Options), "caddy"); r.Outcome != Accepted {
		t.Errorf("good: %+v", r)
	}
	// Inside a handle block, Caddy names the line behind.
	for text, line := range map[string]int{"\nno_such_thing\n": 2, "\nhandle /b/* {\n\tno_such_thing\n}\n": 4, "\nreverse_proxy 127.0.0.1:1 {\n\tno_such_thing\n}\n": 3} {
		r := only(t, setOf(t, good, conf("caddy/b.caddy", "caddy", "site", text, "b")), new(Options), "caddy")
		if r.Outcome != Rejected || r.Complaints[0].Path != "caddy/b.caddy" || r.Complaints[0].Line != line {
			t.Errorf("%q: %+v", text, r)
		}
	}
}

// TestPrivateTempDir: run by root, the folder has to be one that the server's
// user can enter.
func TestPrivateTempDir(t *testing.T) {
	if os.Geteuid() != 0 {
		need.Missing(t, "root") // others run servers as themselves
	}
	need.Program(t, "nginx")
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", closed)
	good := conf("nginx/a.conf", "nginx", "server", "location ^~ /a/ { return 204; }\n", "a")
	if r := only(t, setOf(t, good), new(Options), "nginx"); r.Outcome != Accepted {
		t.Errorf("%+v", r)
	}
}
