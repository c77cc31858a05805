package install

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
)

// inetdOf is the line of an app alone.
func inetdOf(t testing.TB, app, body string) *fileset.Set {
	t.Helper()
	return blogSet(t, app, body).Filter(func(f fileset.File) bool { return f.Target == "inetd" })
}

// TestAttributesKept: a shared file keeps its extended attributes and its access
// control list through install, change, rollback, failure and uninstall.
func TestAttributesKept(t *testing.T) {
	need.Root(t)
	m, dir := machine(t)
	name := filepath.Join(dir, "etc/inetd.conf")
	// Version 2; user::rw- user:65534:r-- group::r-- mask::r-- other::---, see acl(5).
	acl := "\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xfe\xff\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" + "\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
	want := map[string]string{"trusted.note": "mine", "trusted.empty": "", "system.posix_acl_access": acl}
	for attr, value := range want {
		if err := unix.Setxattr(name, attr, []byte(value), 0); err != nil {
			t.Fatalf("%s: %v", attr, err)
		}
	}
	first := tree(t, dir)
	check := func(what string) {
		t.Helper()
		for attr, value := range want {
			to := make([]byte, 256)
			n, err := unix.Getxattr(name, attr, to)
			if err != nil || string(to[:n]) != value {
				t.Errorf("%s: %s is %q, %v", what, attr, to[:max(n, 0)], err)
			}
		}
	}
	for _, body := range []string{"one", "two"} {
		if _, err := run(t, m, request(t, m, inetdOf(t, "blog", body), scopeOf("blog"))); err != nil {
			t.Fatal(err)
		}
		check(body)
	}
	rollback(t, m, 0, RefuseLocal)
	check("rolled back")
	if _, err := run(t, m, request(t, m, nil, scopeOf("blog"))); err != nil {
		t.Fatal(err)
	}
	check("uninstalled")
	if got := tree(t, dir); got != first {
		t.Errorf("there is\n%s\nnot\n%s", got, first)
	}
	r := request(t, m, inetdOf(t, "blog", "three"), scopeOf("blog"))
	r.Live = true
	p := plan(t, m, r)
	if err := applyWith(t, m, p, errors.New("no")); err == nil || tree(t, dir) != first {
		t.Errorf("%v\n%s", err, tree(t, dir))
	}
	check("undone")
}

// TestHardLinked: a shared file with several names is refused, and not given a new one
// beside the former.
func TestHardLinked(t *testing.T) {
	m, dir := machine(t)
	name := filepath.Join(dir, "etc/inetd.conf")
	if _, err := run(t, m, request(t, m, inetdOf(t, "blog", "one"), scopeOf("blog"))); err != nil {
		t.Fatal(err)
	}
	planned := plan(t, m, request(t, m, inetdOf(t, "blog", "two"), scopeOf("blog")))
	if err := os.Link(name, name+".same"); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	for what, set := range map[string]*fileset.Set{"install": inetdOf(t, "blog", "two"), "uninstall": nil} {
		_, err := run(t, m, request(t, m, set, scopeOf("blog")))
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok || len(refusal.Files) != 1 || refusal.Files[0].Path != "/etc/inetd.conf" || !strings.Contains(refusal.Files[0].Why, "has 2 names (hard links)") {
			t.Errorf("%s: %v", what, err)
		}
	}
	p, err := m.PlanRollback(0, RefuseLocal, false)
	if err != nil || len(p.Refused) != 1 || !strings.Contains(p.Refused[0].Why, "hard links") {
		t.Errorf("rollback: %v, %v", p, err)
	}
	if _, ok := errors.AsType[*Changed](apply(t, m, planned)); !ok || tree(t, dir) != before {
		t.Error("a hard link that was made between the plan and its turn is not seen")
	}
	// Nothing is to be written where nothing changes.
	if p, err := run(t, m, request(t, m, inetdOf(t, "blog", "one"), scopeOf("blog"))); err != nil || !p.Empty() {
		t.Errorf("%v\n%s", err, ops(p))
	}
}

// TestForeignBlock: a block that stood there as it is wanted is left when the app goes.
func TestForeignBlock(t *testing.T) {
	m, dir := machine(t)
	name := filepath.Join(dir, "etc/inetd.conf")
	text := "time stream tcp nowait root internal\n" + string(blockText("blog", []byte("blog stream tcp one\n"))) + "# end\n"
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := run(t, m, request(t, m, inetdOf(t, "blog", "one"), scopeOf("blog"))); err != nil {
			t.Fatal(err)
		}
	}
	p, err := run(t, m, request(t, m, nil, scopeOf("blog")))
	if err != nil || len(p.Left) != 1 || p.Left[0] != "/etc/inetd.conf: the block of blog" {
		t.Errorf("%v, %v", p.Left, err)
	}
	if now, err := os.ReadFile(name); err != nil || string(now) != text {
		t.Errorf("%q, %v", now, err)
	}
}
