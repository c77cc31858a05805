package install

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
)

const snippet = "etc/nginx/snippets/scgikit-blog.location.conf"

// attempt installs blog, as a command does, and returns its error.
func attempt(t *testing.T, m *Machine) error {
	t.Helper()
	receipt, err := m.Receipt()
	if err != nil {
		return err
	}
	places, _ := PlacesOf("debian")
	resolved, err := Resolve(blogSet(t, "blog", "one"), places, Owners{})
	if err != nil {
		return err
	}
	r := &Request{Want: resolved.Items, Receipt: receipt, Scope: scopeOf("blog")}
	p, err := m.Plan(r)
	if err != nil {
		return err
	}
	if len(p.Refused) > 0 {
		return &Refusal{Files: p.Refused}
	}
	return apply(t, m, p)
}

// TestUntrusted refuses each folder on the way that another user could change, and
// names it.
func TestUntrusted(t *testing.T) {
	need.Root(t)
	layouts := 0
	for _, name := range []string{"etc", "etc/nginx", "etc/nginx/snippets", "var", "var/lib", "var/lib/scgikit"} {
		for _, how := range []string{"group", "all", "sticky", "owner"} {
			m, dir := machine(t)
			at := filepath.Join(dir, name)
			if err := os.MkdirAll(at, 0o755); err != nil {
				t.Fatal(err)
			}
			err := map[string]func() error{
				"group":  func() error { return os.Chmod(at, 0o775) },
				"all":    func() error { return os.Chmod(at, 0o777) },
				"sticky": func() error { return os.Chmod(at, 0o777|os.ModeSticky) },
				"owner":  func() error { return os.Chown(at, 65534, 65534) },
			}[how]()
			if err != nil {
				t.Fatal(err)
			}
			before := tree(t, dir)
			unsafe, ok := errors.AsType[*Unsafe](attempt(t, m))
			if !ok || unsafe.Path != at || tree(t, dir) != before {
				t.Errorf("%s, %s: %v", name, how, unsafe)
			}
			layouts++
		}
	}
	t.Attr("sum", fmt.Sprintf("%d layouts that another user could change, all refused", layouts))
}

// TestInTheWay refuses what stands in the place of a file, whatever it is, and
// waits for none of it.
func TestInTheWay(t *testing.T) {
	for what, put := range map[string]func(name string) error{
		"file":          func(name string) error { return os.WriteFile(name, []byte("mine\n"), 0o644) },
		"folder":        func(name string) error { return os.Mkdir(name, 0o755) },
		"FIFO":          func(name string) error { return syscall.Mkfifo(name, 0o644) },
		"link":          func(name string) error { return os.Symlink("/etc/passwd", name) },
		"dangling link": func(name string) error { return os.Symlink("nothing", name) },
		"hard link":     func(name string) error { return os.Link(filepath.Join(filepath.Dir(name), "../nginx.conf"), name) },
	} {
		m, dir := machine(t)
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(snippet)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := put(filepath.Join(dir, snippet)); err != nil {
			t.Fatal(err)
		}
		before := tree(t, dir)
		refusal, ok := errors.AsType[*Refusal](attempt(t, m))
		if !ok || !strings.HasSuffix(refusal.Files[0].Path, "scgikit-blog.location.conf") || refusal.Files[0].Local || tree(t, dir) != before {
			t.Errorf("a %s: %v", what, refusal)
		}
	}
}

// TestLinksBelowRoot: a link from the root of another machine, such as /var/run ->
// /run, leads to a place below that root.
func TestLinksBelowRoot(t *testing.T) {
	m, dir := machine(t)
	for link, to := range map[string]string{"etc/service": "/run/service", "var": "/data/var", "etc/nginx/snippets": "../../data/snippets"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"run/service", "data/var", "data/snippets"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := attempt(t, m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run/service/blog", "data/var/lib/scgikit/receipts.json", "data/snippets/scgikit-blog.location.conf"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestLinkLoop ends.
func TestLinkLoop(t *testing.T) {
	m, dir := machine(t)
	if err := os.Symlink("/etc/nginx/snippets", filepath.Join(dir, "etc/nginx/snippets")); err != nil {
		t.Fatal(err)
	}
	if err := attempt(t, m); err == nil {
		t.Error("a link to itself is a folder")
	}
}

// TestOtherApps: a path that is recorded for other apps is refused.
func TestOtherApps(t *testing.T) {
	m, _ := machine(t)
	set := new(fileset.Set)
	f := fileset.File{Path: "nginx/50-host.server.conf", Mode: 0o644, Data: []byte("# a\n"), Target: "nginx", Place: "http", Apps: []string{"a"}}
	if err := set.Add(f); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, m, request(t, m, set, scopeOf("a"))); err != nil {
		t.Fatal(err)
	}
	f.Apps = []string{"b"}
	set = new(fileset.Set)
	if err := set.Add(f); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, m, request(t, m, set, scopeOf("b"))); err == nil || !strings.Contains(err.Error(), "belongs to nginx of a") {
		t.Errorf("%v", err)
	}
}

// TestHalfMade: the folders on the way to the lock may be another's that is about to
// make them, and does not get the lock then.
func TestHalfMade(t *testing.T) {
	m, dir := machine(t)
	p := plan(t, m, request(t, m, blogSet(t, "blog", "one"), scopeOf("blog")))
	for _, name := range []string{"var", "var/lib", "var/lib/scgikit"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := m.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	if _, err := m.Apply(t.Context(), p, Options{Command: "install"}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "var")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestInterruptedInstall ends the context at any moment: the machine is as before
// or as after.
func TestInterruptedInstall(t *testing.T) {
	before, after := 0, 0
	began := time.Now()
	m, _ := machine(t)
	if err := attempt(t, m); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(began)
	for range 50 {
		m, dir := machine(t)
		first := tree(t, dir)
		p := plan(t, m, request(t, m, blogSet(t, "blog", "one"), scopeOf("blog")))
		lock, err := m.Lock()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(2*whole))
		_, err = m.Apply(ctx, p, Options{Command: "install"})
		cancel()
		lock.Unlock()
		switch now := tree(t, dir); {
		case err != nil && errors.Is(err, context.DeadlineExceeded) && now == first:
			before++
		case err == nil && now != first:
			after++
		default:
			t.Errorf("%v leaves\n%s", err, now)
		}
	}
	t.Attr("sum", fmt.Sprintf("interrupted 50 times: %d as before, %d as after", before, after))
}

// TestNotUndone: where undoing does not work, nothing says that all is as before,
// and the next run does it.
func TestNotUndone(t *testing.T) {
	m, dir := machine(t)
	first := tree(t, dir)
	r := request(t, m, blogSet(t, "blog", "one"), scopeOf("blog"))
	r.Live = true
	p := plan(t, m, r)
	lock, err := m.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	at := filepath.Join(dir, "etc/nginx/snippets")
	_, err = m.Apply(t.Context(), p, Options{Command: "install", Run: func(context.Context, *Step) error {
		return errors.Join(errors.New("no"), os.Chmod(at, 0o777))
	}})
	left, ok := errors.AsType[*NotUndone](err)
	rolled, back := errors.AsType[*RolledBack](err)
	if !ok || back || !strings.Contains(left.Error(), at) || strings.Contains(err.Error(), "as it was before") {
		t.Errorf("%v, %v", err, rolled)
	}
	if err := os.Chmod(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if j, err := m.Recover(t.Context(), Options{}); j == nil || err != nil || tree(t, dir) != first {
		t.Errorf("%v leaves\n%s", err, tree(t, dir))
	}
}

// TestUntold: a program that can not be told of what is undone is tried once more by
// the next run, and named. It does not hold up every run after that.
func TestUntold(t *testing.T) {
	m, dir := machine(t)
	first := tree(t, dir)
	r := request(t, m, blogSet(t, "blog", "one"), scopeOf("blog"))
	r.Live = true
	p := plan(t, m, r)
	lock, err := m.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	o := Options{Command: "install", Run: func(_ context.Context, s *Step) error {
		if s.Verb == Test {
			return nil
		}
		return errors.New("no")
	}}
	_, err = m.Apply(t.Context(), p, o)
	if _, ok := errors.AsType[*NotUndone](err); !ok || tree(t, dir) != first {
		t.Errorf("%v leaves\n%s", err, tree(t, dir))
	}
	if j, err := m.Recover(t.Context(), o); err != nil || j == nil || len(j.Untold) == 0 || !strings.HasSuffix(j.Untold[0], ": no") {
		t.Errorf("%+v, %v", j, err)
	}
	if j, err := m.Interrupted(); j != nil || err != nil {
		t.Errorf("%+v is left, %v", j, err)
	}
}

// TestChangedMeanwhile: what somebody else wrote between the plan and its turn is
// not lost.
func TestChangedMeanwhile(t *testing.T) {
	m, dir := machine(t)
	p := plan(t, m, request(t, m, blogSet(t, "blog", "one"), scopeOf("blog")))
	edit(t, filepath.Join(dir, "etc/inetd.conf"))
	before := tree(t, dir)
	err := apply(t, m, p)
	if changed, ok := errors.AsType[*Changed](err); !ok || !strings.HasSuffix(changed.Path, "/etc/inetd.conf") || tree(t, dir) != before {
		t.Errorf("%v", err)
	}
	// Nothing is left to undo, and the next run does its work.
	if j, err := m.Interrupted(); j != nil || err != nil {
		t.Errorf("transaction %+v is left, %v", j, err)
	}
	if err := attempt(t, m); err != nil {
		t.Error(err)
	}
}

// TestChangedAfterwards: what somebody else wrote into a file of ours before it could
// be undone stays, and is no reason to stop. It is named.
func TestChangedAfterwards(t *testing.T) {
	for _, killed := range []bool{false, true} {
		m, dir := machine(t)
		if err := attempt(t, m); err != nil {
			t.Fatal(err)
		}
		first := tree(t, dir)
		name := filepath.Join(dir, snippet)
		r := request(t, m, blogSet(t, "blog", "two"), scopeOf("blog"))
		r.Live = true
		p := plan(t, m, r)
		lock, err := m.Lock()
		if err != nil {
			t.Fatal(err)
		}
		if killed {
			j, err := m.begin(p, "install")
			for n := range j.Actions {
				if err == nil {
					err = m.do(t.Context(), j, n, &p.Actions[n], &Options{}, new(Report))
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			edit(t, name)
			j, err = m.Recover(t.Context(), Options{})
			if err != nil || j == nil || strings.Join(j.Left, " ") != name {
				t.Errorf("%+v, %v", j, err)
			}
		} else {
			_, err := m.Apply(t.Context(), p, Options{Command: "install", Run: func(_ context.Context, s *Step) error {
				if !s.Undo {
					edit(t, name)
					return errors.New("no")
				}
				return nil
			}})
			changed, ok := errors.AsType[*Changed](err)
			if _, left := errors.AsType[*NotUndone](err); !ok || left || changed.Path != name {
				t.Errorf("%v", err)
			}
		}
		lock.Unlock()
		if text, _ := os.ReadFile(name); string(text) != "# two\n# mine\n" {
			t.Errorf("there is %q", text)
		}
		if j, err := m.Interrupted(); j != nil || err != nil {
			t.Errorf("transaction %+v is left, %v", j, err)
		}
		if err := os.WriteFile(name, []byte("# one\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if now := tree(t, dir); now != first {
			t.Errorf("it leaves\n%s\nnot\n%s", now, first)
		}
	}
}

// TestForeignBytes puts blocks of three apps into a hundred random files, changes
// and removes them in any order: every other byte is as it was.
func TestForeignBytes(t *testing.T) {
	lines := []string{"time stream tcp nowait root internal", "", "# a comment", "#@ policy", " continued", "x\ty\r", "# BEGIN something", "# END scgikit", "é", "# BEGIN scgikit blog3 "}
	for n := range 100 {
		var b strings.Builder
		for range rand.IntN(20) {
			b.WriteString(lines[rand.IntN(len(lines))] + "\n")
		}
		switch n {
		case 0:
			b.WriteString(strings.Repeat("long line of a large file\n", 40000))
		case 1:
			b.Reset()
		}
		text := b.String()
		if n%2 == 0 {
			text = strings.TrimSuffix(text, "\n")
		}
		m, dir := machine(t)
		name := filepath.Join(dir, "etc/inetd.conf")
		if err := errors.Join(os.WriteFile(name, []byte(text), 0o644), os.Chmod(name, 0o640)); err != nil {
			t.Fatal(err)
		}
		apps := []string{"blog", "blog2", "a"}
		for _, body := range []string{"one", "two"} {
			for _, app := range apps {
				line := blogSet(t, app, body).Filter(func(f fileset.File) bool { return f.Target == "inetd" })
				if _, err := run(t, m, request(t, m, line, scopeOf(app))); err != nil {
					t.Fatalf("%q: %v", text, err)
				}
			}
		}
		now, _ := os.ReadFile(name)
		if !strings.HasPrefix(string(now), text) || strings.Count(string(now), "# BEGIN scgikit blog\n") != 1 {
			t.Errorf("%q has become %q", text, now)
		}
		rand.Shuffle(len(apps), func(i, j int) { apps[i], apps[j] = apps[j], apps[i] })
		for _, app := range apps {
			if _, err := run(t, m, request(t, m, nil, scopeOf(app))); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
		now, _ = os.ReadFile(name)
		if info, err := os.Stat(name); err != nil || string(now) != text || info.Mode().Perm() != 0o640 {
			t.Errorf("%q has become %q, %v %v", text, now, info.Mode(), err)
		}
	}
}

// TestBrokenBlock refuses marks that nobody could understand.
func TestBrokenBlock(t *testing.T) {
	for _, text := range []string{"# BEGIN scgikit blog\n", "# END scgikit blog\n", "# BEGIN scgikit blog\n# BEGIN scgikit blog\n# END scgikit blog\n", "# BEGIN scgikit blog\nhis own\n# END scgikit blog\n"} {
		m, dir := machine(t)
		if err := os.WriteFile(filepath.Join(dir, "etc/inetd.conf"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, ok := errors.AsType[*Refusal](attempt(t, m)); !ok {
			t.Errorf("%q is accepted", text)
		}
	}
}

// TestOwnersAreRecorded: below another root owners are recorded and not applied.
func TestOwnersAreRecorded(t *testing.T) {
	m, _ := machine(t)
	if err := attempt(t, m); err != nil {
		t.Fatal(err)
	}
	receipt, err := m.Receipt()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range receipt.Entries {
		if strings.HasSuffix(e.Path, "/log/main") {
			if e.Owner != "nobody:nogroup" || e.UID != -1 {
				t.Errorf("%+v", e)
			}
			return
		}
	}
	t.Error("log/main is not recorded")
}
