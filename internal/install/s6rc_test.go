package install

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/fileset"
)

// s6rcSet is an app of s6-rc, as it is generated, that depends on a service of the
// administrator's.
func s6rcSet(t *testing.T, body string) *fileset.Set {
	t.Helper()
	set := new(fileset.Set)
	for _, f := range []fileset.File{
		{Path: "s6-rc/blog.srv", Kind: fileset.Dir, Mode: 0o755},
		{Path: "s6-rc/blog.srv/type", Mode: 0o644, Data: []byte("longrun\n")},
		{Path: "s6-rc/blog.srv/run", Mode: 0o755, Data: []byte("#!/bin/sh\n# " + body + "\n")},
		{Path: "s6-rc/blog.srv/producer-for", Mode: 0o644, Data: []byte("blog.log\n")},
		{Path: "s6-rc/blog.srv/dependencies.d", Kind: fileset.Dir, Mode: 0o755},
		{Path: "s6-rc/blog.srv/dependencies.d/network", Mode: 0o644, Place: "definition elsewhere"},
		{Path: "s6-rc/blog.log", Kind: fileset.Dir, Mode: 0o755},
		{Path: "s6-rc/blog.log/type", Mode: 0o644, Data: []byte("longrun\n")},
		{Path: "s6-rc/blog.log/run", Mode: 0o755, Data: []byte("#!/bin/sh\n")},
		{Path: "s6-rc/blog.log/dir", Kind: fileset.Dir, Mode: 0o750, User: "nobody", Group: "nogroup", Place: "/var/log/blog"},
	} {
		f.Target, f.Apps = "s6-rc", []string{"blog"}
		if f.Place == "" {
			f.Place = "definition"
		}
		if err := set.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	return set
}

// TestS6rc: what s6-rc is told of services that come, change and go, and of a change
// that fails, by way of programs that take the place of its own. These compile the
// names of definitions alone, and record what they are given.
func TestS6rc(t *testing.T) {
	m, dir := machine(t)
	bin := t.TempDir()
	live, first := filepath.Join(bin, "live"), filepath.Join(bin, "db/first")
	record := "#!/bin/sh\necho \"${0##*/} $*\" >>" + bin + "/calls\n"
	for name, text := range map[string]string{
		"bin/s6-rc":         `[ "$3" = -u ] && [ -e ` + bin + `/refuse ] && { echo no; exit 1; }` + "\nexit 0\n",
		"bin/s6-svc":        "",
		"bin/s6-rc-compile": `[ ! -e ` + bin + `/broken ] && mkdir "$1" && { echo network; cd ` + dir + `"$2" 2>/dev/null && for d in *.srv; do [ -d "$d" ] && printf '%s\n' "$d" "${d%.srv}.log" "${d%.srv}" s6rc-fdholder; done; true; } >"$1/names"` + "\n",
		"bin/s6-rc-update":  `ln -sfn "$3" "$2/compiled"` + "\n",
		"bin/s6-rc-db":      `cat "$2/names"` + "\n",
		"db/first/names":    "network\n",
	} {
		mode := os.FileMode(0o755)
		if filepath.Dir(name) == "bin" {
			if name != "bin/s6-rc-db" {
				text = record + text
			} else {
				text = "#!/bin/sh\n" + text
			}
		}
		name = filepath.Join(bin, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(live, 0o755), os.Symlink(first, filepath.Join(live, "compiled"))); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(bin, "bin")+":"+os.Getenv("PATH"))
	said := ""
	runner := &Runner{live: live, Say: func(format string, _ ...any) { said += format }}
	do := func(set *fileset.Set, want, calls string) error {
		t.Helper()
		_ = os.Remove(filepath.Join(bin, "calls"))
		r := request(t, m, set, scopeOf("blog"))
		r.Live = true
		p := plan(t, m, r)
		if got := steps(p); got != want {
			t.Errorf("the steps are %s, not %s", got, want)
		}
		lock, err := m.Lock()
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Unlock()
		_, err = m.Apply(t.Context(), p, Options{Command: "install", Run: runner.Run})
		text, _ := os.ReadFile(filepath.Join(bin, "calls"))
		got := strings.NewReplacer(live, "LIVE", filepath.Join(bin, "db")+"/", "").Replace(strings.TrimSpace(string(text)))
		if got = strings.ReplaceAll(got, "\n", "; "); got != calls {
			t.Errorf("s6-rc was told %s\nnot %s", got, calls)
		}
		return err
	}
	before := tree(t, dir)
	compiled := func() string { link, _ := os.Readlink(filepath.Join(live, "compiled")); return filepath.Base(link) }

	// A service that can not be started: all as before, and so is what s6-rc has.
	if err := os.WriteFile(filepath.Join(bin, "refuse"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := do(s6rcSet(t, "one"), "reload blog, start blog",
		"s6-rc-compile scgikit-1 /etc/s6-rc/source; s6-rc-update -l LIVE scgikit-1; s6-rc -l LIVE -u change blog; "+
			"s6-rc -l LIVE -d change blog; s6-rc-compile scgikit-2 /etc/s6-rc/source; s6-rc-update -l LIVE scgikit-2")
	if rolled, ok := errors.AsType[*RolledBack](err); !ok || tree(t, dir) != before {
		t.Errorf("%v, %v leaves\n%s", err, rolled, tree(t, dir))
	}
	if err := os.Remove(filepath.Join(bin, "refuse")); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		set         *fileset.Set
		want, calls string
	}{
		{s6rcSet(t, "one"), "reload blog, start blog", "s6-rc-compile scgikit-3 /etc/s6-rc/source; s6-rc-update -l LIVE scgikit-3; s6-rc -l LIVE -u change blog"},
		{s6rcSet(t, "one"), "", ""},
		{s6rcSet(t, "two"), "reload blog, restart blog.srv", "s6-rc-compile scgikit-4 /etc/s6-rc/source; s6-rc-update -l LIVE scgikit-4; s6-svc -r LIVE/servicedirs/blog.srv"},
		{nil, "stop blog, reload blog", "s6-rc -l LIVE -d change blog; s6-rc-compile scgikit-5 /etc/s6-rc/source; s6-rc-update -l LIVE scgikit-5"},
	} {
		if err := do(c.set, c.want, c.calls); err != nil {
			t.Errorf("%s: %v", c.want, err)
		}
	}
	if tree(t, dir) != before || compiled() != "scgikit-5" || !strings.Contains(said, "next boot") {
		t.Errorf("%s and %q with\n%s", compiled(), said, tree(t, dir))
	}

	// What was compiled from further folders is not lost.
	if err := os.WriteFile(filepath.Join(bin, "db/scgikit-5/names"), []byte("network\nsshd\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err = do(s6rcSet(t, "one"), "reload blog, start blog", "s6-rc-compile scgikit-6 /etc/s6-rc/source; s6-rc-compile scgikit-6 /etc/s6-rc/source")
	if left, ok := errors.AsType[*NotUndone](err); ok {
		t.Errorf("%v", left)
	}
	if err == nil || !strings.Contains(err.Error(), "does not define sshd") || tree(t, dir) != before || compiled() != "scgikit-5" {
		t.Errorf("%v, %s", err, compiled())
	}
	if _, err := os.Stat(filepath.Join(bin, "db/scgikit-6")); err == nil {
		t.Error("what was not taken is left")
	}

	// Nor is anything that does not compile taken, and what is undone is not held up.
	if err := errors.Join(os.WriteFile(filepath.Join(bin, "db/scgikit-5/names"), []byte("network\n"), 0o644), os.WriteFile(filepath.Join(bin, "broken"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	err = do(s6rcSet(t, "one"), "reload blog, start blog", "s6-rc-compile scgikit-6 /etc/s6-rc/source; s6-rc-compile scgikit-6 /etc/s6-rc/source")
	if _, ok := errors.AsType[*Rejected](err); !ok || tree(t, dir) != before {
		t.Errorf("%v", err)
	}
	if j, err := m.Interrupted(); j != nil || err != nil {
		t.Errorf("transaction %v is left, %v", j, err)
	}

	// Where it does not run a person is told what to do.
	runner.live, said = filepath.Join(bin, "none"), ""
	if err := do(s6rcSet(t, "one"), "reload blog, start blog", ""); err != nil || !strings.Contains(said, "s6-rc-compile NEW") {
		t.Errorf("%v, %q", err, said)
	}
}
