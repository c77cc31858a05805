package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/fileset"
)

// TestInits: what the managers of init systems are told of services that come,
// change and go. Those of this machine are told nothing.
func TestInits(t *testing.T) {
	for _, c := range []struct {
		target, file, place string
		want                [3]string // first install, change, uninstall
	}{
		{"openrc", "init.d/my-app", "init.d", [3]string{
			"rc-update add my-app default; rc-service my-app start",
			"rc-service my-app restart",
			"rc-service my-app stop; rc-update del my-app default",
		}},
		{"sysv", "init.d/my-app", "init.d", [3]string{
			"update-rc.d my-app defaults; /etc/init.d/my-app start",
			"/etc/init.d/my-app restart",
			"/etc/init.d/my-app stop; update-rc.d -f my-app remove",
		}},
		{"rcd", "rc.d/my_app", "rc.d", [3]string{
			"sysrc my_app_enable=YES; service my_app start",
			"service my_app restart",
			"service my_app stop; sysrc -x my_app_enable",
		}},
		{"launchd", "local.my-app.plist", "LaunchDaemons", [3]string{
			"launchctl bootstrap system /Library/LaunchDaemons/local.my-app.plist",
			"launchctl bootout system/local.my-app; launchctl bootstrap system /Library/LaunchDaemons/local.my-app.plist",
			"launchctl bootout system/local.my-app",
		}},
	} {
		m, _ := machine(t)
		set := func(body string) *fileset.Set {
			s := new(fileset.Set)
			f := fileset.File{Path: c.target + "/" + c.file, Mode: 0o755, Data: []byte(body), Target: c.target, Place: c.place, Apps: []string{"my-app"}}
			if err := s.Add(f); err != nil {
				t.Fatal(err)
			}
			return s
		}
		for i, s := range []*fileset.Set{set("one\n"), set("two\n"), nil} {
			r := request(t, m, s, scopeOf("my-app"))
			r.Live = true
			p := plan(t, m, r)
			var got []string
			for i := range p.Actions {
				if step := p.Actions[i].Step; step != nil {
					for _, argv := range told(step, func(program string) bool { return program != "chkconfig" }) {
						got = append(got, strings.Join(argv, " "))
					}
				}
			}
			if text := strings.Join(got, "; "); text != c.want[i] {
				t.Errorf("%s %d: %s\nnot %s", c.target, i, text, c.want[i])
			}
			if err := apply(t, m, p); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestManagerSaysNo: a manager that fails is reported with what it said, and one
// that is not there is told nothing.
func TestManagerSaysNo(t *testing.T) {
	bin := t.TempDir()
	for name, text := range map[string]string{"rc-update": "exit 0\n", "rc-service": "echo no such service: $1 >&2; exit 1\n"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	said := ""
	r := &Runner{Say: func(format string, _ ...any) { said += format }}
	err := r.Run(t.Context(), &Step{Verb: Start, Target: "openrc", Name: "blog"})
	if err == nil || err.Error() != "rc-service blog start: no such service: blog" {
		t.Errorf("%v", err)
	}
	if _, ok := find("launchctl"); ok {
		return
	}
	if err := r.Run(t.Context(), &Step{Verb: Start, Target: "launchd", Name: "/Library/LaunchDaemons/blog.plist"}); err != nil || said == "" {
		t.Errorf("%v, %q", err, said)
	}
}
