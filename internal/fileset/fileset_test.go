package fileset

import (
	"slices"
	"testing"
)

func TestAddRefuses(t *testing.T) {
	set := new(Set)
	if err := set.Add(File{Path: "a/b"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"", ".", "..", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a\\b", "a\nb", "a\x00b", "a\x7fb", "\xff",
		"a/b", // taken
	} {
		if err := set.Add(File{Path: path}); err == nil {
			t.Errorf("%q was added", path)
		}
	}
	if set.Len() != 1 {
		t.Errorf("the set holds %d files", set.Len())
	}
}

func TestFilesAreSorted(t *testing.T) {
	a, b := new(Set), new(Set)
	for i, path := range []string{"b/c", "a", "b", "é", "B", "a/x/y"} {
		set := []*Set{a, b}[i%2]
		if err := set.Add(File{Path: path}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Merge(b); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range a.Files() {
		got = append(got, f.Path)
	}
	if want := []string{"B", "a", "a/x/y", "b", "b/c", "é"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if want := []string{"a", "a/x", "b"}; !slices.Equal(a.Dirs(), want) {
		t.Errorf("folders %q, want %q", a.Dirs(), want)
	}
	if err := a.Merge(b); err == nil {
		t.Error("the same paths were merged twice")
	}
	kept := a.Filter(func(f File) bool { return f.Path > "b" })
	if kept.Len() != 2 {
		t.Errorf("%d files kept, want 2", kept.Len())
	}
	if _, ok := kept.Get("a"); ok {
		t.Error("a filtered file is there")
	}
}

func TestTxtar(t *testing.T) {
	set := new(Set)
	for _, f := range []File{
		{Path: "run", Mode: 0o755, Data: []byte("#!/bin/sh\n")},
		{Path: "env/NAME", Mode: 0o600, User: "blog", Data: []byte("value")},
		{Path: "empty", Mode: 0o644, User: "blog", Group: "www"},
		{Path: "log/main", Kind: Dir, Mode: 0o750, User: "log"},
		{Path: "supervise", Kind: Symlink, Link: "/run/x"},
	} {
		if err := set.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	const want = `-- 0644 blog:www empty --
-- 0600 blog:blog (no newline) env/NAME --
value
-- 0750 log:log log/main/ --
-- 0755 root:root run --
#!/bin/sh
-- link root:root supervise -> /run/x --
`
	if got := string(set.Txtar()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
