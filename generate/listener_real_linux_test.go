package generate_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/servertest"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// listened is what TestListeners renders, with what differs for NAME in braces: a
// program for each connection at a socket and one at a port, each with all fields,
// and one with the listener that is no default; and a callable that keeps running.
// kept adds the first, with a bridge that keeps running.
const listened = `apiVersion: scgikit/v1
name: socket
type: cgi
run:
  mode: per-request
  user: {user}
  {groups}
  umask: "0037"
  nice: 3
  max_concurrent: 2
  env: {VALUE: "v 1 ", UID: mine}
  env_file: {envfile}
  secrets: {KEY: {file: {secret}}}
  limits: {nofile: 77, nproc: 5000, memory: 8GiB, core: 1MiB, cpu_seconds: 99}
cgi: {directory: {cgi}}
listen: {unix: {dir}/run/a/socket, user: www-data, group: tty, mode: "0640", backlog: 9}
http: {mount: /socket/}
options: {{target}: {supervisor: {supervisor}, scgi_run: {scgirun}}}
---
apiVersion: scgikit/v1
name: port
type: cgi
run: {user: {user}, mode: per-request, max_concurrent: 2, nice: -2, secrets: {KEY: {file: {secret}}}}
cgi: {script: {cgi}facts, arguments: [a b, "it's"]}
listen: {tcp: "127.0.0.1:{port}"}
http: {mount: /port/}
options: {{target}: {supervisor: {supervisor}, scgi_run: {scgirun}}}
---
apiVersion: scgikit/v1
name: other-socket
type: cgi
run: {user: {user}, max_concurrent: 50}
cgi: {directory: {cgi}}
listen: {unix: {dir}/run/b/socket, user: {user}, group: www-data, mode: "0620"}
http: {mount: /other-socket/}
options: {{target}: {supervisor: {supervisor}, scgi_run: {scgirun}, listener: {listener}}}
---
apiVersion: scgikit/v1
name: callable
type: wsgi
run: {user: {user}, directory: {cgi}}
wsgi: {module: "app:application", python: /usr/bin/python3}
listen: {tcp: "127.0.0.1:{port2}"}
http: {mount: /callable/}
options: {{target}: {supervisor: {supervisor}, scgi_run: {scgirun}}}
`

func kept() string {
	first, _, _ := strings.Cut(listened, "---\n")
	change := strings.NewReplacer("name: socket", "name: kept", "  mode: per-request\n", "", "/run/a/", "/run/k/", "/socket/", "/kept/")
	return listened + "---\n" + change.Replace(first)
}

// listenedScripts answer requests. wait lets one wait for the file go, and says
// how many others there are.
var listenedScripts = map[string]string{
	"facts": `echo "a message of $SCRIPT_NAME" >&2
printf 'Content-Type: text/plain\r\n\r\n'
echo "ids $(id -u) $(id -g) $(id -G | tr ' ' '\n' | sort -n | tr '\n' ' ')"
echo "dir $(pwd) umask $(umask) nice $(nice) limits" $(ulimit -c; ulimit -n; ulimit -t; ulimit -v)
echo "words" "$@"
for fd in /proc/$$/fd/*; do printf 'fd %s ' "${fd##*/}"; readlink "$fd" || echo gone; done
env
`,
	"wait": `: >{work}/in/$$
n=$(ls {work}/in | wc -l)
until test -e {work}/go; do sleep 0.02; done
rm {work}/in/$$
printf 'Content-Type: text/plain\r\n\r\n%s' $n
`,
}

const listenedCallable = `import os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(sorted(k for k in os.environ if k.startswith(("TCP", "PROTO")))).encode() + b"called in " + os.getcwd().encode()]
`

// listenedFolders are the folders of one run under one keeper.
type listenedFolders struct {
	keptFolders
	dir  string
	port [2]int
	stop func(service string) // in the way of who brings services up and down, where that is not the keeper
}

// listenedServices are the services of listened.
var listenedServices = [...]string{"socket", "port", "other-socket", "callable", "kept"}

func (l *listenedFolders) addr(service string) (network, addr string) {
	switch service {
	case "socket":
		return "unix", l.dir + "/run/a/socket"
	case "kept":
		return "unix", l.dir + "/run/k/socket"
	case "other-socket":
		return "unix", l.dir + "/run/b/socket"
	case "port":
		return "tcp", fmt.Sprintf("127.0.0.1:%d", l.port[0])
	}
	return "tcp", fmt.Sprintf("127.0.0.1:%d", l.port[1])
}

// renderListened renders folders or definitions for a keeper, with all that they
// need in their place.
func renderListened(t *testing.T, k keeper, scgiRun string) (*listenedFolders, *fileset.Set) {
	t.Helper()
	dir := publicDir(t)
	first := servertest.Ports(t, 2)
	l := &listenedFolders{keptFolders: keptFolders{k, filepath.Join(dir, "work"), filepath.Join(dir, "scan")}, dir: dir, port: [2]int{first, first + 1}}
	username, group := someUser(t)
	for _, d := range []string{l.work, l.scan, l.at("in")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	id := ids(t, username, group)
	if err := os.Chown(l.at("in"), id[0], id[1]); err != nil {
		t.Fatal(err)
	}
	for name, text := range listenedScripts {
		writeProgram(t, l.at(name), "#!/bin/sh\n"+strings.ReplaceAll(text, "{work}", l.work))
	}
	writeFile(t, l.at("app.py"), listenedCallable)
	secret, envFile := filepath.Join(dir, "key"), filepath.Join(dir, "env file")
	for file, text := range map[string]string{secret: "s3cret 'key'\nmore\n", envFile: "FROM_FILE= $(id) \"x\" \nOTHER=o\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	supervisor, other := k.target, "s6-ipcserver"
	if k.ours {
		supervisor = "scgikit"
	}
	if k.target == "s6" || k.target == "s6-rc" {
		other = "unixserver"
	}
	description := kept()
	if k.target == "s6-rc" {
		description = strings.ReplaceAll(description, "supervisor: {supervisor}, ", "")
		for _, service := range listenedServices {
			mount := "http: {mount: /" + service + "/}"
			description = strings.Replace(description, mount, "log: {dir: "+logPlace+"/"+service+"}\n"+mount, 1)
		}
	}
	groups := map[string]string{
		"daemontools": "start_timeout: 10s", "runit": "group: users, supplementary_groups: [games, tty]", "s6": `group: users, supplementary_groups: ["60", "5"]`,
		"s6-rc": `group: users, supplementary_groups: ["60", "5"]`,
	}[k.target]
	groups = strings.ReplaceAll(groups, ", sup", "\n  sup")
	text := strings.NewReplacer("{user}", username, "{dir}", dir, "{cgi}", l.work+"/", "{target}", k.target, "{groups}", groups, "{supervisor}", supervisor,
		"{listener}", other, "{envfile}", yamlText(envFile), "{secret}", secret, "{scgirun}", scgiRun,
		"{port}", fmt.Sprint(first), "{port2}", fmt.Sprint(first+1)).Replace(description)
	return l, mustRender(t, k.target, load(t, text))
}

// listenUnder renders folders for a keeper, and starts that on them.
func listenUnder(t *testing.T, k keeper, scgiRun string) *listenedFolders {
	t.Helper()
	l, set := renderListened(t, k, scgiRun)
	building := filepath.Join(l.dir, "building")
	install(t, set, k.target, building)
	for _, service := range listenedServices {
		if err := os.Rename(filepath.Join(building, service), l.service(service)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		logs, _ := filepath.Glob(filepath.Join(l.scan, "*/log/main/current"))
		for _, file := range logs {
			data, _ := os.ReadFile(file)
			t.Logf("%s:\n%s", file, data)
		}
	})
	l.start(t)
	return l
}

// start starts the keeper, and ends what it has started with the test.
func (l *listenedFolders) start(t *testing.T) {
	t.Helper()
	supervisetest.Start(t, l.scan, l.argv...)
	for _, service := range listenedServices {
		l.answers(t, service)
	}
}

// answers waits until something accepts connections.
func (l *listenedFolders) answers(t *testing.T, service string) {
	t.Helper()
	network, addr := l.addr(service)
	eventually(t, service+" to listen", func() bool {
		conn, err := net.Dial(network, addr)
		if err == nil {
			err = conn.Close()
		}
		return err == nil
	})
}

// listener returns the process that listens.
func (l *listenedFolders) listener(t *testing.T, service string) int {
	t.Helper()
	pid := 0
	eventually(t, service+" to run", func() bool {
		if l.target == "daemontools" && !l.ours {
			_, text, _ := strings.Cut(l.ask(t, "svstat", l.service(service)), "(pid ")
			_, _ = fmt.Sscan(strings.Replace(text, ")", " ", 1), &pid)
		} else {
			pid = l.pid(t, service)
		}
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		name, rest, _ := strings.Cut(string(cmdline), "\x00")
		if service == "kept" {
			return strings.HasPrefix(rest, "bridge\x00--listen=fd:0\x00")
		}
		return slices.Contains([]string{"tcpserver", "unixserver", "s6-ipcserverd"}, name)
	})
	return pid
}

// TestListeners runs folders with listeners under svscan, runsvdir, s6-svscan and
// our own supervisor: real requests are answered by what the description says.
func TestListeners(t *testing.T) {
	t.Parallel()
	need.Root(t)
	for _, program := range []string{
		"tcpserver", "unixserver", "s6-ipcserverd", "s6-ipcserver-socketbinder", "getent", "svscan", "supervise", "svstat", "svc", "multilog", "setuidgid", "envdir",
		"chpst", "svlogd", "sv", "s6-svc", "s6-svstat", "s6-envdir", "s6-envuidgid", "s6-applyuidgid", "s6-setuidgid", "s6-log", "python3",
	} {
		need.Program(t, program)
	}
	run := buildSCGIRun(t, publicDir(t))
	all := keepers(t, run)
	all["svscan"] = keeper{"daemontools", false, []string{need.Program(t, "svscan")}}
	all["ours daemontools"] = keeper{"daemontools", true, []string{run, "supervise"}}
	for name, k := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listenUnder(t, k, run)
			checkSockets(t, l)
			checkListenReadiness(t, l)
			checkFacts(t, l)
			for _, service := range []string{"socket", "port", "other-socket", "kept"} {
				checkKilledListener(t, l, service)
			}
			checkSockets(t, l)
			checkConcurrency(t, l)
			checkStoppedListener(t, l, "socket")
			checkStoppedListener(t, l, "kept")
		})
	}
}

// checkSockets looks at owner and mode of the sockets.
func checkSockets(t *testing.T, l *listenedFolders) {
	t.Helper()
	username, group := someUser(t)
	own, web, tty := ids(t, username, group), ids(t, "www-data", "www-data"), ids(t, "www-data", "tty")
	for service, want := range map[string]string{
		"socket": fmt.Sprintf("%d %d 640", tty[0], tty[1]), "kept": fmt.Sprintf("%d %d 640", tty[0], tty[1]), "other-socket": fmt.Sprintf("%d %d 620", own[0], web[1]),
	} {
		_, path := l.addr(service)
		// s6-ipcserver-socketbinder has made it before it is given away.
		eventually(t, service+" to be at a socket of "+want, func() bool {
			info, err := os.Stat(path)
			if err != nil {
				return false
			}
			stat := info.Sys().(*syscall.Stat_t)
			return fmt.Sprintf("%d %d %o", stat.Uid, stat.Gid, info.Mode().Perm()) == want && info.Mode()&os.ModeSocket != 0
		})
	}
}

// checkListenReadiness asks the keeper whether a listener has said that it listens.
func checkListenReadiness(t *testing.T, l *listenedFolders) {
	t.Helper()
	for _, service := range []string{"socket", "port", "kept"} {
		_, err := os.Stat(filepath.Join(l.service(service), "notification-fd"))
		says := l.target == "s6" || l.ours && service != "socket"
		if (err == nil) != says {
			t.Errorf("%s: notification-fd: %v", service, err)
		}
		switch {
		case l.ours:
			eventually(t, service+" to be ready", func() bool { return l.is(service, servicedir.Running) })
		case says:
			eventually(t, service+" to be ready", func() bool { return l.ask(t, "s6-svstat", "-o", "ready", l.service(service)) == "true" })
		}
	}
}

// checkFacts asks each app, and compares what it finds itself in.
func checkFacts(t *testing.T, l *listenedFolders) {
	t.Helper()
	username, group := someUser(t)
	own := ids(t, username, group)
	plain := fmt.Sprintf("ids %[1]d %[2]d %[2]d", own[0], own[1])
	full := plain
	if l.target != "daemontools" {
		users, games, tty := ids(t, username, "users"), ids(t, username, "games"), ids(t, username, "tty")
		list := []int{users[1], games[1], tty[1]}
		slices.Sort(list)
		full = fmt.Sprintf("ids %d %d %s", own[0], users[1], strings.Trim(fmt.Sprint(list), "[]"))
	}
	setting := plainSetting(t)
	for service, want := range map[string][]string{
		"socket": {
			full, "dir " + l.work + " umask 0037 nice " + fmt.Sprint(ownNiceness(t)+3) + " limits 2048 77 99 8388608",
			"words", "VALUE=v 1 ", "UID=mine", "KEY=s3cret 'key'", `FROM_FILE= $(id) "x" `, "OTHER=o", "SCRIPT_NAME=/socket/facts",
		},
		"kept": {
			full, "dir " + l.work + " umask 0037 nice " + fmt.Sprint(ownNiceness(t)+3) + " limits 2048 77 99 8388608",
			"words", "VALUE=v 1 ", "UID=mine", "KEY=s3cret 'key'", `FROM_FILE= $(id) "x" `, "OTHER=o", "SCRIPT_NAME=/kept/facts",
		},
		"port": {
			plain, "dir " + l.work + " " + strings.NewReplacer("=", " ", fmt.Sprintf("nice=%d ", ownNiceness(t)), fmt.Sprintf("nice %d limits ", ownNiceness(t)-2)).Replace(setting),
			"words a b it's", "KEY=s3cret 'key'", "SCRIPT_NAME=/port",
		},
		"other-socket": {
			plain, "dir " + l.work + " " + strings.NewReplacer("=", " ", fmt.Sprintf("nice=%d ", ownNiceness(t)), fmt.Sprintf("nice %d limits ", ownNiceness(t))).Replace(setting),
			"words", "SCRIPT_NAME=/other-socket/facts",
		},
	} {
		network, addr := l.addr(service)
		rest := "/facts"
		if service == "port" {
			rest = ""
		}
		head, body, _ := strings.Cut(askSCGI(t, network, addr, "/"+service, rest, ""), "\r\n\r\n")
		if !strings.HasPrefix(head, "Status: 200 OK\r\n") {
			t.Errorf("%s: the head is %q", service, head)
		}
		lines := strings.Split(body, "\n")
		for i := range lines {
			if strings.HasPrefix(lines[i], "ids ") {
				lines[i] = strings.TrimRight(lines[i], " ")
			}
		}
		for _, line := range want {
			if !slices.Contains(lines, line) {
				t.Errorf("%s: no %q in\n%s", service, line, body)
			}
		}
		checkForeign(t, service, lines)
		eventually(t, "the message of "+service, func() bool {
			data, _ := os.ReadFile(filepath.Join(l.service(service), "log/main/current"))
			return strings.Contains(string(data), "a message of /"+service)
		})
	}
	network, addr := l.addr("callable")
	if _, body, _ := strings.Cut(askSCGI(t, network, addr, "/callable", "/", ""), "\r\n\r\n"); body != "called in "+l.work {
		t.Errorf("the callable answers %q", body)
	}
}

// socket returns the socket of a service as it is in the file system, or nil.
func (l *listenedFolders) socket(t *testing.T, service string) os.FileInfo {
	t.Helper()
	network, path := l.addr(service)
	if network != "unix" {
		return nil
	}
	var info os.FileInfo
	eventually(t, "the socket of "+service, func() bool {
		var err error
		info, err = os.Stat(path)
		return err == nil
	})
	return info
}
