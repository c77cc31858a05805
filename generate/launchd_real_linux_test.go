package generate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/fileset"
)

// There is no launchd here. What follows does with a property list what
// launchd.plist(5) says of its keys.

// launchdCommand returns the command of a property list, in the setting that it
// asks for. Numbers are what they are: decimal.
func launchdCommand(t *testing.T, plist map[string]any) *exec.Cmd {
	t.Helper()
	number := func(key string) int64 {
		n, _ := plist[key].(json.Number)
		value, err := n.Int64()
		if err != nil && plist[key] != nil {
			t.Fatalf("%s is %v", key, plist[key])
		}
		return value
	}
	words := []string{"-c", `umask "$1"; n=$2; shift 2; exec nice -n "$n" "$@"`, "launchd", fmt.Sprintf("%04o", number("Umask")), fmt.Sprint(number("Nice"))}
	for _, word := range plist["ProgramArguments"].([]any) {
		words = append(words, word.(string))
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", words...)
	cmd.Dir, _ = plist["WorkingDirectory"].(string)
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		id := ids(t, plist["UserName"].(string), plist["GroupName"].(string))
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(id[0]), Gid: uint32(id[1])}
	}
	return cmd
}

// installLaunchd puts scripts and folders where the description says they are,
// and returns the property lists.
func installLaunchd(t *testing.T, set *fileset.Set, dir string) map[string]map[string]any {
	t.Helper()
	for _, f := range set.Files() {
		path := filepath.Join(dir, strings.TrimPrefix(f.Path, "launchd/"))
		if f.Kind == fileset.Dir {
			path = strings.Replace(f.Place, logPlace, filepath.Join(dir, "log"), 1)
		}
		f.Group = ""
		if err := installFile(path, f); err != nil {
			t.Fatal(err)
		}
	}
	return parsePlists(t, plistsOf(set))
}

// TestLaunchdPerRequest starts, for each connection, what the property list
// says, with the connection as descriptors 0, 1 and 2.
func TestLaunchdPerRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ more, setting, rest string }{
		"plain": {"", plainSetting(t), "value=v1 key= file="},
		"full":  {moreSetting, fullSetting(t), "value=v1 key=s 3 file=f 4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			r := &realInetd{dir: publicDir(t), network: "tcp", addr: listener.Addr().String()}
			more := "  mode: per-request\n" + test.more
			if name == "full" {
				writeFile(t, filepath.Join(r.dir, "key"), "s 3\n")
				writeFile(t, filepath.Join(r.dir, "env"), "FROM_FILE=f 4\n")
				more += fmt.Sprintf("  env_file: %s\n  secrets: {KEY: {file: %s}}", filepath.Join(r.dir, "env"), filepath.Join(r.dir, "key"))
			}
			text := r.describe(t, "openbsd", fmt.Sprintf("{tcp: %q}", r.addr), more, buildSCGIRun(t, r.dir))
			text = strings.Replace(text, "{inetd: {dialect: openbsd,", "{launchd: {", 1)
			set := moveLogs(t, mustRender(t, "launchd", load(t, text)), filepath.Join(r.dir, "log"))
			plist := installLaunchd(t, set, r.dir)["local.scgikit.files.plist"]
			r.prepare(t)
			socket := plist["Sockets"].(map[string]any)["Listeners"].(map[string]any)
			if got := net.JoinHostPort(socket["SockNodeName"].(string), socket["SockServiceName"].(string)); got != r.addr {
				t.Fatalf("the property list has the address %s, want %s", got, r.addr)
			}
			done := make(chan error, 1)
			cmd := launchdCommand(t, plist)
			go func() { done <- serveOnce(listener, cmd) }()
			r.check(t, test.rest, test.setting)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// serveOnce accepts one connection and starts a command on it.
func serveOnce(listener net.Listener, cmd *exec.Cmd) error {
	defer listener.Close()
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	defer file.Close()
	if err := syscall.SetNonblock(int(file.Fd()), false); err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = file, file, file
	return cmd.Run()
}

// TestLaunchdBridge keeps scgi-run running twice as launchd does, at the same socket,
// which is of run.user and of the group of its folder.
func TestLaunchdBridge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ more, setting, rest string }{
		"plain": {"", plainSetting(t), "value=v1 key= file="},
		"full":  {moreSetting, fullSetting(t), "value=v1 key=s 3 file=f 4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			username, group := someUser(t)
			r := &realInetd{dir: publicDir(t), network: "unix"}
			r.addr = filepath.Join(r.dir, "log-own", "it's a socket")
			more := test.more
			if name == "full" {
				writeFile(t, filepath.Join(r.dir, "key"), "s 3\n")
				writeFile(t, filepath.Join(r.dir, "env"), "FROM_FILE=f 4\n")
				more += fmt.Sprintf("  env_file: %s\n  secrets: {KEY: {file: %s}}", filepath.Join(r.dir, "env"), filepath.Join(r.dir, "key"))
			}
			text := r.describe(t, "openbsd", fmt.Sprintf("{unix: %s, group: games, backlog: 9}", yamlText(logPlace+"-own/it's a socket")), more, buildSCGIRun(t, r.dir))
			text = strings.Replace(text, "{inetd: {dialect: openbsd,", "{launchd: {", 1)
			set := moveLogs(t, mustRender(t, "launchd", load(t, text)), filepath.Join(r.dir, "log"))
			plist := installLaunchd(t, set, r.dir)["local.scgikit.files.plist"]
			writeProgram(t, filepath.Join(r.dir, "cgi/env.sh"), cgiScript)
			// On macOS a new file has the group of its folder without being asked.
			folder := filepath.Dir(r.addr)
			id, games := ids(t, username, group), ids(t, username, "games")
			if os.Geteuid() == 0 {
				if err := errors.Join(os.Chown(folder, id[0], games[1]), os.Chmod(folder, os.ModeSetgid|0o750)); err != nil {
					t.Fatal(err)
				}
			}
			for round := range 2 {
				launchdRound(t, r, launchdCommand(t, plist), test.rest, test.setting)
				eventually(t, "the end of the logger", func() bool {
					current := filepath.Join(r.dir, "log/current")
					log, err := os.ReadFile(current)
					info, statErr := os.Stat(current)
					return err == nil && statErr == nil && strings.Count(string(log), "a warning") == round+1 && info.Mode().Perm()&0o100 != 0
				})
			}
		})
	}
}

// launchdRound starts a bridge, looks at its socket, has it answer, and ends it.
func launchdRound(t *testing.T, r *realInetd, cmd *exec.Cmd, rest, setting string) {
	t.Helper()
	username, group := someUser(t)
	id, games := ids(t, username, group), ids(t, username, "games")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	eventually(t, "the bridge to listen", func() bool {
		conn, err := net.Dial("unix", r.addr)
		if err == nil {
			err = conn.Close()
		}
		return err == nil
	})
	info, err := os.Stat(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	if stat := info.Sys().(*syscall.Stat_t); info.Mode().Perm() != 0o660 || os.Geteuid() == 0 && (stat.Uid != uint32(id[0]) || stat.Gid != uint32(games[1])) {
		t.Errorf("the socket is of %d:%d with mode %s", stat.Uid, stat.Gid, info.Mode())
	}
	head, body, _ := strings.Cut(askSCGI(t, "unix", r.addr, "/files", "/env.sh/more/path", "a body"), "\r\n\r\n")
	want := fmt.Sprintf("uid=%d gid=%d dir=%s\nscript=/files/env.sh info=/more/path %s\n%s\na body",
		id[0], id[1], filepath.Join(r.dir, "cgi"), rest, setting)
	if !strings.HasPrefix(head, "Status: 200 OK\r\n") || body != want {
		t.Errorf("the answer is %q\n%q, want\n%q", head, body, want)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("TERM to the process that launchd started: %v", err)
	}
	ended = true
}

// launchdServer says what it is, writes more than a pipe holds, and ends on TERM
// with one more line. Its child stays in its process group and says nothing.
const launchdServer = `#!/bin/sh
echo "pid=$$ args=$# $1 $2"
echo "text=$TEXT uid=$UID key=$KEY file=$FROM_FILE dir=$(pwd)" >&2
echo "umask=$(umask) nice=$(nice)" $(ulimit -c; ulimit -n; ulimit -t; ulimit -v)
i=0
while [ $i -lt 20000 ]; do i=$((i+1)); echo "line $i of twenty thousand"; done
trap 'echo "ended by TERM"; exit 0' TERM
: >"$READY"
while :; do sleep 0.02; done
`

// TestLaunchdResident runs a program twice as launchd does: TERM to the process
// that it started, then to what is left of its group. Every line is in the log,
// and the program is the process that launchd knows.
func TestLaunchdResident(t *testing.T) {
	t.Parallel()
	username, group := someUser(t)
	dir := publicDir(t)
	run := buildSCGIRun(t, dir)
	app := filepath.Join(dir, "the app")
	writeProgram(t, filepath.Join(app, "serve"), launchdServer)
	writeFile(t, filepath.Join(dir, "key"), "s 3\n")
	writeFile(t, filepath.Join(dir, "env"), "# x\nFROM_FILE=f 4\n")
	if err := os.Chmod(app, 0o777); err != nil {
		t.Fatal(err)
	}
	ready := filepath.Join(app, "ready")
	set := mustRender(t, "launchd", load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: stays
type: server
run:
  user: %s
  group: %s
  command: [serve, "it's", "a  b"]
  directory: %s
  env: {TEXT: "$$x 'y'", UID: own, READY: %s}
  env_file: %s
  secrets: {KEY: {file: %s}}
%slisten: {tcp: "127.0.0.1:8051"}
log: {dir: %s, timestamp: none, max_size: 15MiB, keep: 1}
http: {mount: /a}
options: {launchd: {scgi_run: %s, wrapper_dir: %s}}
`, username, group, yamlText(app), yamlText(ready), yamlText(filepath.Join(dir, "env")), yamlText(filepath.Join(dir, "key")), moreSetting, logPlace, yamlText(run), yamlText(dir))))
	plist := installLaunchd(t, moveLogs(t, set, filepath.Join(dir, "log")), dir)["local.scgikit.stays.plist"]
	var want strings.Builder
	for range 2 {
		cmd := launchdCommand(t, plist)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the program's start", func() bool { _, err := os.Stat(ready); return err == nil })
		if err := os.Remove(ready); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("TERM to the process that launchd started: %v", err)
		}
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
		fmt.Fprintf(&want, "pid=%d args=2 it's a  b\ntext=$x 'y' uid=own key=s 3 file=f 4 dir=%s\n%s\n", cmd.Process.Pid, app, fullSetting(t))
		for i := range 20000 {
			fmt.Fprintf(&want, "line %d of twenty thousand\n", i+1)
		}
		want.WriteString("ended by TERM\n")
	}
	current := filepath.Join(dir, "log/current")
	eventually(t, "the end of the second logger", func() bool {
		// A logger that has written everything says so by the mode of the file.
		info, err := os.Stat(current)
		return err == nil && info.Mode().Perm()&0o100 != 0 && info.Size() >= int64(want.Len())
	})
	got, err := os.ReadFile(current)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Errorf("the log differs: %s", firstDifference(want.String(), string(got)))
	}
	requireNoFile(t, filepath.Join(dir, "log/pipe"))
}

// TestLaunchdNoLog: without the folder of the log a program is not started.
func TestLaunchdNoLog(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	set := mustRender(t, "launchd", load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: stays
type: server
run: {user: www, command: [/bin/touch, %s]}
listen: {tcp: "127.0.0.1:8051"}
log: {dir: /nowhere/at/all}
http: {mount: /a}
`, yamlText(filepath.Join(dir, "started")))))
	script, _ := set.Get("launchd/stays")
	writeProgram(t, filepath.Join(dir, "logger"), "#!/bin/sh\necho \"$@\" >"+filepath.Join(dir, "told")+"\n")
	cmd := exec.CommandContext(t.Context(), "/bin/sh")
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
	cmd.Stdin = strings.NewReader(string(script.Data))
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 111 {
		t.Errorf("%v, want exit 111", err)
	}
	requireNoFile(t, filepath.Join(dir, "started"))
	if told, err := os.ReadFile(filepath.Join(dir, "told")); err != nil || string(told) != "-p daemon.err -t stays -- can not make a pipe in the folder of the log\n" {
		t.Errorf("the system's log is told %q, %v", told, err)
	}
}
