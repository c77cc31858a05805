package generate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// TestFolderAwkward runs the generated run with the real programs of runit and
// s6, and awkward strings in every field. Those of s6-rc run in the folder of the
// definition, which has all that s6-rc-compile copies.
func TestFolderAwkward(t *testing.T) {
	t.Parallel()
	need.Root(t)
	for _, program := range []string{"chpst", "s6-envdir", "s6-envuidgid", "s6-applyuidgid", "s6-softlimit"} {
		need.Program(t, program)
	}
	for target, folder := range map[string]string{"runit": "runit/awkward", "s6": "s6/awkward", "s6-rc": "s6-rc/awkward.srv"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			dir := publicDir(t)
			program := installReporter(t, dir)
			username, _ := someUser(t)
			for i, s := range starterAwkward {
				work := filepath.Join(dir, fmt.Sprintf("work %d %.40s", i, strings.ReplaceAll(s, "/", "_")), "x")
				if err := os.MkdirAll(work, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(program, filepath.Join(work, reporter)); err != nil {
					t.Fatal(err)
				}
				text := awkwardServer(t, s, username, work, logPlace+"/"+strings.ReplaceAll(s, "/", "_"), noStamp)
				set := mustRender(t, target, load(t, text))
				service := filepath.Join(dir, fmt.Sprintf("service %d", i))
				install(t, set, folder, service)
				for _, shell := range shellOf(t, i) {
					checkAwkward(t, runReporter(t, service, append(shell, "./run")...), s, work, shell)
				}
				if target == "runit" {
					config, _ := set.Get("runit/awkward/log/dir/config")
					checkAwkwardConfig(t, string(config.Data), s, program)
				}
			}
		})
	}
}

func checkAwkward(t *testing.T, got report, s, work string, shell []string) {
	t.Helper()
	if want := []string{"./" + reporter, s, "", "last"}; !reflect.DeepEqual(got.Args, want) {
		t.Errorf("%v: started with %q, want %q", shell, got.Args, want)
	}
	if got.Dir != work {
		t.Errorf("%v: in %s, want %s", shell, got.Dir, work)
	}
	value := strings.TrimRight(s, " ")
	for name, want := range map[string]string{"VALUE": value, "PATH": value, "LD_AWKWARD": s, "EMPTY": ""} {
		if is, ok := got.env(name); !ok || is != want {
			t.Errorf("%v: %s is %q, want %q", shell, name, is, want)
		}
	}
}

// checkAwkwardConfig reads svlogd's config as svlogd does, and runs the processor
// as it does.
func checkAwkwardConfig(t *testing.T, text, s, program string) {
	t.Helper()
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 4 || lines[0] != "s1048576" || lines[1] != "n10" || lines[3] != "-"+s || !strings.HasPrefix(lines[2], "!/bin/cat ") {
		t.Errorf("svlogd reads %q", lines)
		return
	}
	got := runReporter(t, filepath.Dir(program), "sh", "-c", program+strings.TrimPrefix(lines[2], "!/bin/cat"))
	if !reflect.DeepEqual(got.Args[1:], []string{s}) {
		t.Errorf("the processor gets %q, want %q", got.Args[1:], s)
	}
}
