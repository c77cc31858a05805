package generate_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/servertest"
	"scgikit/internal/supervisetest"
)

// s6rcApps is what TestS6rc renders: blog answers requests; second comes after
// it and says when it is ready; mute never does; flaky fails, and once ends.
const s6rcApps = `apiVersion: scgikit/v1
name: blog
type: server
run: {user: {user}, directory: {dir}, command: [blog], env: {ADDRESS: "{addr}", AWKWARD: " a 'b' $$c \" \\"}, secrets: {KEY: {file: {secret}}}}
listen: {tcp: "{addr}"}
log: {dir: /logs-of-the-test/blog}
http: {mount: /blog/}
---
apiVersion: scgikit/v1
name: second
type: server
run: {user: {user}, directory: {dir}, command: [second], stop_signal: QUIT}
listen: {tcp: "127.0.0.1:8071"}
log: {dir: /logs-of-the-test/second, timestamp: iso}
http: {mount: /second/}
options: {s6-rc: {after: [blog], notification_fd: 4, scgi_run: {scgirun}}}
---
apiVersion: scgikit/v1
name: mute
type: server
run: {user: {user}, directory: {dir}, command: [mute], start_timeout: 300ms, stop_timeout: 300ms, instances: 2}
listen: {tcp: "127.0.0.1:8073"}
log: {dir: /logs-of-the-test/mute}
http: {mount: /mute/}
options: {s6-rc: {notification_fd: 3}}
---
apiVersion: scgikit/v1
name: flaky
type: server
run: {user: {user}, directory: {dir}, command: [flaky], restart: {policy: on-failure, burst: 2, max_delay: 1h}}
listen: {tcp: "127.0.0.1:8075"}
log: {dir: /logs-of-the-test/flaky}
http: {mount: /flaky/}
---
apiVersion: scgikit/v1
name: lost
type: server
run: {user: {user}, directory: {dir}, command: [lost]}
listen: {tcp: "127.0.0.1:8076"}
log: {dir: /logs-of-the-test/lost}
http: {mount: /lost/}
`

// s6rcPrograms are the programs of s6rcApps.
var s6rcPrograms = map[string]string{
	"blog": `echo "key is $KEY, awkward is $AWKWARD."
echo on stderr >&2
echo $$ >blog.pid
exec python3 blog.py "$ADDRESS"
`,
	"second": `trap 'kill -0 "$(cat blog.pid)" && echo QUIT while blog runs >>second.events; exit 0' QUIT
kill -0 "$(cat blog.pid)" && echo started while blog runs >>second.events
until test -e go; do sleep 0.02; done
echo >&4
while :; do sleep 0.02; done
`,
	"mute":  "trap '' TERM\necho mute >>mute.starts\nwhile :; do sleep 0.02; done\n",
	"flaky": "echo x >>flaky.starts\nexit 3\n",
	"lost":  "echo x >>lost.starts\n",
}

// liveS6rc is a tree of s6-svscan that s6-rc has control of.
type liveS6rc struct{ dir, work, logs, live string }

func (l *liveS6rc) path(name string) string { return filepath.Join(l.work, name) }

// ask runs s6-rc.
func (l *liveS6rc) ask(t *testing.T, words ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), s6rcProgram(t, "s6-rc"), append([]string{"-l", l.live, "-t", "60000"}, words...)...).CombinedOutput()
	return string(out), err
}

// must runs s6-rc, which has to end well.
func (l *liveS6rc) must(t *testing.T, words ...string) string {
	t.Helper()
	out, err := l.ask(t, words...)
	if err != nil {
		t.Fatalf("s6-rc %q: %v: %s", words, err, out)
	}
	return out
}

// up returns the services that s6-rc says to be up, sorted.
func (l *liveS6rc) up(t *testing.T) []string {
	t.Helper()
	list := strings.Fields(l.must(t, "-a", "list"))
	slices.Sort(list)
	return slices.DeleteFunc(list, func(name string) bool { return strings.HasPrefix(name, "s6rc-") })
}

// startS6rc renders, compiles and installs the apps, and starts s6-svscan and s6-rc-init.
func startS6rc(t *testing.T, addr string) *liveS6rc {
	t.Helper()
	dir := publicDir(t)
	l := &liveS6rc{dir: dir, work: filepath.Join(dir, "work dir"), logs: filepath.Join(dir, "logs"), live: filepath.Join(dir, "live")}
	scan := filepath.Join(dir, "scan")
	username, group := someUser(t)
	for _, d := range []string{l.work, l.logs, scan} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	id := ids(t, username, group)
	if err := os.Chown(l.work, id[0], id[1]); err != nil {
		t.Fatal(err)
	}
	for program, text := range s6rcPrograms {
		writeProgram(t, l.path(program), "#!/bin/sh\n"+text)
	}
	blog, err := os.ReadFile("../examples/blog/blog.py")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, l.path("blog.py"), string(blog))
	secret := filepath.Join(dir, "key")
	if err := os.WriteFile(secret, []byte("s3cret 'key'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run, err := supervisetest.Build(publicDir(t))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("{user}", username, "{dir}", yamlText(l.work), "{addr}", addr, "{secret}", yamlText(secret), "{scgirun}", yamlText(run)).Replace(s6rcApps)
	set := moveLogs(t, mustRender(t, "s6-rc", load(t, text)), l.logs)
	l.initialize(t, set, scan, "lost")
	return l
}

// initialize compiles and installs definitions, with the folders of all logs but
// that of one app, and starts s6-svscan and s6-rc-init.
func (l *liveS6rc) initialize(t *testing.T, set *fileset.Set, scan, noLog string) {
	t.Helper()
	_, compiled := compileS6rc(t, l.dir, set)
	for _, f := range set.Files() {
		if f.Kind == fileset.Dir && strings.HasPrefix(f.Place, logPlace) && f.Apps[0] != noLog {
			place := filepath.Join(l.logs, strings.TrimPrefix(f.Place, logPlace))
			if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := installFile(place, f); err != nil {
				t.Fatal(err)
			}
		}
	}
	supervisetest.Start(t, scan, need.Program(t, "s6-svscan"))
	eventually(t, "s6-svscan", func() bool { _, err := os.Stat(filepath.Join(scan, ".s6-svscan/control")); return err == nil })
	if out, err := exec.CommandContext(t.Context(), s6rcProgram(t, "s6-rc-init"), "-c", compiled, "-l", l.live, scan).CombinedOutput(); err != nil {
		t.Fatalf("s6-rc-init: %v: %s", err, out)
	}
}

// TestS6rc brings apps up and down with the real s6-rc: in order, with their
// variables, logs and limits; one of them answers requests.
func TestS6rc(t *testing.T) {
	t.Parallel()
	s6rcProgram(t, "s6-rc-compile")
	need.Root(t)
	for _, program := range []string{"s6-svc", "s6-svstat", "s6-envdir", "s6-envuidgid", "s6-applyuidgid", "s6-setuidgid", "s6-softlimit", "s6-log", "s6-permafailon", "python3"} {
		need.Program(t, program)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", servertest.Ports(t, 1))
	l := startS6rc(t, addr)
	if up := l.up(t); len(up) != 0 {
		t.Errorf("%q are up before anybody asks", up)
	}
	checkS6rcOrder(t, l, addr)
	checkS6rcLogs(t, l)
	checkS6rcFailures(t, l)
	blog, err := os.ReadFile(l.path("blog.pid"))
	if err != nil {
		t.Fatal(err)
	}
	l.must(t, "-d", "change", "blog") // and with it what comes after
	if up := l.up(t); slices.Contains(up, "second.srv") || slices.Contains(up, "blog.srv") {
		t.Errorf("%q are up behind their end", up)
	}
	requireText(t, l.path("second.events"), "started while blog runs\nQUIT while blog runs\n")
	requireNoFile(t, "/proc/"+strings.TrimSpace(string(blog)))
	l.must(t, "-da", "change")
	if up := l.up(t); len(up) != 0 {
		t.Errorf("%q are up in the end", up)
	}
}

// checkS6rcOrder brings second up, and blog with it.
func checkS6rcOrder(t *testing.T, l *liveS6rc, addr string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		out, err := l.ask(t, "-u", "change", "second")
		if err != nil {
			err = fmt.Errorf("s6-rc: %w: %s", err, out)
		}
		done <- err
	}()
	requireText(t, l.path("second.events"), "started while blog runs\n")
	select {
	case err := <-done:
		t.Errorf("second is up before it says so: %v", err)
	default:
	}
	writeFile(t, l.path("go"), "")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if up, want := l.up(t), []string{"blog.log", "blog.srv", "second.log", "second.srv"}; !slices.Equal(up, want) {
		t.Errorf("%q are up, want %q", up, want)
	}
	eventually(t, "blog to listen", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	if answer := askSCGI(t, "tcp", addr, "/blog", "/", ""); !strings.HasPrefix(answer, "Status: 200") || !strings.Contains(answer, "<h1>") {
		t.Errorf("blog answers %.300q", answer)
	}
}

// checkS6rcLogs looks for what blog has printed in its log, and for its owner.
func checkS6rcLogs(t *testing.T, l *liveS6rc) {
	t.Helper()
	stamped := regexp.MustCompile(`^@[0-9a-f]{24} key is s3cret 'key', awkward is  a 'b' \$c " \\\.\n@[0-9a-f]{24} on stderr\n`)
	file := filepath.Join(l.logs, "blog/current")
	eventually(t, "the log", func() bool {
		data, _ := os.ReadFile(file)
		return stamped.Match(data) && bytes.Contains(data, []byte("GET"))
	})
	username, group := someUser(t)
	info, err := os.Stat(file)
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(ids(t, username, group)[0]) {
		t.Errorf("%s: %v, %v", file, info, err)
	}
}

// checkS6rcFailures brings up what can not be: mute is never ready, the log of
// lost can not be written, and flaky ends again and again.
func checkS6rcFailures(t *testing.T, l *liveS6rc) {
	t.Helper()
	if out, err := l.ask(t, "-u", "change", "mute"); err == nil {
		t.Errorf("mute is said to be up: %s", out)
	}
	if up := l.up(t); slices.Contains(up, "mute-1.srv") || !slices.Contains(up, "mute-1.log") {
		t.Errorf("%q are up behind mute", up)
	}
	if out, err := l.ask(t, "-t", "1000", "-u", "change", "lost"); err == nil {
		t.Errorf("lost is said to be up: %s", out)
	}
	requireNoFile(t, l.path("lost.starts"))
	l.must(t, "-u", "change", "flaky")
	requireText(t, l.path("flaky.starts"), "x\nx\n")
	l.must(t, "-d", "change", "flaky")
}
