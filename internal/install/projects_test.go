package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/fileset"
)

// TestTwoProjects: of two projects with an app of one name, neither replaces or
// removes what the other installed, be it a file, a service or a block.
func TestTwoProjects(t *testing.T) {
	m, dir := machine(t)
	of := func(project, target, body string) *Request {
		set := blogSet(t, "blog", body)
		if target != "" {
			set = set.Filter(func(f fileset.File) bool { return f.Target == target })
		}
		r := request(t, m, set, scopeOf("blog"))
		r.Scope.Project = project
		return r
	}
	if _, err := run(t, m, of("/srv/one", "nginx", "one")); err != nil {
		t.Fatal(err)
	}
	first := tree(t, dir)
	_, err := run(t, m, of("/srv/two", "", "two"))
	if err == nil || !strings.Contains(err.Error(), "belongs to blog of the project in /srv/one") || tree(t, dir) != first {
		t.Errorf("%v: now there is\n%s", err, tree(t, dir))
	}
	// Where no path is common, the other's files are not what is wanted no more.
	for _, target := range []string{"inetd", "daemontools"} {
		if p, err := run(t, m, of("/srv/two", target, "two")); err != nil || strings.Contains(ops(p), "remove") {
			t.Errorf("%s: %v\n%s", target, err, ops(p))
		}
		if _, err := run(t, m, of("/srv/one", target, "one")); err == nil || !strings.Contains(err.Error(), "/srv/two") {
			t.Errorf("%s of the other project: %v", target, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, snippet)); err != nil || string(text) != "# one\n" {
		t.Errorf("the file of the first project is %q, %v", text, err)
	}
	// What a project that is gone had is the other's to have.
	r := of("/srv/two", "", "two")
	r.Scope.Former = []string{"/srv/one"}
	if _, err := run(t, m, r); err != nil {
		t.Error(err)
	}
	receipt, err := m.Receipt()
	if err != nil || strings.Join(receipt.Projects(), " ") != "/srv/two" {
		t.Errorf("%v, %v", receipt.Projects(), err)
	}
	if p, err := run(t, m, of("/srv/two", "", "two")); err != nil || !p.Empty() {
		t.Errorf("the second time: %v\n%s", err, ops(p))
	}
	if _, err := run(t, m, request(t, m, nil, scopeOf("blog"))); err != nil {
		t.Error(err)
	}
}

// TestReceiptWithoutProjects: what was installed before projects were recorded
// belongs to whoever installs it next.
func TestReceiptWithoutProjects(t *testing.T) {
	m, _ := machine(t)
	if _, err := run(t, m, request(t, m, blogSet(t, "blog", "one"), scopeOf("blog"))); err != nil {
		t.Fatal(err)
	}
	r := request(t, m, blogSet(t, "blog", "one"), scopeOf("blog"))
	r.Scope.Project = "/srv/one"
	if p, err := run(t, m, r); err != nil || len(p.Actions) > 0 {
		t.Errorf("%v\n%s", err, ops(p))
	}
	receipt, err := m.Receipt()
	if err != nil || strings.Join(receipt.Projects(), " ") != "/srv/one" {
		t.Errorf("%v, %v", receipt.Projects(), err)
	}
}
