package generate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// awkwardListener describes a script with a string in every field that a folder
// with a listener carries. dir holds the programs of the listeners.
func awkwardListener(target, s, username, listen, listener, envFile, scgiRun, dir string) string {
	return fmt.Sprintf(`apiVersion: scgikit/v1
name: awkward
type: cgi
run: {user: %s, env: {VALUE: %[2]s}, env_file: %[3]s, secrets: {KEY: {file: %[3]s}}}
cgi: {script: %[4]s, arguments: [first, %[2]s, "", last]}
listen: %[5]s
http: {mount: /a}
options: {%[6]s: {listener: %[7]s, listener_dir: %[8]s, scgi_run: %[9]s}}
`, username, yamlText(s), yamlText(envFile), yamlText("/srv/"+strings.ReplaceAll(s, "/", "_")), listen, target, listener, yamlText(dir), yamlText(scgiRun))
}

// listenerPrograms are what stands in listener_dir: each says how it was started.
var listenerPrograms = [...]string{"tcpserver", "unixserver", "s6-tcpserver", "s6-ipcserver-socketbinder", "scgi-run"}

// TestListenerAwkward runs the generated run with the family's real programs, and
// a listener that says what it is given, and awkward strings in every field. Those of
// s6-rc run in the folder of the definition, as in TestFolderAwkward.
func TestListenerAwkward(t *testing.T) {
	t.Parallel()
	need.Root(t)
	for _, program := range []string{"envdir", "setuidgid", "chpst", "s6-envdir", "s6-envuidgid", "s6-applyuidgid", "getent"} {
		need.Program(t, program)
	}
	username, group := someUser(t)
	id := ids(t, username, group)
	become := map[string][]string{
		"daemontools": {"setuidgid", username}, "runit": {"chpst", "-u", username},
		"s6": {"s6-envuidgid", username, "s6-applyuidgid", "-U", "-G", "", "-z"},
	}
	become["s6-rc"] = become["s6"]
	for target, folder := range map[string]string{
		"daemontools": "daemontools/awkward", "runit": "runit/awkward", "s6": "s6/awkward", "s6-rc": "s6-rc/awkward.srv",
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			for i, s := range starterAwkward {
				dir := publicDir(t)
				name := strings.ReplaceAll(s, "/", "_")
				listenerDir := filepath.Join(dir, "bin "+fmt.Sprintf("%.40s", name))
				for _, program := range listenerPrograms {
					writeProgram(t, filepath.Join(listenerDir, program), reporterScript)
				}
				envFile := filepath.Join(dir, "env "+fmt.Sprintf("%.40s", name))
				writeFile(t, envFile, "FROM_FILE="+s+"\n")
				socket := filepath.Join(dir, fmt.Sprintf("%.12s", name), "s")
				scgiRun := "/opt/" + name
				own := filepath.Join(listenerDir, "scgi-run")
				command := []string{
					scgiRun, "bridge", "--mount=/a", "--timeout=60s", "--max-body=10485760", "--umask=0027", "--limit=core=0", "--env=VALUE=" + s,
					"--env-pass=PATH,LANG,TZ", "--env-pass=KEY", "--env-pass=FROM_FILE", "/srv/" + name, "first", s, "", "last",
				}
				port, unix := `{tcp: "127.0.0.1:8070"}`, "{unix: "+yamlText(socket)+", group: "+group+"}"
				numbers := []string{"-o", fmt.Sprint(id[0]), "-r", fmt.Sprint(id[1])}
				notify, ready := []string(nil), []string(nil)
				if target == "s6" || target == "s6-rc" {
					notify, ready = []string{"-1"}, []string{"--ready=3"}
				}
				resident := slices.Concat([]string{own, "bridge", "--listen=fd:0", "--max=16", "--stop-limit=8s"}, command[2:])
				for j, l := range []struct {
					name, program, listen string
					want                  []string
				}{
					{"tcpserver", "tcpserver", port, slices.Concat([]string{"-R", "-H", "-l", "0"}, notify, []string{"-c", "16", "-b", "128", "127.0.0.1", "8070"}, command)},
					{"s6-tcpserver", "s6-tcpserver", port, slices.Concat(notify, []string{"-c", "16", "-C", "16", "-b", "128", "--", "127.0.0.1", "8070"}, command)},
					{"unixserver", "unixserver", unix, slices.Concat([]string{"-c", "16", "-b", "128", "-p", "0660"}, numbers, []string{"--", socket}, become[target], command)},
					{"s6-ipcserver", "s6-ipcserver-socketbinder", unix, slices.Concat(
						[]string{"-b", "128", "-a", "0660", "--", socket, "sh", "-c", `chown -h "$0" "$1" && shift && exec "$@"`, username + ":" + group, socket},
						become[target], []string{filepath.Join(listenerDir, "s6-ipcserverd")}, notify, []string{"-c", "16", "-C", "16", "--"}, command)},
					{"scgi-run", "scgi-run", unix, slices.Concat([]string{"listen", "--socket-mode=0660", "--socket-owner=" + username + ":" + group, "--backlog=128"},
						ready, []string{"unix:" + socket}, become[target], resident)},
				} {
					if (i+j)%2 != 0 && !need.Thorough() {
						continue
					}
					program := scgiRun
					if l.name == "scgi-run" {
						program = own
					}
					text := awkwardListener(target, s, username, l.listen, l.name, envFile, program, listenerDir)
					set := mustRender(t, target, load(t, text))
					service := filepath.Join(dir, fmt.Sprintf("service %d %s", i, l.name))
					install(t, set, folder, service)
					for _, shell := range shellOf(t, i/2) {
						// The report goes to descriptor 3, where readiness goes.
						words := slices.Concat([]string{"sh", "-c", `exec 3>&1; exec "$@"`, "sh"}, shell, []string{"./run"})
						got := runReporter(t, service, words...)
						if want := append([]string{filepath.Join(listenerDir, l.program)}, l.want...); !reflect.DeepEqual(got.Args, want) {
							t.Errorf("%v: started with\n%q, want\n%q", shell, got.Args, want)
						}
						if is, _ := got.env("FROM_FILE"); is != s {
							t.Errorf("%v: FROM_FILE is %q, want %q", shell, is, s)
						}
						if is, _ := got.env("KEY"); is != strings.TrimRight("FROM_FILE="+s, " ") {
							t.Errorf("%v: KEY is %q", shell, is)
						}
						if value, ok := got.env("VALUE"); ok {
							t.Errorf("%v: the listener has VALUE, %q", shell, value)
						}
					}
					if info, err := os.Stat(filepath.Dir(socket)); l.listen == unix && (err != nil || info.Mode().Perm() != 0o755) {
						t.Errorf("the folder of the socket: %v %v", info, err)
					}
				}
			}
		})
	}
}
