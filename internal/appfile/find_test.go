package appfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder makes a project's folder with files that hold their own name.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   []string
		named   []string
		profile string
		want    string // names of sources, with "+" and the name of their profile
		err     string
	}{
		{name: "profile", files: []string{"apps/b.yaml", "apps/a.yaml", "apps/a.prod.yaml"}, named: []string{"apps/a.yaml", "apps/b.yaml"}, profile: "prod", want: "apps/a.yaml+apps/a.prod.yaml apps/b.yaml"},
		{name: "profile of one", files: []string{"scgikit.yaml", "scgikit.prod.yaml"}, named: []string{"scgikit.yaml"}, profile: "prod", want: "scgikit.yaml+scgikit.prod.yaml"},
		{name: "profile with a path", files: []string{"scgikit.yaml"}, profile: "../x", err: "not the name of a profile"},
		{name: "named", files: []string{"x/b.yaml", "a.yaml"}, named: []string{"x/b.yaml", "a.yaml"}, want: "x/b.yaml a.yaml"},
		{name: "named and stdin", files: []string{"a.yaml"}, named: []string{"-", "a.yaml"}, want: "- a.yaml"},
		{name: "stdin twice", named: []string{"-", "-"}, err: "twice"},
		{name: "named folder", files: []string{"apps/a.yaml"}, named: []string{"apps"}, err: "is a folder"},
		{name: "not there", named: []string{"none.yaml"}, err: "none.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sources, err := Find(folder(t, c.files...), c.named, c.profile, strings.NewReader("-"))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range sources {
				name := s.Name
				if string(s.Data) != s.Name {
					t.Errorf("%s holds %q", s.Name, s.Data)
				}
				if s.Profile != nil {
					name += "+" + s.Profile.Name
					if string(s.Profile.Data) != s.Profile.Name {
						t.Errorf("%s holds %q", s.Profile.Name, s.Profile.Data)
					}
				}
				got = append(got, name)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

// TestFindHuge reads of a file that is no description only what shows it.
func TestFindHuge(t *testing.T) {
	dir := folder(t, "scgikit.yaml")
	if err := os.Truncate(filepath.Join(dir, "scgikit.yaml"), 4*maxSource); err != nil {
		t.Fatal(err)
	}
	sources, err := Find(dir, []string{"scgikit.yaml"}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(sources[0].Data); n != maxSource+1 {
		t.Errorf("%d bytes were read", n)
	}
	if _, list := new(Loader).Load(sources); len(list) != 1 || list[0].Code != "too-big" {
		t.Errorf("%v", list)
	}
}
