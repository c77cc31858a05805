package generate_test

import (
	"bytes"
	"fmt"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
)

// TestHeaderOfAnyFileName gives a description names that would end a comment, and
// go on with a line of their own: every file of every target has as many lines as
// with a plain name.
func TestHeaderOfAnyFileName(t *testing.T) {
	t.Parallel()
	lines := func(target *generate.Target, name string) map[string]int {
		counts := make(map[string]int)
		for _, text := range []string{
			"type: server\nrun: {command: [/srv/x], user: www}\n", "type: cgi\nrun: {user: www}\ncgi: {script: /srv/x}\noptions: {inetd: {dialect: openbsd}}\n",
			"type: server\nprotocol: fastcgi\nrun: {command: [/srv/x], user: www}\n",
		} {
			loader := &appfile.Loader{Options: generate.OptionTypes()}
			text = "apiVersion: scgikit/v1\nname: a\nlisten: {tcp: \"127.0.0.1:8000\"}\nhttp: {mount: /a}\n" + text
			project, problems := loader.Load([]appfile.Source{{Name: name, Data: []byte(text)}})
			if problems.HasErrors() {
				t.Fatal(problems)
			}
			if target.Fits(project.Apps[0]) != "" {
				continue
			}
			set, problems := render(t, target, project)
			if problems.HasErrors() {
				t.Fatal(target.Name, problems)
			}
			for i, f := range set.Files() {
				counts[fmt.Sprint(text, i, f.Path)] = bytes.Count(f.Data, []byte("\n")) + bytes.Count(f.Data, []byte("\r"))
			}
		}
		return counts
	}
	for _, target := range generate.Targets() {
		want := lines(target, "plain.yaml")
		if len(want) == 0 {
			t.Errorf("%s has no files", target.Name)
		}
		for _, name := range []string{"a\nuser root; #.yaml", "a\r\n[Service]\nUser=root\n#.yaml", "a\x85b.yaml", "a --> <x>.yaml", "a\\\n.yaml", "\x7f\x1b[31m.yaml"} {
			for file, n := range lines(target, name) {
				if n != want[file] {
					t.Errorf("%s: a description called %q makes %d lines of %d", target.Name, name, n, want[file])
				}
			}
		}
	}
}
