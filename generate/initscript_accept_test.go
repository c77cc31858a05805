package generate_test

import (
	"fmt"
	"testing"

	"scgikit/generate"
	"scgikit/internal/diag"
)

// TestInitSocketFolders: a folder of a socket is made by root for one user, in a
// folder that no program of the description can write.
func TestInitSocketFolders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		userA, socketA, userB, socketB string
		refused                        string // the app, "" for none
	}{
		{"www", "/run/a/s", "www", "/run/a/t", ""},
		{"www", "/run/a/s", "other", "/run/b/s", ""},
		{"www", "/run/x/a/s", "other", "/run/x/b/s", ""},
		{"www", "/run/a/s", "other", "/run/ab/s", ""},
		{"www", "/run/a/s", "other", "/run/a/t", "b"},
		{"www", "/run/a/s", "other", "/var/run/a/t", "b"},
		{"www", "/run/a/s", "other", "/run/a/b/s", "b"},
		{"www", "/run/a/s", "www", "/run/a/b/s", "b"}, // who could make it a link to any folder
		{"www", "/run/a/b/s", "other", "/var/run/a/s", "a"},
	} {
		text := ""
		for i, app := range []struct{ user, socket string }{{c.userA, c.socketA}, {c.userB, c.socketB}} {
			name := string(rune('a' + i))
			text += fmt.Sprintf("---\napiVersion: scgikit/v1\nname: %[1]s\ntype: server\nrun: {command: [/srv/x], user: %[2]s}\nlisten: {unix: %[3]s}\nhttp: {mount: /%[1]s}\n", name, app.user, app.socket)
		}
		project := load(t, text[len("---\n"):])
		for _, name := range []string{"openrc", "rcd", "sysv"} {
			target, _ := generate.Lookup(name)
			_, problems := render(t, target, project)
			got := ""
			for _, p := range problems {
				if p.Severity == diag.Error && p.Path == "listen.unix" && p.Hint != "" {
					got += map[bool]string{true: "a", false: "b"}[p.Span.Line < 8]
				}
			}
			if got != c.refused {
				t.Errorf("%s: %s of %s and %s of %s: refused is %q, want %q: %v", name, c.socketA, c.userA, c.socketB, c.userB, got, c.refused, problems)
			}
		}
	}
}
