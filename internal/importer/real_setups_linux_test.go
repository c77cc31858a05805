package importer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"scgikit/generate"
	"scgikit/internal/fileset"
	"scgikit/internal/importer"
	"scgikit/internal/inetdconf"
	"scgikit/internal/loopback"
	"scgikit/internal/need"
)

// served is a server that answers each request with what it can see of how it was
// started. Its first word is a port, or fd:3 for a socket that it is given.
const served = `#!/usr/bin/python3
import os, resource, socket, sys
if sys.argv[1] == "fd:3":
    s = socket.socket(fileno=3)
    if "NOTIFY_SOCKET" in os.environ:
        n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        n.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
else:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", int(sys.argv[1])))
    s.listen()
mask = os.umask(0)
os.umask(mask)
out = ["[%s]" % w for w in sys.argv[1:]]
out += sorted("env %s=%s" % (k, v) for k, v in os.environ.items() if k not in ("PWD", "OLDPWD", "SHLVL", "_", "LISTEN_PID", "PROMPT"))
out.append("uid %s gid %s groups %s" % (os.getresuid(), os.getresgid(), sorted(os.getgroups())))
out.append("mask %04o nice %d folder %s" % (mask, os.nice(0), os.getcwd()))
for name in "NOFILE NPROC AS CPU FSIZE CORE".split():
    out.append("limit %s %d" % (name, resource.getrlimit(getattr(resource, "RLIMIT_" + name))[0]))
out = "\n".join(out) + "\n"
while True:
    c = s.accept()[0]
    c.recv(65536)
    c.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + out.encode())
    c.close()
`

// oldRun does what scgi_run does with a folder: it reads the request, and becomes the
// script that the path names, where it stands.
const oldRun = `#!/usr/bin/python3
import os, sys
head = b""
while not head.endswith(b":"):
    head += os.read(0, 1)
length, text = int(head[:-1]) + 1, b""
while len(text) < length:
    text += os.read(0, length - len(text))
words = text[:-1].split(b"\0")[:-1]
for name, value in zip(words[::2], words[1::2]):
    os.environb[name] = value
name, _, rest = os.environ["PATH_INFO"].lstrip("/").partition("/")
os.environ["SCRIPT_NAME"] += "/" + name
os.environ["PATH_INFO"] = "/" + rest
script = sys.argv[1] + name
os.execv(script, [script])
`

// proof is one line of the table: a set-up, what came of it, and how both were run.
type proof struct {
	source, imported, refused, ran, equal string
}

// importAll imports a set-up and renders each app for a target, into folders below
// generated/.
func (m *machine) importAll(t *testing.T, p *proof, kind importer.Kind, name, target string, o *importer.Options) *importer.Result {
	t.Helper()
	o.Targets = generate.OptionTypes()
	result, err := importer.Read(t.Context(), kind, os.DirFS("/"), strings.TrimPrefix(m.path(name), "/"), name, o)
	if err != nil {
		t.Fatal(err)
	}
	var names, refused []string
	for _, n := range result.Notes {
		t.Log(n)
		if n.Class == importer.Refused || n.Class == importer.Skipped {
			refused = append(refused, n.Message)
		}
	}
	for _, a := range result.Apps {
		t.Log(a.Text)
		names = append(names, a.Name)
		if target == "" {
			continue
		}
		set := new(world).rendered(t, target, load(a.Text))
		if set == nil {
			t.Fatal("the target refuses it")
		}
		for _, f := range set.Files() {
			name := filepath.Join("generated", f.Path)
			switch f.Kind {
			case fileset.Dir:
				err = os.MkdirAll(m.path(name), 0o755)
			case fileset.Symlink:
				err = os.Symlink(f.Link, m.path(name))
			case fileset.Regular:
				m.write(t, name, string(f.Data), f.Mode)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	p.imported, p.refused = strings.Join(names, ", "), strings.Join(refused, "; ")
	return result
}

// start runs a program. The test ends it with a signal, or waits for its end with 0.
func (m *machine) start(t *testing.T, folder string, words ...string) (end func(syscall.Signal)) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), words[0], words[1:]...)
	cmd.Dir = folder
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C.UTF-8"}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func(signal syscall.Signal) {
		if signal != 0 {
			if err := cmd.Process.Signal(signal); err != nil {
				t.Error(err)
			}
		}
		if err := cmd.Wait(); errors.Is(err, exec.ErrWaitDelay) {
			t.Errorf("%q has left a process behind", words)
		}
		if t.Failed() {
			t.Logf("%q:\n%s", words, output.Bytes())
		}
	}
}

// say sends a request to an address, as soon as something listens there, and returns
// all that comes back.
func say(t *testing.T, addr, request string) string {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	deadline := time.Now().Add(time.Minute)
	for {
		conn, err := net.Dial(network, addr)
		if err != nil {
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
			<-time.After(10 * time.Millisecond)
			continue
		}
		defer conn.Close()
		if err := conn.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
}

const get = "GET / HTTP/1.0\r\n\r\n"

// without leaves out the lines that begin with one of the words, for which the
// documentation has a line of its own: docs/import.md, What is not the same afterwards.
func without(report string, beginnings ...string) string {
	var kept []string
	for line := range strings.Lines(report) {
		if !slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(line, b) }) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// same compares two answers, and fills the line of the table.
func (p *proof) same(t *testing.T, got, want, part string) {
	t.Helper()
	if got != want || !strings.Contains(want, part) {
		t.Errorf("it answers\n%s\nand answered\n%s", got, want)
		return
	}
	p.equal = "answers equal"
}

// coreLimit is the limit of core files, of which a description allows none unless it
// says so.
const coreLimit = "limit CORE"

// freePort returns a port that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	port, err := loopback.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// underSupervise starts a service folder under the supervisor of daemontools, asks
// it, and ends it.
func (m *machine) underSupervise(t *testing.T, folder, addr, request string) string {
	t.Helper()
	supervise, svc := need.Program(t, "supervise"), need.Program(t, "svc")
	end := m.start(t, m.dir, supervise, folder)
	defer func() {
		m.run(t, m.dir, nil, svc, "-dx", folder)
		end(0)
	}()
	return say(t, addr, request)
}

// underRunsv does the same with runit's.
func (m *machine) underRunsv(t *testing.T, folder, addr, request string) string {
	t.Helper()
	end := m.start(t, m.dir, need.Program(t, "runsv"), folder)
	defer end(syscall.SIGTERM) // it ends the service as well
	return say(t, addr, request)
}

// TestRealSetUps imports set-ups as packages and the documentation of programs have
// them, generates from the descriptions, and runs both with the programs that they
// are for: the answers are equal, and what is not imported is refused by name.
func TestRealSetUps(t *testing.T) {
	need.Root(t)
	need.Program(t, "python3")
	var proofs []proof
	bridge := newMachine(t)
	m := bridge
	build := exec.CommandContext(t.Context(), need.Program(t, "go"), "build", "-buildvcs=false", "-o", m.path("scgi-run"), "scgikit/cmd/scgi-run")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	setUps := []struct {
		name string
		run  func(t *testing.T, p *proof)
	}{
		{"inetd: scgi_run for FreeBSD, as the articles have it", func(t *testing.T, p *proof) { articlesInetd(t, p, bridge.path("scgi-run")) }},
		{"inetd: Debian's /etc/inetd.conf, with git daemon and a folder of scripts", func(t *testing.T, p *proof) {
			debianInetd(t, p, bridge.path("scgi-run"), inetdconf.OpenBSD, "inetd", "/etc/inetd.conf")
		}},
		{"inetd: the same lines under inetutils", func(t *testing.T, p *proof) {
			debianInetd(t, p, bridge.path("scgi-run"), inetdconf.Inetutils, "inetutils-inetd", "/etc/inetd.conf")
		}},
		{"xinetd: Debian's xinetd.conf and xinetd.d, with a folder of scripts", func(t *testing.T, p *proof) { debianXinetd(t, p, bridge.path("scgi-run")) }},
		{"systemd: Debian's fcgiwrap.service and fcgiwrap.socket", debianFcgiwrap},
		{"systemd: the units of gunicorn's documentation", gunicornUnits},
		{"systemd: the unit of uwsgi's documentation", uwsgiUnit},
		{"supervisord: echo_supervisord_conf with a program", func(t *testing.T, p *proof) { echoSupervisord(t, p, 1) }},
		{"supervisord: the same with numprocs=2", func(t *testing.T, p *proof) { echoSupervisord(t, p, 2) }},
		{"procfile: foreman's example", foremanExample},
		{"daemontools: a service of publicfile", publicfile},
		{"runit: git-daemon-run", gitDaemonRun},
		{"runit: /etc/runit/runsvdir of Debian", debianRunit},
		{"s6: a service in the manner of its documentation", s6Service},
		{"systemd: all units of this machine", unitsOfMachine},
	}
	begun := 0
	for _, tt := range setUps {
		t.Run(tt.name, func(t *testing.T) {
			begun++
			p := proof{source: tt.name}
			tt.run(t, &p)
			if p.equal == "" && p.refused == "" {
				t.Error("nothing was run, and nothing refused")
			}
			proofs = append(proofs, p)
		})
	}
	const least = 10
	if len(proofs) < least && begun == len(setUps) && os.Getenv(need.Variable) != "" {
		t.Errorf("%d set-ups, and not %d", len(proofs), least)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "set-up\timported\tnot imported, by name\trun by\toutcome")
	for _, p := range proofs {
		if len(p.refused) > 100 {
			p.refused = p.refused[:100] + "…"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.source, p.imported, p.refused, p.ran, p.equal)
	}
	_ = w.Flush() // into memory
	t.Logf("%d set-ups:\n%s", len(proofs), b.String())
}

// inetdLine runs an inetd with a configuration, and asks it.
func (m *machine) inetd(t *testing.T, program, conf, addr string) string {
	t.Helper()
	end := m.start(t, m.dir, program, "-d", conf)
	defer end(syscall.SIGTERM)
	return say(t, addr, scgiRequest())
}

func articlesInetd(t *testing.T, p *proof, scgiRun string) {
	program := need.Program(t, "inetd")
	m := newMachine(t)
	m.write(t, "local/scgi_run", oldRun, 0o755)
	m.write(t, "local/cgi-bin/see", requestReporter, 0o755)
	m.write(t, "inetd.conf", ":www:www:200:DIR/s.sock\tstream\tunix\tnowait/16\tnobody\tDIR/local/scgi_run\tscgi_run DIR/local/cgi-bin/\n", 0o644)
	want := m.inetd(t, program, m.path("inetd.conf"), m.path("s.sock"))
	result := m.importAll(t, p, importer.Inetd, "inetd.conf", "inetd", &importer.Options{Dialect: inetdconf.FreeBSD, Mounts: map[string]string{"": "/app"}})
	text := result.Apps[0].Text
	for _, part := range []string{"mode: \"0200\"", "user: www", "/s.sock"} {
		if !strings.Contains(text, part) {
			t.Errorf("the description is without %s", part)
		}
	}
	got := m.inetd(t, program, m.generatedInetd(t, result.Apps[0].Name, scgiRun), m.path("s.sock"))
	p.ran = "openbsd-inetd, which takes this line without the owner of the socket"
	// scgi-run runs a script in its own folder, and without core files.
	p.same(t, withoutCore(without(afterHead(got), "folder ")), withoutCore(without(afterHead(want), "folder ")), "user 65534")
}

// generatedInetd returns the configuration that was generated, with the script that
// a line starts, and scgi-run, where they are here.
func (m *machine) generatedInetd(t *testing.T, name, scgiRun string) string {
	t.Helper()
	conf, err := os.ReadFile(m.path("generated/inetd/" + name + ".conf"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(conf), "/usr/local/libexec/scgikit/"+name, m.path("generated/inetd/"+name))
	m.write(t, "generated.conf", strings.ReplaceAll(text, "/usr/local/bin/scgi-run", scgiRun), 0o644)
	if script, err := os.ReadFile(m.path("generated/inetd/" + name)); err == nil {
		m.write(t, "generated/inetd/"+name, strings.ReplaceAll(string(script), "/usr/local/bin/scgi-run", scgiRun), 0o755)
	}
	return m.path("generated.conf")
}

// afterHead is the body of an answer.
func afterHead(answer string) string {
	_, body, _ := strings.Cut(answer, "\r\n\r\n")
	return body
}

func debianInetd(t *testing.T, p *proof, scgiRun string, dialect inetdconf.Dialect, name, source string) {
	program := need.Program(t, name)
	conf, err := os.ReadFile(source)
	if err != nil {
		need.Missing(t, "inetd")
	}
	m := newMachine(t)
	port := freePort(t)
	m.write(t, "srv/see", requestReporter, 0o755)
	m.write(t, "inetd.conf", string(conf)+fmt.Sprintf("127.0.0.1:%d stream tcp nowait.400 nobody /usr/bin/git git daemon --inetd --export-all DIR\n", freePort(t))+
		fmt.Sprintf("127.0.0.1:%d stream tcp4 nowait.400 nobody:daemon %s scgi-run bridge --mount=/app --umask=0027 --limit=core=0,nofile=100 DIR/srv/\n", port, scgiRun), 0o644)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	want := m.inetd(t, program, m.path("inetd.conf"), addr)
	result := m.importAll(t, p, importer.Inetd, "inetd.conf", "inetd", &importer.Options{Dialect: dialect})
	if !strings.Contains(p.refused, "starts /usr/bin/git, which speaks to the connection itself") {
		t.Errorf("git daemon is not refused by name: %s", p.refused)
	}
	got := m.inetd(t, program, m.generatedInetd(t, result.Apps[0].Name, scgiRun), addr)
	p.ran = name
	p.same(t, got, want, "user 65534 group")
}

func debianXinetd(t *testing.T, p *proof, scgiRun string) {
	program := need.Program(t, "xinetd")
	etc := filepath.Join(filepath.Dir(program), "../../etc") // where the package was unpacked
	if filepath.Dir(program) == "/usr/sbin" {
		etc = "/etc"
	}
	conf, err := os.ReadFile(filepath.Join(etc, "xinetd.conf"))
	if err != nil {
		need.Missing(t, "xinetd")
	}
	m := newMachine(t)
	m.write(t, "xinetd.conf", strings.ReplaceAll(string(conf), "/etc/xinetd.d", m.path("xinetd.d")), 0o644)
	samples, err := filepath.Glob(filepath.Join(etc, "xinetd.d/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range samples {
		data, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		m.write(t, "xinetd.d/"+filepath.Base(sample), string(data), 0o644)
	}
	port := freePort(t)
	m.write(t, "srv/see", requestReporter, 0o755)
	m.write(t, "xinetd.d/app", fmt.Sprintf("service app\n{\n\ttype = UNLISTED\n\tsocket_type = stream\n\tprotocol = tcp\n\tport = %d\n\tbind = 127.0.0.1\n\twait = no\n\tuser = nobody\n\tgroup = daemon\n"+
		"\tinstances = 8\n\tserver = %s\n\tserver_args = bridge --mount=/app --umask=0027 --limit=core=0 --env=T_A=b DIR/srv/\n}\n", port, scgiRun), 0o644)
	run := func(conf string) string {
		end := m.start(t, m.dir, program, "-dontfork", "-f", conf, "-pidfile", m.path("pid"), "-filelog", m.path("log"))
		defer end(syscall.SIGTERM)
		return say(t, fmt.Sprintf("127.0.0.1:%d", port), scgiRequest())
	}
	want := run(m.path("xinetd.conf"))
	m.importAll(t, p, importer.Xinetd, "xinetd.conf", "xinetd", new(importer.Options))
	if len(samples) < 5 || strings.Count(p.refused, "is off (disable = yes)") < len(samples) {
		t.Errorf("%d samples: %s", len(samples), p.refused)
	}
	m.write(t, "generated.conf", "includedir DIR/generated/xinetd\n", 0o644)
	got := run(m.path("generated.conf"))
	p.ran = "xinetd"
	p.same(t, got, want, "user 65534 group")
}

// fastcgiRequest is a request for a script, as FastCGI has it: begin, parameters and
// an empty body.
func fastcgiRequest(params ...[2]string) string {
	var b, content bytes.Buffer
	record := func(kind byte, data []byte) {
		b.Write([]byte{1, kind, 0, 1})
		_ = binary.Write(&b, binary.BigEndian, uint16(len(data))) // into memory
		b.Write([]byte{0, 0})
		b.Write(data)
	}
	for _, p := range params {
		content.Write([]byte{byte(len(p[0])), byte(len(p[1]))})
		content.WriteString(p[0] + p[1])
	}
	record(1, []byte{0, 1, 0, 0, 0, 0, 0, 0})
	record(4, content.Bytes())
	record(4, nil)
	record(5, nil)
	return b.String()
}

// activated starts a unit as systemd does, with the words, the user and all that
// systemd itself reads out of the file, behind a socket of systemd-socket-activate.
func (m *machine) activated(t *testing.T, units, name, socket, request string) string {
	t.Helper()
	read := systemdSettings(t, units, name)
	one := func(key, usual string) string {
		if v := read[key]; len(v) > 0 {
			return v[0]
		}
		return usual
	}
	user := one("User", "root")
	group := one("Group", "")
	script := "umask " + one("UMask", "0022")
	if dir := one("WorkingDirectory", "/"); !strings.HasPrefix(dir, units) { // a manager for a user starts at home
		script += " && cd '" + dir + "'"
	} else {
		script += " && cd /"
	}
	if n := one("LimitNOFILESoft", ""); n != "" {
		script += " && ulimit -S -n " + n
	}
	if n := one("LimitCORESoft", ""); n != "" {
		script += " && ulimit -S -c " + n
	}
	// The words are those of a shell, but that variables are put in by systemd.
	script += " && exec " + strings.ReplaceAll(one("Command Line", ""), `\${`, `${`)
	words := []string{need.Program(t, "systemd-socket-activate"), "-l", socket}
	for _, pair := range read["Environment"] {
		words = append(words, "-E", pair)
	}
	words = append(words, need.Program(t, "setpriv"), "--reuid", user, "--init-groups")
	if group != "" {
		words = append(words, "--regid", group)
	} else {
		words = append(words, "--regid", strings.TrimSpace(string(output(t, "id", "-g", user))))
	}
	words = append(words, "sh", "-c", script)
	_ = os.Remove(socket) // of the run before
	end := m.start(t, m.dir, words...)
	defer end(syscall.SIGTERM)
	return say(t, socket, request)
}

func output(t *testing.T, words ...string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).Output()
	if err != nil {
		t.Fatal(words, err)
	}
	return out
}

func debianFcgiwrap(t *testing.T, p *proof) {
	need.Program(t, "fcgiwrap")
	m := newMachine(t)
	socket := m.path("run/fcgiwrap.socket")
	m.write(t, "run/keep", "", 0o644)
	for _, unit := range []string{"fcgiwrap.service", "fcgiwrap.socket"} {
		data, err := os.ReadFile("/lib/systemd/system/" + unit)
		if err != nil {
			need.Missing(t, "fcgiwrap")
		}
		m.write(t, "units/"+unit, strings.ReplaceAll(string(data), "/run/", m.path("run")+"/"), 0o644)
	}
	m.write(t, "srv/see", requestReporter, 0o755)
	request := fastcgiRequest([2]string{"SCRIPT_FILENAME", m.path("srv/see")}, [2]string{"REQUEST_METHOD", "GET"}, [2]string{"T_A", "b c"}, [2]string{"SCRIPT_NAME", "/see"})
	result := m.importAll(t, p, importer.Systemd, "units", "systemd", new(importer.Options))
	want := m.activated(t, m.path("units"), "fcgiwrap", socket, request)
	if !strings.Contains(result.Apps[0].Text, "group: www-data") || !strings.Contains(result.Apps[0].Text, "unix: "+socket) {
		t.Error("the socket is not carried")
	}
	got := m.activated(t, m.path("generated/systemd"), "fcgiwrap", socket, request)
	p.ran = "systemd-socket-activate, by what systemd reads"
	p.same(t, withoutCore(got), withoutCore(want), "T_A=b c")
}

// withoutCore leaves the limit of core files out of a report of the scripts.
func withoutCore(report string) string {
	head, rest, found := strings.Cut(report, " core ")
	if !found {
		return report
	}
	_, rest, _ = strings.Cut(rest, " ")
	return head + " " + rest
}

func gunicornUnits(t *testing.T, p *proof) {
	m := newMachine(t)
	m.write(t, "srv/gunicorn", served, 0o755)
	m.write(t, "units/gunicorn.service", `[Unit]
Description=gunicorn daemon
Requires=gunicorn.socket
After=network.target

[Service]
Type=notify
NotifyAccess=main
User=nobody
Group=daemon
RuntimeDirectory=gunicorn
WorkingDirectory=DIR/srv
Environment="T_A=b c"
ExecStart=DIR/srv/gunicorn fd:3 applicationname.wsgi 'two words' $$x
ExecReload=/bin/kill -s HUP $MAINPID
KillMode=mixed
TimeoutStopSec=5
PrivateTmp=true
LimitNOFILE=500

[Install]
WantedBy=multi-user.target
`, 0o644)
	m.write(t, "units/gunicorn.socket", "[Unit]\nDescription=gunicorn socket\n\n[Socket]\nListenStream=DIR/run/gunicorn.sock\nSocketUser=www-data\nSocketMode=600\n\n[Install]\nWantedBy=sockets.target\n", 0o644)
	m.write(t, "run/keep", "", 0o644)
	m.importAll(t, p, importer.Systemd, "units", "systemd", new(importer.Options))
	want := m.activated(t, m.path("units"), "gunicorn", m.path("run/gunicorn.sock"), get)
	got := m.activated(t, m.path("generated/systemd"), "gunicorn", m.path("run/gunicorn.sock"), get)
	p.ran = "systemd-socket-activate, by what systemd reads"
	p.same(t, without(got, coreLimit), without(want, coreLimit), "limit NOFILE 500")
}

func uwsgiUnit(t *testing.T, p *proof) {
	need.Program(t, "uwsgi")
	m := newMachine(t)
	m.write(t, "srv/app.py", `import os
def application(environ, start_response):
    start_response("200 OK", [])
    return [("%s %s %s %s" % (os.getuid(), os.getcwd(), os.environ.get("T_A"), environ["PATH_INFO"])).encode()]
`, 0o644)
	m.write(t, "run/keep", "", 0o644)
	if err := os.Chmod(m.path("run"), 0o777); err != nil {
		t.Fatal(err)
	}
	m.write(t, "etc/uwsgi.ini", "[uwsgi]\nplugins = python3\nprotocol = http\nwsgi-file = DIR/srv/app.py\nneed-app = true\ndie-on-term = true\n", 0o644)
	m.write(t, "units/uwsgi.service", `[Unit]
Description=uWSGI
After=syslog.target

[Service]
ExecStart=/usr/bin/uwsgi --ini DIR/etc/uwsgi.ini
RuntimeDirectory=uwsgi
Restart=always
KillSignal=SIGQUIT
Type=notify
StandardError=syslog
NotifyAccess=all
User=nobody
Environment=T_A=b
WorkingDirectory=DIR/srv

[Install]
WantedBy=multi-user.target
`, 0o644)
	m.write(t, "units/uwsgi.socket", "[Socket]\nListenStream=DIR/run/uwsgi.sock\nSocketMode=0666\n", 0o644)
	want := m.activated(t, m.path("units"), "uwsgi", m.path("run/uwsgi.sock"), get)
	result := m.importAll(t, p, importer.Systemd, "units/uwsgi.service", "systemd", new(importer.Options))
	for _, part := range []string{"stop_signal: QUIT", "NotifyAccess=all", "protocol: uwsgi"} {
		if !strings.Contains(result.Apps[0].Text, part) {
			t.Errorf("the description is without %s", part)
		}
	}
	got := m.activated(t, m.path("generated/systemd"), "uwsgi", m.path("run/uwsgi.sock"), get)
	p.ran = "uwsgi behind systemd-socket-activate"
	p.same(t, got, want, "65534 "+m.path("srv")+" b /")
}

// systemdSettings returns what systemd understands of a service, by the names that
// it gives each.
func systemdSettings(t *testing.T, units, name string) map[string][]string {
	t.Helper()
	settings := settingsIn(systemdDump(t, units, name), name)
	if len(settings["Command Line"]) == 0 {
		t.Fatalf("systemd reads no %s.service", name)
	}
	return settings
}

// settingsIn finds the settings of a service in all that systemd says.
func settingsIn(text, name string) map[string][]string {
	_, text, _ = strings.Cut(text, "-> Unit "+name+".service:")
	text, _, _ = strings.Cut(text, "-> Unit ")
	settings := make(map[string][]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			settings[key] = append(settings[key], value)
		}
	}
	return settings
}

func echoSupervisord(t *testing.T, p *proof, count int) {
	supervisord, echo := need.Program(t, "supervisord"), need.Program(t, "echo_supervisord_conf")
	m := newMachine(t)
	port, err := loopback.FreePorts(count)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, "srv/served", served, 0o755)
	sample := strings.NewReplacer("/tmp/", m.path("out")+"/", "nodaemon=false", "nodaemon=true").Replace(string(output(t, echo)))
	program := "\n[program:web]\ncommand=DIR/srv/served %(process_num)d --pct=50%% \"a b\"\ndirectory=DIR/srv\nuser=nobody\numask=027\nenvironment=T_A=\"b,c\",T_B='d e',HOME=/\nredirect_stderr=true\n"
	program += fmt.Sprintf("numprocs=%d\nnumprocs_start=%d\nprocess_name=%%(program_name)s_%%(process_num)02d\n", count, port)
	m.write(t, "supervisord.conf", sample+program, 0o644)
	addr := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", port+i) }
	end := m.start(t, m.dir, supervisord, "-c", m.path("supervisord.conf"))
	var want []string
	for i := range count {
		want = append(want, say(t, addr(i), get))
	}
	end(syscall.SIGTERM)
	result := m.importAll(t, p, importer.Supervisord, "supervisord.conf", "daemontools", new(importer.Options))
	for i := range count {
		name := result.Apps[0].Name
		if count > 1 {
			name += fmt.Sprintf("-%d", i+1)
		}
		got := m.underSupervise(t, m.path("generated/daemontools/"+name), addr(i), get)
		// supervisord says to each program who it is, and gives it its own limit of files.
		leave := []string{"env SUPERVISOR_", coreLimit}
		p.same(t, without(got, leave...), without(want[i], leave...), "env T_A=b,c")
	}
	p.ran = "supervisord, and supervise of daemontools"
}

func foremanExample(t *testing.T, p *proof) {
	setuidgid := need.Program(t, "setuidgid")
	m := newMachine(t)
	m.write(t, "srv/bin/ruby", "#!/bin/sh\nexec python3 \"$@\"\n", 0o755)
	m.write(t, "srv/ticker", served, 0o755)
	port := freePort(t)
	m.write(t, "srv/Procfile", "ticker: ruby ./ticker $PORT\nerror : ruby ./error\nutf8  : ruby ./utf8\nspawner: ./spawner\n", 0o644)
	m.write(t, "srv/.env", fmt.Sprintf("PORT=%d\nT_A='b c'\nPATH=DIR/srv/bin:/usr/bin:/bin\n", port), 0o644)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	end := m.start(t, m.path("srv"), setuidgid, "nobody", "env", fmt.Sprintf("PORT=%d", port), "T_A=b c", "PATH="+m.path("srv/bin")+":/usr/bin:/bin", "sh", "-c", "umask 022; exec ruby ./ticker $PORT")
	want := say(t, addr, get)
	end(syscall.SIGTERM)
	m.importAll(t, p, importer.Procfile, "srv/Procfile", "daemontools", &importer.Options{Users: map[string]string{"": "nobody"}})
	for _, part := range []string{"the line is no NAME: COMMAND", "does not use its PORT"} {
		if !strings.Contains(p.refused, part) {
			t.Errorf("nothing says %q: %s", part, p.refused)
		}
	}
	got := m.underSupervise(t, m.path("generated/daemontools/"+p.imported), addr, get)
	p.ran = "a shell with the variables, as foreman does, and supervise of daemontools"
	p.same(t, without(got, coreLimit), without(want, coreLimit), "env T_A=b c")
}

func publicfile(t *testing.T, p *proof) {
	for _, program := range []string{"tcpserver", "envuidgid", "softlimit"} {
		need.Program(t, program)
	}
	m := newMachine(t)
	port := freePort(t)
	m.write(t, "bin/httpd", "#!/bin/sh\nread -r line\nprintf 'HTTP/1.0 200 OK\\r\\n\\r\\n'\nfor word; do echo \"[$word]\"; done\necho \"$line $UID $GID $(id -u) $(id -G) $(umask) $(ulimit -Sn) $(ulimit -Sd) $(pwd)\"\nenv | grep ^TCPLOCAL\n", 0o755)
	m.write(t, "httpd/run", fmt.Sprintf("#!/bin/sh\numask 022\nexec 2>&1\nexec envuidgid nobody softlimit -o20 -d50000000 tcpserver -UvDRHl0 -b50 -c100 127.0.0.1 %d DIR/bin/httpd DIR/srv\n", port), 0o755)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	want := m.underSupervise(t, m.path("httpd"), addr, "GET\n")
	m.importAll(t, p, importer.Daemontools, "httpd", "daemontools", new(importer.Options))
	got := m.underSupervise(t, m.path("generated/daemontools/httpd"), addr, "GET\n")
	p.ran = "supervise of daemontools"
	p.same(t, got, want, "GET 65534 65534 65534 65534 0022 20 48828 ")
}

func gitDaemonRun(t *testing.T, p *proof) {
	git := need.Program(t, "git")
	need.Program(t, "chpst")
	m := newMachine(t)
	port := freePort(t)
	m.run(t, m.dir, []string{"HOME=" + m.dir}, git, "init", "-q", m.path("srv/repo.git"))
	m.run(t, m.path("srv/repo.git"), []string{"HOME=" + m.dir}, git, "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "--allow-empty", "-m", "first")
	m.write(t, "sv/git-daemon/run", fmt.Sprintf("#!/bin/sh\nexec 2>&1\necho 'git-daemon starting.'\nexec chpst -unobody \\\n  \"$(git --exec-path)\"/git-daemon --verbose --reuseaddr --listen=127.0.0.1 --port=%d \\\n    --export-all --base-path=DIR/srv DIR/srv\n", port), 0o755)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	m.run(t, m.dir, nil, "chown", "-R", "nobody", m.path("srv/repo.git")) // git looks whose it is
	ask := "git-upload-pack /repo.git\x00host=localhost\x00"
	ask = fmt.Sprintf("%04x%s0000", len(ask)+4, ask)
	want := m.underRunsv(t, m.path("sv/git-daemon"), addr, ask)
	result := m.importAll(t, p, importer.Runit, "sv/git-daemon", "runit", new(importer.Options))
	if !strings.Contains(result.Apps[0].Text, "command: ["+m.path("sv/git-daemon/run")+"]") {
		t.Errorf("the script is not what runs:\n%s", result.Apps[0].Text)
	}
	if err := os.RemoveAll(m.path("generated/runit/git-daemon/log")); err != nil { // in /var/log
		t.Fatal(err)
	}
	got := m.underRunsv(t, m.path("generated/runit/git-daemon"), addr, ask)
	p.ran = "runsv, with the script itself as the command"
	p.same(t, got, want, "refs/heads/")
}

func s6Service(t *testing.T, p *proof) {
	supervise, svc := need.Program(t, "s6-supervise"), need.Program(t, "s6-svc")
	for _, program := range []string{"s6-setuidgid", "s6-envdir", "s6-softlimit"} {
		need.Program(t, program)
	}
	m := newMachine(t)
	port := freePort(t)
	m.write(t, "srv/served", served, 0o755)
	m.write(t, "service/env/T_A", "b c\n", 0o644)
	m.write(t, "service/timeout-kill", "3000\n", 0o644)
	m.write(t, "service/run", fmt.Sprintf("#!/bin/sh\nexec 2>&1\numask 027\ncd DIR/srv\nexec s6-envdir DIR/service/env s6-softlimit -o 200 s6-setuidgid nobody ./served %d 'd e'\n", port), 0o755)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	run := func(folder string) string {
		end := m.start(t, m.dir, supervise, folder)
		defer func() {
			m.run(t, m.dir, nil, svc, "-dx", folder)
			end(0)
		}()
		return say(t, addr, get)
	}
	want := run(m.path("service"))
	result := m.importAll(t, p, importer.S6, "service", "s6", new(importer.Options))
	if !strings.Contains(result.Apps[0].Text, "stop_timeout: 3s") {
		t.Error("timeout-kill is not carried")
	}
	got := run(m.path("generated/s6/service"))
	p.ran = "s6-supervise"
	p.same(t, without(got, coreLimit), without(want, coreLimit), "env T_A=b c")
}

func debianRunit(t *testing.T, p *proof) {
	if _, err := os.Stat("/etc/runit/runsvdir"); err != nil {
		need.Missing(t, "runsvdir")
	}
	folders, err := filepath.Glob("/etc/runit/runsvdir/*")
	if err != nil {
		t.Fatal(err)
	}
	var imported, refused []string
	for _, folder := range folders {
		result, err := importer.Read(t.Context(), importer.Runit, os.DirFS("/"), strings.TrimPrefix(folder, "/"), folder, &importer.Options{Targets: generate.OptionTypes()})
		if err != nil {
			refused = append(refused, err.Error())
			continue
		}
		for _, a := range result.Apps {
			if load(a.Text) == nil {
				t.Errorf("this is not valid:\n%s", a.Text)
			}
			imported = append(imported, a.Name)
		}
		for _, n := range result.Notes {
			if n.Class == importer.Refused {
				refused = append(refused, n.Message)
			}
		}
	}
	p.imported, p.refused, p.ran, p.equal = strings.Join(imported, ", "), strings.Join(refused, "; "), "read", "each is imported or refused"
}

// unitsOfMachine imports every unit that packages have put here. Each line of those
// that are imported is in the description, or named.
func unitsOfMachine(t *testing.T, p *proof) {
	units, err := filepath.Glob("/lib/systemd/system/*.service")
	if err != nil || len(units) < 20 {
		need.Missing(t, "systemd")
	}
	imported, refused, lines := 0, 0, 0
	m := newMachine(t)
	var both []string // units that systemd is to read from both sides
	for _, file := range units {
		result, err := importer.Read(t.Context(), importer.Systemd, os.DirFS("/"), strings.TrimPrefix(file, "/"), file, &importer.Options{Targets: generate.OptionTypes()})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if len(result.Apps) == 0 {
			if len(result.Notes) == 0 {
				t.Errorf("%s: nothing is imported, and nothing said", file)
			}
			forks := slices.Contains([]string{"apache2.service", "nginx.service"}, filepath.Base(file))
			if forks && !slices.ContainsFunc(result.Notes, func(n importer.Note) bool { return strings.HasPrefix(n.Message, "Type=forking:") }) {
				t.Errorf("%s: nothing says why it is refused: %v", file, result.Notes)
			}
			refused++
			continue
		}
		imported++
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stem := strings.TrimSuffix(filepath.Base(file), ".service")
		if set := new(world).rendered(t, "systemd", load(result.Apps[0].Text)); set != nil {
			if f, ok := set.Get("systemd/" + result.Apps[0].Name + ".service"); ok {
				both = append(both, stem)
				m.write(t, "theirs/"+stem+".service", string(data), 0o644)
				m.write(t, "ours/"+stem+".service", string(f.Data), 0o644)
			}
		}
		for i, line := range strings.Split(string(data), "\n") {
			key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if !ok || value == "" || strings.HasPrefix(key, "#") || strings.HasPrefix(key, ";") {
				continue
			}
			lines++
			place := fmt.Sprintf("%s:%d", filepath.Base(file), i+1)
			text := result.Apps[0].Text
			carried := strings.Contains(text, place+"\n") || strings.Contains(text, yamlWord(key+"="+value)) || usualSetting(key, value)
			told := slices.ContainsFunc(result.Notes, func(n importer.Note) bool { return n.Line == i+1 && strings.HasSuffix(n.File, filepath.Base(file)) })
			if !carried && !told && !namesUnits(key, value, result, strings.TrimSuffix(filepath.Base(file), ".service")) {
				t.Errorf("%s: %s is not carried, and nothing says so", place, line)
			}
		}
	}
	if len(both) < 10 {
		t.Errorf("%d units for systemd to read", len(both))
	}
	theirs, ours := systemdDump(t, m.path("theirs"), strings.Join(both, ".service ")), systemdDump(t, m.path("ours"), strings.Join(both, ".service "))
	for _, stem := range both {
		want, got := settingsIn(theirs, stem), settingsIn(ours, stem)
		for _, key := range sameSettings {
			slices.Sort(want[key])
			slices.Sort(got[key])
			if !slices.Equal(want[key], got[key]) {
				t.Errorf("%s.service: systemd reads %s as %q, and read it as %q", stem, key, got[key], want[key])
			}
		}
	}
	p.imported, p.refused = fmt.Sprintf("%d units, %d lines", imported, lines), fmt.Sprintf("%d units", refused)
	p.ran, p.equal = fmt.Sprintf("systemd --test, for %d units", len(both)), "each line is carried or named; read alike"
}

// sameSettings are what systemd makes of a service, by the names that it gives them,
// and reads from generated units as from those that were imported.
var sameSettings = [...]string{
	"Environment", "UMask", "Nice", "Group", "LimitNOFILE", "LimitNOFILESoft", "LimitNPROC", "TimeoutStopSec", "TimeoutStartSec", "KillSignal", "OOMScoreAdjust",
	"PrivateTmp", "PrivateDevices", "ProtectSystem", "ProtectHome", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities", "StateDirectory",
	"RuntimeDirectory", "WatchdogSec", "SuccessExitStatus", "DynamicUser", "RestrictAddressFamilies", "RestrictNamespaces", "MemoryDenyWriteExecute",
	"SystemCallArchitectures", "LockPersonality", "ProtectKernelTunables", "Restart",
}

// namesUnits reports whether each unit of a list is carried or told of, or is a socket
// of the service. Of several lines of one setting the description names the last.
func namesUnits(key, value string, result *importer.Result, stem string) bool {
	if !slices.Contains([]string{"After", "Wants", "Requires", "Also", "Sockets"}, key) {
		return false
	}
	for name := range strings.FieldsSeq(value) {
		told := slices.ContainsFunc(result.Notes, func(n importer.Note) bool { return strings.Contains(n.Message, name) })
		own := strings.HasPrefix(name, stem) && strings.HasSuffix(name, ".socket")
		if !told && !own && !strings.Contains(result.Apps[0].Text, name) {
			return false
		}
	}
	return true
}

// yamlWord is a text as a description has it in quotes.
func yamlWord(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", "$$").Replace(s)
}

// usualSetting reports whether a setting is what generated units have anyway.
func usualSetting(key, value string) bool {
	return slices.Contains([]string{
		"WantedBy=multi-user.target", "After=network.target", "Restart=always", "KillMode=mixed", "Type=exec", "Restart=no", "TimeoutStopSec=10s",
		"StandardOutput=journal", "StandardOutput=inherit", "StandardError=journal", "StandardError=inherit", "IgnoreSIGPIPE=no",
	}, key+"="+value)
}
