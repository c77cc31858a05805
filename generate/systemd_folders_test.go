package generate_test

import (
	"fmt"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/diag"
)

// TestSystemdSocketFolders: a folder that systemd gives to one program, with all
// that is in it, has no socket of another in it, at no depth, whoever makes that.
// The folders above it stay root's, and everybody may pass through them.
func TestSystemdSocketFolders(t *testing.T) {
	t.Parallel()
	target, _ := generate.Lookup("systemd")
	for _, c := range []struct {
		userA, socketA, userB, socketB string
		listens                        bool   // systemd, for b
		refused                        string // the app, "" for none
	}{
		{"www", "/run/a/s", "www", "/run/a/t", false, ""},
		{"www", "/run/a/s", "www", "/run/a/b/t", false, ""},
		{"www", "/run/x/a/s", "other", "/run/x/b/s", false, ""},
		{"www", "/run/a/s", "other", "/run/ab/s", false, ""},
		{"www", "/run/a/s", "other", "/run/a/t", false, "b"},
		{"www", "/run/a/s", "other", "/run/a/b/s", false, "a"},
		{"www", "/run/a/s", "other", "/var/run/a/b/c/s", false, "a"},
		{"www", "/run/a/b/s", "other", "/run/a/s", false, "b"},
		{"www", "/run/a/s", "other", "/run/a/t", true, "a"},
		{"www", "/run/a/s", "www", "/run/a/b/t", true, "a"},
		{"www", "/run/a/b/s", "other", "/run/a/t", true, ""},
	} {
		text := ""
		for i, app := range []struct{ user, socket string }{{c.userA, c.socketA}, {c.userB, c.socketB}} {
			name := string(rune('a' + i))
			text += fmt.Sprintf("---\napiVersion: scgikit/v1\nname: %[1]s\ntype: server\nrun: {command: [/srv/x], user: %[2]s}\nlisten: {unix: %[3]s, group: www-data}\nhttp: {mount: /%[1]s}\noptions: {systemd: {socket_activation: %[4]v}}\n",
				name, app.user, app.socket, c.listens && i == 1)
		}
		project := load(t, strings.TrimPrefix(text, "---\n"))
		set, problems := render(t, target, project)
		got := ""
		for _, p := range problems {
			if p.Severity == diag.Error && p.Path == "listen.unix" && p.Hint != "" {
				got += map[bool]string{true: "a", false: "b"}[p.Span.Line < 9]
			}
		}
		if got != c.refused {
			t.Errorf("%+v: refused is %q: %v", c, got, problems)
		}
		if got != "" {
			continue
		}
		unit, ok := set.Get("systemd/a.service")
		below := strings.TrimSuffix(strings.TrimPrefix(c.socketA, "/run/"), "/s")
		if !ok || !strings.Contains(string(unit.Data), "\nRuntimeDirectory=\""+below+"\"\n") && !strings.Contains(string(unit.Data), "\nRuntimeDirectory="+below+"\n") || strings.Contains(string(unit.Data), "RuntimeDirectoryMode") {
			t.Errorf("%+v: the unit is\n%s", c, unit.Data)
		}
	}
}
