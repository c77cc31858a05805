package install

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/fileset"
)

// blogSet is what an app of nginx, inetd and daemontools is.
func blogSet(t testing.TB, app, body string) *fileset.Set {
	t.Helper()
	set, err := blogFiles(app, body)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func blogFiles(app, body string) (*fileset.Set, error) {
	set := new(fileset.Set)
	for _, f := range []fileset.File{
		{Path: "nginx/" + app + ".location.conf", Mode: 0o644, Data: []byte("# " + body + "\n"), Target: "nginx", Place: "server"},
		{Path: "inetd/" + app + ".conf", Mode: 0o644, Data: []byte(app + " stream tcp " + body + "\n"), Target: "inetd", Place: "inetd.conf"},
		{Path: "daemontools/" + app, Kind: fileset.Dir, Mode: 0o755, Target: "daemontools", Place: "service"},
		{Path: "daemontools/" + app + "/run", Mode: 0o755, Data: []byte("#!/bin/sh\n# " + body + "\n"), Target: "daemontools", Place: "service"},
		{Path: "daemontools/" + app + "/env", Kind: fileset.Dir, Mode: 0o700, Target: "daemontools", Place: "service"},
		{Path: "daemontools/" + app + "/env/KEY", Kind: fileset.Symlink, Link: "/etc/key", Target: "daemontools", Place: "service"},
		{Path: "daemontools/" + app + "/log", Kind: fileset.Dir, Mode: 0o755, Target: "daemontools", Place: "service"},
		{Path: "daemontools/" + app + "/log/run", Mode: 0o755, Data: []byte("#!/bin/sh\n"), Target: "daemontools", Place: "service"},
		{Path: "daemontools/" + app + "/log/main", Kind: fileset.Dir, Mode: 0o750, User: "nobody", Group: "nogroup", Target: "daemontools", Place: "service"},
	} {
		f.Apps = []string{app}
		if err := set.Add(f); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// folder returns a new folder, in memory where there is such a place: the order of
// what is synced is for TestOrderOnDisk, and the thousands of syncs cost little there.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "scgikit") //nolint:usetesting // in memory, which t.TempDir is not
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// machine returns a root folder with files of an administrator, and a handle.
func machine(t testing.TB) (*Machine, string) {
	t.Helper()
	dir := folder(t)
	for name, text := range map[string]string{
		"etc/os-release":       "ID=debian\n",
		"etc/inetd.conf":       "time stream tcp nowait root internal\r\n\n#last without an end",
		"etc/nginx/nginx.conf": "events {}\n",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err := OpenMachine(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, dir
}

func request(t testing.TB, m *Machine, set *fileset.Set, scope Scope) *Request {
	t.Helper()
	receipt, err := m.Receipt()
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{Receipt: receipt, Scope: scope}
	if set != nil {
		family, err := m.Recognise()
		if err != nil {
			t.Fatal(err)
		}
		places, _ := PlacesOf(family)
		resolved, err := Resolve(set, places, Owners{})
		if err != nil {
			t.Fatal(err)
		}
		r.Want = resolved.Items
		m.Expect(r.Want)
	}
	return r
}

func plan(t testing.TB, m *Machine, r *Request) *Plan {
	t.Helper()
	p, err := m.Plan(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run plans and applies, as one command does.
func run(t testing.TB, m *Machine, r *Request) (*Plan, error) {
	t.Helper()
	p := plan(t, m, r)
	return p, apply(t, m, p)
}

func apply(t testing.TB, m *Machine, p *Plan) error {
	t.Helper()
	return applyWith(t, m, p, nil)
}

// applyWith has every step end with an error, where one is given.
func applyWith(t testing.TB, m *Machine, p *Plan, fails error) error {
	t.Helper()
	lock, err := m.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	o := Options{Command: "install"}
	if fails != nil {
		o.Run = func(context.Context, *Step) error { return fails }
	}
	_, err = m.Apply(t.Context(), p, o)
	return err
}

func scopeOf(app string) Scope { return Scope{Apps: []string{app}} }

// tree lists a folder: path, kind, mode, bytes. The folder of receipts is left out.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		switch rel {
		case "var", "var/lib", "var/lib/scgikit":
			return nil
		case "var/lib/scgikit/history", "var/lib/scgikit/receipts.json", "var/lib/scgikit/lock":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := info.Mode().String() + " " + rel
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += " " + digest(text)[:8]
		case info.Mode().Type() == fs.ModeSymlink:
			link, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " -> " + link
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func ops(p *Plan) string {
	var b strings.Builder
	for i := range p.Actions {
		b.WriteString(p.Actions[i].String() + "\n")
	}
	return b.String()
}

func edit(t testing.TB, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("# mine\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestRound: install, install again, change, edit by hand, roll back, uninstall:
// at the end everything is as at the beginning.
func TestRound(t *testing.T) {
	m, dir := machine(t)
	first := tree(t, dir)
	p, err := run(t, m, request(t, m, blogSet(t, "blog", "one"), scopeOf("blog")))
	if err != nil {
		t.Fatal(err)
	}
	if got := ops(p); !strings.Contains(got, "write   /etc/nginx/snippets/scgikit-blog.location.conf  0644 root:root") ||
		!strings.HasSuffix(got, "link    /etc/service/blog -> /var/lib/scgikit/daemontools/blog\n") {
		t.Errorf("the plan is\n%s", got)
	}
	second := tree(t, dir)
	if p, err = run(t, m, request(t, m, blogSet(t, "blog", "one"), scopeOf("blog"))); err != nil || !p.Empty() {
		t.Errorf("the second time: %v, %s", err, ops(p))
	}
	// Another app whose name begins with this one's.
	if _, err = run(t, m, request(t, m, blogSet(t, "blog2", "x"), scopeOf("blog2"))); err != nil {
		t.Fatal(err)
	}
	both := tree(t, dir)
	p, err = run(t, m, request(t, m, blogSet(t, "blog", "two"), scopeOf("blog")))
	if err != nil || strings.Contains(ops(p), "blog2") && !strings.Contains(ops(p), "the blocks of blog)") {
		t.Errorf("the change: %v\n%s", err, ops(p))
	}
	third := tree(t, dir)
	edit(t, filepath.Join(dir, "etc/nginx/snippets/scgikit-blog.location.conf"))
	edited := tree(t, dir)
	_, err = run(t, m, request(t, m, blogSet(t, "blog", "three"), scopeOf("blog")))
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || len(refusal.Files) != 1 || !refusal.Files[0].Local || tree(t, dir) != edited {
		t.Errorf("a hand edit: %v", err)
	}
	r := request(t, m, blogSet(t, "blog", "three"), scopeOf("blog"))
	r.Local = OverwriteLocal
	if _, err = run(t, m, r); err != nil {
		t.Fatal(err)
	}
	rollback(t, m, 0, RefuseLocal)
	if got := tree(t, dir); got != edited {
		t.Errorf("the rollback does not have the hand edit back:\n%s\nnot\n%s", got, edited)
	}
	if err := os.WriteFile(filepath.Join(dir, "etc/nginx/snippets/scgikit-blog.location.conf"), []byte("# two\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, dir); got != third {
		t.Errorf("after the rollback of three:\n%s\nnot\n%s", got, third)
	}
	rollback(t, m, 3, OverwriteLocal)
	if got := tree(t, dir); got != both {
		t.Errorf("before two:\n%s\nnot\n%s", got, both)
	}
	p, err = run(t, m, request(t, m, nil, scopeOf("blog2")))
	if got := tree(t, dir); err != nil || got != second {
		t.Errorf("without blog2: %v\n%s\n%s\nnot\n%s", err, ops(p), got, second)
	}
	// What a supervisor and a logger leave goes along.
	for _, name := range []string{"supervise/status", "log/supervise/status", "log/main/current", "log/main/@400000004000000000000000.s"} {
		full := filepath.Join(dir, "var/lib/scgikit/daemontools/blog", name)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err = run(t, m, request(t, m, nil, scopeOf("blog")))
	if got := tree(t, dir); err != nil || got != first {
		t.Errorf("uninstalled: %v\n%s\n%s\nnot\n%s", err, ops(p), got, first)
	}
}

func rollback(t *testing.T, m *Machine, id int, local Local) {
	t.Helper()
	p, err := m.PlanRollback(id, local, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := apply(t, m, p); err != nil {
		t.Fatalf("rollback %d: %v\n%s", id, err, ops(p))
	}
}
