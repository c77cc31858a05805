package generate_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// folders is what TestFolders renders for runit and s6, with the target, the
// user, the folder of the programs and such for NAME in braces.
//
// full has all fields, stubborn ends on no signal, once ends at once, and flaky
// fails.
const folders = `apiVersion: scgikit/v1
name: full
type: server
run:
  command: [serve, "a  b"]
  directory: {dir}
  user: {user}
  group: users
  supplementary_groups: [{groups}]
  umask: "0037"
  env: {PLAIN: "x $$y 'z'", EMPTY: "", GID: own, UID: mine, LONG: {long}}
  env_file: {envfile}
  secrets: {KEY: {file: {secret}}}
  limits: {nofile: 77, nproc: 5000, memory: 8GiB, core: 1MiB, cpu_seconds: 99}
  nice: 3
  stop_signal: QUIT
listen: {tcp: "127.0.0.1:8063"}
log: {max_size: 4096, keep: 2}
http: {mount: /a}
options: {{target}: {notification_fd: 4, reload: [/bin/sh, -c, "echo $$MAINPID >reloaded"]}}
---
apiVersion: scgikit/v1
name: stubborn
type: server
run: {user: {user}, directory: {dir}, command: [stubborn], stop_timeout: 300ms, stop_signal: INT}
listen: {tcp: "127.0.0.1:8064"}
http: {mount: /b}
options: {{target}: {reload_signal: USR1, down: true}}
---
apiVersion: scgikit/v1
name: once
type: server
run: {user: {user}, directory: {dir}, command: [once], restart: {policy: on-failure}}
listen: {tcp: "127.0.0.1:8065"}
http: {mount: /c}
---
apiVersion: scgikit/v1
name: never
type: server
run: {user: {user}, directory: {dir}, command: [never], restart: {policy: never}}
listen: {tcp: "127.0.0.1:8066"}
http: {mount: /d}
---
apiVersion: scgikit/v1
name: flaky
type: server
run: {user: {user}, directory: {dir}, command: [flaky], restart: {policy: on-failure, burst: 2, max_delay: 1h}}
listen: {tcp: "127.0.0.1:8067"}
http: {mount: /e}
`

// folderPrograms are the programs of folders. They note in files what happens.
var folderPrograms = map[string]string{
	"serve": `trap 'echo QUIT >>signals; exit 0' QUIT
echo "started as $1"
echo on stderr >&2
until test -e go; do sleep 0.02; done
(echo >&4) 2>/dev/null
exec 4>&-
while :; do sleep 0.02; done
`,
	"stubborn": `for s in TERM INT QUIT HUP USR1; do trap "echo $s >>stubborn-signals" $s; done
: >stubborn-hears
while :; do sleep 0.02; done
`,
	"once":  "echo x >>once-starts\n",
	"never": "echo x >>never-starts\nexit 3\n",
	"flaky": "echo x >>flaky-starts\nexit 3\n",
}

// keeper is a program that keeps service folders up.
type keeper struct {
	target string
	ours   bool
	argv   []string
}

// keepers returns the real programs, and our own with the folders of each.
func keepers(t *testing.T, run string) map[string]keeper {
	t.Helper()
	return map[string]keeper{
		"runsvdir":   {"runit", false, []string{need.Program(t, "runsvdir")}},
		"s6-svscan":  {"s6", false, []string{need.Program(t, "s6-svscan")}},
		"ours runit": {"runit", true, []string{run, "supervise", "--dialect", "runit"}},
		"ours s6":    {"s6", true, []string{run, "supervise", "--dialect", "s6"}},
	}
}

// keptFolders are the folders of one run under one keeper.
type keptFolders struct {
	keeper
	work, scan string
}

func (k *keptFolders) at(name string) string      { return filepath.Join(k.work, name) }
func (k *keptFolders) service(name string) string { return filepath.Join(k.scan, name) }
func (k *keptFolders) is(name string, s servicedir.State) bool {
	return supervisetest.Details(k.service(name)).State == s
}

// ask runs a client, and returns what it prints.
func (k *keptFolders) ask(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, _ := exec.CommandContext(t.Context(), need.Program(t, program), args...).CombinedOutput() // a state is no success
	return strings.TrimSpace(string(out))
}

// pid returns the process of a service, or 0.
func (k *keptFolders) pid(t *testing.T, service string) int {
	t.Helper()
	var text string
	switch {
	case k.ours:
		return supervisetest.Details(k.service(service)).PID
	case k.target == "s6":
		text = k.ask(t, "s6-svstat", "-o", "pid", k.service(service))
	default:
		data, _ := os.ReadFile(filepath.Join(k.service(service), "supervise/pid"))
		text = string(bytes.TrimSpace(data))
	}
	pid, _ := strconv.Atoi(text)
	return max(pid, 0)
}

// runs waits until a service is the program meant, and returns its process.
func (k *keptFolders) runs(t *testing.T, service, program string) int {
	t.Helper()
	pid := 0
	eventually(t, "the start of "+service, func() bool {
		pid = k.pid(t, service)
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return pid > 0 && bytes.HasPrefix(cmdline, []byte("/bin/sh\x00./"+program+"\x00"))
	})
	return pid
}

// tell gives a command, by the family's own client: up, down or hup.
func (k *keptFolders) tell(t *testing.T, command, service string) {
	t.Helper()
	if k.target == "s6" {
		k.ask(t, "s6-svc", "-"+command[:1], k.service(service))
		return
	}
	k.ask(t, "sv", command, k.service(service))
}

// ended waits until a service is down, and nobody wants it up.
func (k *keptFolders) ended(t *testing.T, service string) {
	t.Helper()
	eventually(t, "the end of "+service, func() bool {
		if k.target == "s6" {
			return k.ask(t, "s6-svstat", "-o", "up,wantedup", k.service(service)) == "false false"
		}
		status := k.ask(t, "sv", "status", k.service(service))
		return strings.HasPrefix(status, "down: ") && !strings.Contains(strings.SplitN(status, ";", 2)[0], "want up")
	})
}

// keep renders folders for a keeper, and starts that on them.
func keep(t *testing.T, k keeper) *keptFolders {
	t.Helper()
	dir := publicDir(t)
	kept := &keptFolders{keeper: k, work: filepath.Join(dir, "work dir"), scan: filepath.Join(dir, "scan")}
	username, group := someUser(t)
	for _, d := range []string{kept.work, kept.scan} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	id := ids(t, username, group)
	if err := os.Chown(kept.work, id[0], id[1]); err != nil {
		t.Fatal(err)
	}
	for program, text := range folderPrograms {
		writeProgram(t, kept.at(program), "#!/bin/sh\n"+text)
	}
	secret, envFile := filepath.Join(dir, "key"), filepath.Join(dir, "env file")
	for file, text := range map[string]string{secret: "s3cret 'key'\nmore\n", envFile: "FROM_FILE= $(id) \"x\" \n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	groups := map[string]string{"runit": "games, tty", "s6": `"60", "5"`}[k.target]
	text := strings.NewReplacer("{user}", username, "{dir}", yamlText(kept.work), "{target}", k.target, "{groups}", groups,
		"{envfile}", yamlText(envFile), "{secret}", yamlText(secret), "{long}", strings.Repeat("x", 9000)).Replace(folders)
	set := mustRender(t, k.target, load(t, text))
	building := filepath.Join(dir, "building")
	install(t, set, k.target, building)
	for _, service := range []string{"full", "stubborn", "once", "never", "flaky"} {
		if err := os.Rename(filepath.Join(building, service), kept.service(service)); err != nil {
			t.Fatal(err)
		}
	}
	supervisetest.Start(t, kept.scan, k.argv...)
	return kept
}

// TestFolders runs the folders of runit under runsvdir, those of s6 under
// s6-svscan, and both under our own supervisor: the process is what the
// description says, its lines arrive, it ends and starts again as it should.
func TestFolders(t *testing.T) {
	t.Parallel()
	need.Root(t)
	for _, program := range []string{"chpst", "svlogd", "sv", "s6-svc", "s6-svstat", "s6-envdir", "s6-envuidgid", "s6-applyuidgid", "s6-softlimit", "s6-setuidgid", "s6-log", "s6-permafailon"} {
		need.Program(t, program)
	}
	run, err := supervisetest.Build(publicDir(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range keepers(t, run) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := keep(t, k)
			checkProcess(t, kept)
			checkReadiness(t, kept)
			checkFolderLog(t, kept)
			checkReload(t, kept)
			checkStop(t, kept)
			checkEnds(t, kept)
		})
	}
}

// checkProcess looks at the process of full.
func checkProcess(t *testing.T, k *keptFolders) {
	t.Helper()
	pid := k.runs(t, "full", "serve")
	username, _ := someUser(t)
	user, games, tty := ids(t, username, "users"), ids(t, username, "games"), ids(t, username, "tty")
	status := procFile(t, pid, "status")
	requireLine(t, status, "Umask: 0037")
	requireLine(t, status, fmt.Sprintf("Uid: %[1]d %[1]d %[1]d %[1]d", user[0]))
	requireLine(t, status, fmt.Sprintf("Gid: %[1]d %[1]d %[1]d %[1]d", user[1]))
	var groups []int
	for line := range strings.Lines(status) {
		if list, ok := strings.CutPrefix(line, "Groups:"); ok {
			for word := range strings.FieldsSeq(list) {
				n, _ := strconv.Atoi(word)
				groups = append(groups, n)
			}
		}
	}
	want := []int{user[1], games[1], tty[1]}
	slices.Sort(want)
	if slices.Sort(groups); !slices.Equal(groups, want) {
		t.Errorf("it is in the groups %v, want %v", groups, want)
	}
	limits := procFile(t, pid, "limits")
	for _, want := range []string{
		"Max open files 77 ", "Max processes 5000 ", "Max address space 8589934592 ", "Max core file size 1048576 ", "Max cpu time 99 ",
	} {
		requireLine(t, limits, want)
	}
	own, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(own)) {
		if strings.HasPrefix(line, "Max stack size") || strings.HasPrefix(line, "Max data size") {
			requireLine(t, limits, strings.Join(strings.Fields(line), " "))
		}
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != k.work {
		t.Errorf("it runs in %s, want %s (%v)", cwd, k.work, err)
	}
	got := report{Env: strings.Split(procFile(t, pid, "environ"), "\x00")}
	for name, want := range map[string]string{
		"PLAIN": "x $y 'z'", "EMPTY": "", "KEY": "s3cret 'key'", "FROM_FILE": ` $(id) "x" `, "GID": "own", "UID": "mine", "LONG": strings.Repeat("x", 9000),
	} {
		if is, ok := got.env(name); !ok || is != want {
			t.Errorf("%s is %.40q, want %.40q", name, is, want)
		}
	}
	if value, ok := got.env("GIDLIST"); ok {
		t.Errorf("GIDLIST is %q, and the description has none", value)
	}
	if fields, want := strings.Fields(procFile(t, pid, "stat")), fmt.Sprint(ownNiceness(t)+3); fields[18] != want {
		t.Errorf("niceness %s, want %s", fields[18], want)
	}
	checkDescriptors(t, k, pid)
}

// checkDescriptors looks for open ones that the description does not say.
func checkDescriptors(t *testing.T, k *keptFolders, pid int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	open, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		target, _ := os.Readlink(filepath.Join(dir, fd.Name()))
		inherited, _ := os.Readlink("/proc/self/fd/" + fd.Name()) // by this test as well
		switch {
		case slices.Contains([]string{"0", "1", "2"}, fd.Name()):
		case fd.Name() == "4" && (k.ours || k.target == "s6"): // for readiness; ours gives it whatever the dialect
		case target == k.at("serve"): // as which the shell reads it
		case target == inherited:
		default:
			t.Errorf("descriptor %s is open: %s", fd.Name(), target)
		}
	}
}

// checkReadiness lets full say that it is ready. runsv can not be told.
func checkReadiness(t *testing.T, k *keptFolders) {
	t.Helper()
	ready := func() bool {
		switch {
		case k.ours:
			return k.is("full", servicedir.Running)
		case k.target == "s6":
			return k.ask(t, "s6-svstat", "-o", "ready", k.service("full")) == "true"
		}
		return k.pid(t, "full") > 0
	}
	if k.ours || k.target == "s6" {
		if ready() {
			t.Error("full is ready before it says so")
		}
	}
	writeFile(t, k.at("go"), "")
	eventually(t, "full to be ready", ready)
}

func checkFolderLog(t *testing.T, k *keptFolders) {
	t.Helper()
	stamped := regexp.MustCompile(`^@[0-9a-f]{24} started as a  b\n@[0-9a-f]{24} on stderr\n$`)
	main := filepath.Join(k.service("full"), "log/main")
	var data []byte
	eventually(t, "the log", func() bool {
		data, _ = os.ReadFile(filepath.Join(main, "current"))
		return stamped.Match(data)
	})
	username, group := someUser(t)
	info, err := os.Stat(filepath.Join(main, "current"))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(ids(t, username, group)[0]) {
		t.Errorf("log/main/current: %v, %v", info, err)
	}
}

// checkReload asks for what no s6 knows.
func checkReload(t *testing.T, k *keptFolders) {
	t.Helper()
	k.tell(t, "up", "stubborn")
	k.runs(t, "stubborn", "stubborn")
	requireText(t, k.at("stubborn-hears"), "")
	if k.target == "s6" {
		return
	}
	k.tell(t, "hup", "full")
	requireText(t, k.at("reloaded"), fmt.Sprintln(k.pid(t, "full")))
	k.tell(t, "hup", "stubborn")
	eventually(t, "USR1", func() bool {
		data, _ := os.ReadFile(k.at("stubborn-signals"))
		return strings.Contains(string(data), "USR1\n") && !strings.Contains(string(data), "HUP")
	})
}

// checkStop ends full by its signal, and stubborn by the limit, where the keeper
// has one.
func checkStop(t *testing.T, k *keptFolders) {
	t.Helper()
	k.tell(t, "down", "full")
	k.ended(t, "full")
	requireText(t, k.at("signals"), "QUIT\n")
	_ = os.Remove(k.at("stubborn-signals")) // there is none under s6
	pid := k.pid(t, "stubborn")
	k.tell(t, "down", "stubborn")
	if k.target == "runit" && !k.ours {
		requireText(t, k.at("stubborn-signals"), "INT\n")
		if !supervisetest.Alive(pid) {
			t.Error("runsv has killed stubborn, and the warning says that it does not")
		}
		return
	}
	k.ended(t, "stubborn")
	requireText(t, k.at("stubborn-signals"), "INT\n")
}

// checkEnds looks at the services that end by themselves.
func checkEnds(t *testing.T, k *keptFolders) {
	t.Helper()
	for _, service := range []string{"once", "never"} {
		if k.ours {
			eventually(t, "the end of "+service, func() bool { return k.pid(t, service) == 0 && supervisetest.Details(k.service(service)).Starts > 0 })
		} else {
			k.ended(t, service)
		}
		requireText(t, k.at(service+"-starts"), "x\n")
	}
	switch {
	case k.ours:
		eventually(t, "flaky to fail", func() bool { return k.is("flaky", servicedir.Failing) })
		requireText(t, k.at("flaky-starts"), "x\nx\n")
	case k.target == "runit": // the warning says that it goes on
		eventually(t, "three starts", func() bool {
			data, _ := os.ReadFile(k.at("flaky-starts"))
			return len(data) >= len("x\nx\nx\n")
		})
	default:
		requireText(t, k.at("flaky-starts"), "x\nx\n")
		eventually(t, "the pause of flaky", func() bool { return k.ask(t, "s6-svstat", "-o", "up", k.service("flaky")) == "false" })
		before := time.Now()
		out, err := exec.CommandContext(t.Context(), need.Program(t, "s6-svc"), "-wD", "-T", "10000", "-d", k.service("flaky")).CombinedOutput()
		if err != nil {
			t.Errorf("flaky does not end within its pause: %v after %v: %s", err, time.Since(before), out)
		}
		requireText(t, k.at("flaky-starts"), "x\nx\n")
	}
}
