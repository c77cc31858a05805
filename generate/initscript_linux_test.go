package generate_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/supervisetest"
)

// initApps is what the tests of inits render, with the target, the user and such
// for NAME in braces. full-app has all fields, stubborn ends on no signal and has
// started another program; bridge is a script.
const initApps = `apiVersion: scgikit/v1
name: full-app
type: server
run:
  command: [serve, "a  b", "*", "$$HOME", ""]
  directory: {dir}
  user: {user}
  group: games
  supplementary_groups: [tty, users]
  umask: "0037"
  env: {PLAIN: "x  $$y 'z'", EMPTY: "", command: mine, RC_OWN: "1", retry: x, LD_AWKWARD: y}
  env_file: {envfile}
  secrets: {KEY: {file: {secret}}}
  limits: {nofile: 77, nproc: 5000, memory: 8GiB, core: 1MiB, cpu_seconds: 99}
  nice: 3
  stop_signal: QUIT
  stop_timeout: 5s
listen: {unix: /run/full/socket}
log: {dir: {logs}/full, max_size: 4096, keep: 2}
http: {mount: /a}
options: {{target}: {wrapper_dir: {scripts}, scgi_run: {run}, reload_signal: USR1}}
---
apiVersion: scgikit/v1
name: stubborn
type: server
run: {user: {user}, directory: {dir}, command: [stubborn], stop_timeout: 1s}
listen: {tcp: "127.0.0.1:8064"}
log: {dir: {logs}/stubborn, timestamp: none}
http: {mount: /b}
options: {{target}: {wrapper_dir: {scripts}, scgi_run: {run}}}
---
apiVersion: scgikit/v1
name: broken
type: server
run: {user: {user}, directory: {dir}, command: [broken]}
listen: {tcp: "127.0.0.1:8065"}
log: {dir: {logs}/broken, timestamp: none}
http: {mount: /c}
options: {{target}: {wrapper_dir: {scripts}, scgi_run: {run}}}
---
apiVersion: scgikit/v1
name: bridge
type: cgi
run: {user: {user}, env_file: {envfile}, secrets: {KEY: {file: {secret}}}, env: {PLAIN: "x  $$y 'z'"}, umask: "0037", nice: 3}
cgi: {script: {script}, arguments: ["a  b"]}
listen: {unix: /run/bridge/socket, user: {user}, group: games, mode: "0620"}
log: {dir: {logs}/bridge, timestamp: none}
http: {mount: /d}
options: {{target}: {wrapper_dir: {scripts}, scgi_run: {run}}}
`

// initPrograms are the programs of initApps. They note in files what happens.
var initPrograms = map[string]string{
	"serve": `trap 'echo QUIT >>signals; exit 0' QUIT
trap 'echo USR1 >>signals' USR1
echo "started as $1"
echo on stderr >&2
: >serves
while :; do sleep 0.02; done
`,
	"stubborn": `for s in TERM INT QUIT HUP; do trap "echo $s >>stubborn-signals" $s; done
sleep 1000 &
echo $! >stubborn-child
echo begins
while :; do sleep 0.02; done
`,
	"broken": "echo is broken\nexit 3\n",
	"answer": `echo a message >&2
printf 'Content-Type: text/plain\r\n\r\n'
echo "$(id -u) $(umask) $(nice) $1 $KEY $FROM_FILE $PLAIN"
`,
}

// initMachine is where scripts of an init are installed for a test.
type initMachine struct {
	target                       string
	dir, work, scripts, run, log string
	enter                        []string // what enters its file systems
}

// newInitMachine renders initApps for a target, and installs all but the scripts
// that the init itself reads, which it returns by name. The files below /run are
// moved unless the machine has a /run of its own.
func newInitMachine(t *testing.T, target string, move bool) (*initMachine, map[string][]byte) {
	t.Helper()
	need.Root(t)
	dir := publicDir(t)
	m := &initMachine{target: target, dir: dir, work: filepath.Join(dir, "work  dir"), scripts: filepath.Join(dir, "the  scripts"), run: "/run", log: filepath.Join(dir, "logs")}
	for _, d := range []string{m.work, m.scripts, m.log} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run, err := supervisetest.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	username, group := someUser(t)
	id := ids(t, username, group)
	if err := os.Chown(m.work, id[0], id[1]); err != nil {
		t.Fatal(err)
	}
	for name, text := range initPrograms {
		writeProgram(t, filepath.Join(m.work, name), "#!/bin/sh\n"+text)
	}
	secret, envFile := filepath.Join(dir, "it's a key"), filepath.Join(dir, "env file")
	for file, text := range map[string]string{secret: "s3cret 'key'\nmore\n", envFile: "FROM_FILE= $(id) \"x\" \n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.NewReplacer("{user}", username, "{dir}", yamlText(m.work), "{target}", target, "{logs}", logPlace,
		"{envfile}", yamlText(envFile), "{secret}", yamlText(secret), "{script}", yamlText(filepath.Join(m.work, "answer")), "{scripts}", yamlText(m.scripts), "{run}", yamlText(run)).Replace(initApps)
	set := moveLogs(t, mustRender(t, target, load(t, text)), m.log)
	if move {
		m.run = filepath.Join(dir, "run")
		if err := os.Mkdir(m.run, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	scripts := make(map[string][]byte)
	for _, f := range set.Files() {
		if move {
			f.Data = bytes.ReplaceAll(bytes.ReplaceAll(f.Data, []byte("/var/run/"), []byte("/run/")), []byte("/run/"), []byte(m.run+"/"))
		}
		m.install(t, f, scripts)
	}
	return m, scripts
}

func (m *initMachine) install(t *testing.T, f fileset.File, scripts map[string][]byte) {
	t.Helper()
	var err error
	switch name := filepath.Base(f.Path); f.Place {
	case "init.d", "rc.d":
		scripts[name] = f.Data
	case m.scripts:
		err = installFile(filepath.Join(m.scripts, name), f)
	default:
		err = installFile(filepath.Join(m.log, strings.TrimSuffix(name, "-app")), f)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// command runs a program of the machine, as from the shell of a user: with a
// variable that is nobody's business. It returns what is printed, and the code.
func (m *initMachine) command(t *testing.T, words ...string) (string, int) {
	t.Helper()
	words = append(slices.Clone(m.enter), words...)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = m.work
	cmd.Env = []string{"PATH=" + m.dir + "/bin:/usr/sbin:/usr/bin:/sbin:/bin", "OF_THE_USER=x"}
	// A file, because what is started in the background would hold a pipe open.
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// does runs a command that must end with a code.
func (m *initMachine) does(t *testing.T, code int, words ...string) string {
	t.Helper()
	out, got := m.command(t, words...)
	if got != code {
		t.Fatalf("%q ends with %d, want %d:\n%s", words, got, code, out)
	}
	return out
}

// pid returns the process of a file once it is that program.
func (m *initMachine) pid(t *testing.T, file, program string) int {
	t.Helper()
	pid := 0
	eventually(t, "the start of "+program, func() bool {
		data, _ := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return pid > 0 && bytes.HasPrefix(cmdline, []byte("/bin/sh\x00./"+program+"\x00"))
	})
	return pid
}

// checkInitProcess looks at the process of full-app.
func (m *initMachine) checkProcess(t *testing.T, pid int) {
	t.Helper()
	username, group := someUser(t)
	user, games, tty, users := ids(t, username, group), ids(t, username, "games"), ids(t, username, "tty"), ids(t, username, "users")
	status := procFile(t, pid, "status")
	requireLine(t, status, "Umask: 0037")
	requireLine(t, status, fmt.Sprintf("Uid: %[1]d %[1]d %[1]d %[1]d", user[0]))
	requireLine(t, status, fmt.Sprintf("Gid: %[1]d %[1]d %[1]d %[1]d", games[1]))
	groups := []int{games[1], tty[1], users[1]}
	slices.Sort(groups)
	requireLine(t, status, "Groups: "+strings.Trim(fmt.Sprint(groups), "[]"))
	limits := procFile(t, pid, "limits")
	for _, want := range []string{
		"Max open files 77 ", "Max processes 5000 ", "Max address space 8589934592 ", "Max core file size 1048576 ", "Max cpu time 99 ",
	} {
		requireLine(t, limits, want)
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != m.work {
		t.Errorf("it runs in %s, want %s (%v)", cwd, m.work, err)
	}
	if got, want := procFile(t, pid, "cmdline"), "/bin/sh\x00./serve\x00a  b\x00*\x00$HOME\x00\x00"; got != want {
		t.Errorf("it is started as %q, want %q", got, want)
	}
	fields := strings.Fields(procFile(t, pid, "stat"))
	if want := fmt.Sprint(ownNiceness(t) + 3); fields[18] != want {
		t.Errorf("niceness %s, want %s", fields[18], want)
	}
	if fields[4] != fmt.Sprint(pid) {
		t.Errorf("it is in the process group %s, want one of its own", fields[4])
	}
	got := report{Env: strings.Split(strings.TrimSuffix(procFile(t, pid, "environ"), "\x00"), "\x00")}
	for name, want := range map[string]string{
		"PLAIN": "x  $y 'z'", "EMPTY": "", "KEY": "s3cret 'key'", "FROM_FILE": ` $(id) "x" `, "command": "mine", "RC_OWN": "1", "retry": "x",
		"LD_AWKWARD": "y", "USER": username, "LOGNAME": username, "HOME": homeOf(t, username),
	} {
		if is, ok := got.env(name); !ok || is != want {
			t.Errorf("%s is %.40q, want %.40q", name, is, want)
		}
	}
	if m.target == "sysv" {
		for _, variable := range got.Env {
			name, _, _ := strings.Cut(variable, "=")
			if !slices.Contains([]string{"PLAIN", "EMPTY", "KEY", "FROM_FILE", "command", "RC_OWN", "retry", "LD_AWKWARD", "USER", "LOGNAME", "HOME", "PATH", "PWD", "OLDPWD"}, name) {
				t.Errorf("it has %s, which nobody has described", variable)
			}
		}
	}
	for fd := range 3 {
		to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
		if want := map[bool]string{true: "/dev/null", false: "/full-app.log"}[fd == 0]; !strings.HasSuffix(to, want) {
			t.Errorf("descriptor %d is %s, want %s", fd, to, want)
		}
	}
	info, err := os.Stat(filepath.Join(m.inside(m.run), "full"))
	if err != nil || info.Mode().Perm() != 0o755 || info.Sys().(*syscall.Stat_t).Uid != uint32(user[0]) || info.Sys().(*syscall.Stat_t).Gid != uint32(games[1]) {
		t.Errorf("the folder of the socket: %+v, %v", info, err)
	}
}

// inside is a path of the machine as the test sees it.
func (m *initMachine) inside(path string) string {
	if len(m.enter) > 0 {
		return filepath.Join("/proc", m.enter[2], "root", path)
	}
	return path
}

func homeOf(t *testing.T, username string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "getent", "passwd", username).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(out), ":")[5]
}

// checkInitLog waits for what full-app has printed, stamped, and owned by its user.
func (m *initMachine) checkLog(t *testing.T) {
	t.Helper()
	file := filepath.Join(m.log, "full/current")
	eventually(t, "the log", func() bool {
		data, _ := os.ReadFile(file)
		lines := strings.Split(string(data), "\n")
		return len(lines) == 3 && strings.HasSuffix(lines[0], " started as a  b") && strings.HasSuffix(lines[1], " on stderr") && lines[0][0] == '@'
	})
	username, group := someUser(t)
	if info, err := os.Stat(file); err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(ids(t, username, group)[0]) {
		t.Errorf("%s: %v, %v", file, info, err)
	}
}

// loggerEnds waits until nobody reads the FIFO of a log.
func (m *initMachine) loggerEnds(t *testing.T, service string) {
	t.Helper()
	eventually(t, "the end of the logger of "+service, func() bool {
		fd, err := syscall.Open(filepath.Join(m.inside(m.run), service+".log"), syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			_ = syscall.Close(fd) // nothing was written
		}
		return errors.Is(err, syscall.ENXIO)
	})
}

// checkStubborn stops what ends on no signal: it was asked to, is killed, and so
// is what it has started.
func (m *initMachine) checkStubborn(t *testing.T, pid int, stop func()) {
	t.Helper()
	child := m.number(t, "stubborn-child")
	stop()
	requireText(t, filepath.Join(m.work, "stubborn-signals"), "TERM\n")
	eventually(t, "the end of stubborn", func() bool { return !supervisetest.Alive(pid) && !supervisetest.Alive(child) })
	m.loggerEnds(t, "stubborn")
	requireText(t, filepath.Join(m.log, "stubborn/current"), "begins\n")
}

// number waits for a number in a file.
func (m *initMachine) number(t *testing.T, name string) int {
	t.Helper()
	n := 0
	eventually(t, name, func() bool {
		data, _ := os.ReadFile(filepath.Join(m.work, name))
		n, _ = strconv.Atoi(strings.TrimSpace(string(data)))
		return n > 0
	})
	return n
}

// kill ends what a failed test has left.
func (m *initMachine) kill(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// TestSysV runs the generated scripts with the real start-stop-daemon.
func TestSysV(t *testing.T) {
	t.Parallel()
	need.Program(t, "start-stop-daemon")
	m, scripts := newInitMachine(t, "sysv", true)
	for name, data := range scripts {
		writeProgram(t, filepath.Join(m.dir, "init.d", name), string(data))
	}
	service := func(name string) string { return filepath.Join(m.dir, "init.d", name) }
	full := service("full-app")
	m.does(t, 3, full, "status")
	m.does(t, 7, full, "reload")
	m.does(t, 0, full, "stop")
	m.does(t, 2, full, "nothing")
	m.does(t, 0, full, "start")
	pid := m.pid(t, filepath.Join(m.run, "full-app.pid"), "serve")
	t.Cleanup(func() { m.kill(pid) })
	requireText(t, filepath.Join(m.work, "serves"), "")
	m.checkProcess(t, pid)
	m.checkLog(t)
	m.does(t, 0, full, "status")
	m.does(t, 0, full, "start")
	if again := m.pid(t, filepath.Join(m.run, "full-app.pid"), "serve"); again != pid {
		t.Errorf("a second start makes another process: %d, %d", pid, again)
	}
	m.does(t, 0, full, "reload")
	requireText(t, filepath.Join(m.work, "signals"), "USR1\n")
	m.does(t, 0, full, "stop")
	requireText(t, filepath.Join(m.work, "signals"), "USR1\nQUIT\n")
	if supervisetest.Alive(pid) {
		t.Error("it runs after its stop")
	}
	m.loggerEnds(t, "full-app")
	m.does(t, 3, full, "status")

	// A number that is another program's now is not touched.
	other := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(m.run, "full-app.pid"), fmt.Sprintln(other.Process.Pid))
	for _, since := range []string{"", "12345\n"} {
		writeFile(t, filepath.Join(m.run, "full-app.since"), since)
		m.does(t, 1, full, "status")
	}
	m.does(t, 0, full, "start")
	pid = m.pid(t, filepath.Join(m.run, "full-app.pid"), "serve")
	m.does(t, 0, full, "restart")
	again := m.pid(t, filepath.Join(m.run, "full-app.pid"), "serve")
	t.Cleanup(func() { m.kill(again) })
	if again == pid || supervisetest.Alive(pid) {
		t.Errorf("restart: process %d, then %d", pid, again)
	}
	m.kill(again)
	eventually(t, "its end", func() bool { return !supervisetest.Alive(again) })
	m.does(t, 1, full, "status")
	m.does(t, 0, full, "stop")
	if !supervisetest.Alive(other.Process.Pid) {
		t.Error("the other program has ended")
	}
	_ = other.Process.Kill()
	_ = other.Wait() // it was killed

	m.does(t, 0, service("stubborn"), "start")
	pid = m.pid(t, filepath.Join(m.run, "stubborn.pid"), "stubborn")
	t.Cleanup(func() { m.kill(pid) })
	m.checkStubborn(t, pid, func() { m.does(t, 0, service("stubborn"), "stop") })

	m.checkBridge(t, func() { m.does(t, 0, service("bridge"), "start") }, func() { m.does(t, 0, service("bridge"), "stop") })

	if out := m.does(t, 1, service("broken"), "start"); !strings.Contains(out, "ended at once") {
		t.Errorf("broken: %s", out)
	}
	requireText(t, filepath.Join(m.log, "broken/current"), "is broken\n")
	if err := os.Remove(filepath.Join(m.work, "broken")); err != nil {
		t.Fatal(err)
	}
	if out := m.does(t, 5, service("broken"), "start"); !strings.Contains(out, "work  dir/broken is no program") {
		t.Errorf("without its program: %s", out)
	}
}
