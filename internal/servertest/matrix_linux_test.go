package servertest

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/supervisetest"
	"scgikit/internal/webserver"
)

// starter is a program that starts apps, on the way that a matrix tries.
type starter struct {
	name     string // of the program
	keeper   string // what keeps that up in a service folder, where it is no other name of the same
	target   string
	resident bool // it keeps programs running that listen themselves
	init     bool // it has a script for each app, which starts it and comes back
	networks []string
	each     bool     // it starts programs for each connection as well
	options  []string // further settings; see app.text
	missing  string   // why it can not run here
}

// starters returns all of them. Those that are not on this machine say so.
func starters() []starter {
	both, tcp := []string{"unix", "tcp"}, []string{"tcp"}
	all := []starter{
		{name: "openbsd-inetd", target: "inetd", networks: both, options: []string{"dialect: openbsd"}, missing: absent("inetd")},
		{name: "inetutils-inetd", target: "inetd", networks: tcp, options: []string{"dialect: inetutils"}, missing: absent("inetutils-inetd")},
		{name: "busybox-inetd", target: "inetd", networks: both, options: []string{"dialect: busybox", `umask: "0000"`}, missing: noApplet("inetd")},
		{name: "xinetd", target: "xinetd", networks: tcp, missing: absent("xinetd")},
		{name: "systemd", target: "systemd", networks: both, missing: absent("systemd-socket-activate", "setpriv")},
		{name: "svscan", target: "daemontools", resident: true, networks: both, missing: absent("svscan", "supervise", "setuidgid", "softlimit", "multilog")},
		{name: "runsvdir", target: "runit", resident: true, networks: both, missing: absent("runsvdir", "runsv", "chpst", "svlogd")},
		{name: "s6-svscan", target: "s6", resident: true, networks: both, missing: absent("s6-svscan", "s6-supervise", "s6-applyuidgid", "s6-log")},
		{name: "scgikit-supervise", target: "daemontools", resident: true, networks: both, options: []string{"supervisor: scgikit", "logger: scgi-run"}},
		{name: "tcpserver", keeper: "svscan", target: "daemontools", networks: tcp, options: []string{"listener: tcpserver"}, missing: absent("tcpserver", "svscan", "supervise", "setuidgid", "multilog")},
		{name: "unixserver", keeper: "runsvdir", target: "runit", networks: []string{"unix"}, options: []string{"listener: unixserver"}, missing: absent("unixserver", "runsvdir", "runsv", "chpst", "svlogd")},
		{name: "s6-ipcserver", keeper: "s6-svscan", target: "s6", networks: []string{"unix"}, options: []string{"listener: s6-ipcserver"}, missing: absent("s6-ipcserver-socketbinder", "s6-ipcserverd", "s6-svscan", "s6-supervise", "s6-applyuidgid", "s6-log")},
		{name: "launchd-stand-in", target: "launchd", resident: true, each: true, networks: both, options: []string{"wrapper_dir: WRAPPERS"}},
		{name: "start-stop-daemon", target: "sysv", resident: true, init: true, networks: both, options: []string{"wrapper_dir: WRAPPERS"}, missing: absent("start-stop-daemon")},
		{name: "openrc", target: "openrc", resident: true, init: true, networks: both, options: []string{"wrapper_dir: WRAPPERS"}, missing: noOpenRC()},
	}
	for i := range all {
		if s := &all[i]; s.target != "daemontools" && s.target != "runit" && s.target != "s6" && s.target != "launchd" && !s.init {
			s.options = append(s.options, "wrapper_dir: WRAPPERS")
		}
		all[i].options = append(all[i].options, "scgi_run: SCGIRUN")
	}
	return all
}

// absent names the first program that is not here, or nothing.
func absent(names ...string) string {
	for _, name := range names {
		if _, ok := need.Find(name); !ok {
			return name + " is not on this machine"
		}
	}
	return ""
}

// noApplet says that busybox can not be this program.
func noApplet(name string) string {
	path, ok := need.Find("busybox")
	if !ok {
		return "busybox is not on this machine"
	}
	if out, err := exec.Command(path, "--list").Output(); err != nil || !slices.Contains(strings.Fields(string(out)), name) {
		return "this busybox has no " + name
	}
	return ""
}

// noOpenRC says that there is none here, or no way to a machine of its own.
func noOpenRC() string {
	if OpenRCRoot() == "" {
		return "SCGIKIT_OPENRC is no folder with the files of OpenRC"
	}
	return absent("unshare", "nsenter")
}

// matrix is every app, running, and the files of the web servers.
type matrix struct {
	stack
	apps []*matrixApp
}

// startMatrix renders an app for every starter and network, and starts them.
func startMatrix(t *testing.T) *matrix {
	t.Helper()
	need.Root(t)
	need.Program(t, "dash")
	need.Program(t, "python3")
	need.Program(t, "uwsgi")
	m := &matrix{stack: stack{dir: Folder(t)}}
	state := filepath.Join(m.dir, "state")
	for dir, mode := range map[string]os.FileMode{state: 0o777, m.logs(): 0o755} {
		if err := os.Mkdir(dir, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"app.py": residentProgram, "hello.py": callable} {
		if err := os.WriteFile(filepath.Join(state, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all := starters()
	port := Ports(t, 10*len(all))
	for i, s := range all {
		if s.missing != "" {
			t.Attr("sum", fmt.Sprintf("%s: not tried: %s", s.name, s.missing))
			continue
		}
		var apps []*matrixApp
		add := func(form appForm, protocol, network, name string) {
			a := &matrixApp{starter: &s, form: form, protocol: protocol, name: s.name + "-" + name, addr: fmt.Sprintf("127.0.0.1:%d", port)}
			port++
			if network == "unix" {
				a.addr = "unix:" + filepath.Join(m.dir, "run", a.name, "sock")
			}
			apps = append(apps, a)
		}
		form := formEach
		if s.resident {
			form = formProgram
			add(form, "fastcgi", "unix", "fastcgi")
			add(form, "http", "tcp", "http")
			// One of the two for each starter, and each for several.
			if i%2 == 0 {
				add(form, "uwsgi", "unix", "uwsgi")
			} else {
				add(form, "ajp", "tcp", "ajp")
			}
		}
		for _, network := range s.networks {
			add(form, "scgi", network, network)
		}
		if s.resident || s.target == "systemd" {
			add(formBridge, "scgi", "unix", "bridge")
			add(formBridge, "fastcgi", "tcp", "bridge-fast")
			add(formUWSGI, "fastcgi", "unix", "by-uwsgi")
		}
		if s.each {
			for _, network := range s.networks {
				add(formEach, "scgi", network, "each-"+network)
			}
		}
		m.startApps(t, &s, apps)
		m.apps = append(m.apps, apps...)
	}
	m.addGateways(t)
	return m
}

// addGateways renders all apps that HAProxy and Caddy can have at once: those of
// HAProxy share a map.
func (m *matrix) addGateways(t *testing.T) {
	t.Helper()
	var texts []string
	for _, a := range m.apps {
		if a.behind(webserver.HAProxy) {
			texts = append(texts, a.text(m.dir))
		}
	}
	if len(texts) == 0 {
		return
	}
	dir := filepath.Join(m.dir, "gateways")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "scgikit.yaml"), []byte(strings.Join(texts, "---\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	programs.Run(t, dir, "generate", "haproxy", "caddy")
	m.web = append(m.web, m.moved(Deployed(t, filepath.Join(dir, "deploy")))...)
}

// startApps renders and starts the apps of one starter.
func (m *matrix) startApps(t *testing.T, s *starter, apps []*matrixApp) {
	t.Helper()
	dir := filepath.Join(m.dir, s.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var texts, addrs []string
	for _, a := range apps {
		texts, addrs = append(texts, a.text(m.dir)), append(addrs, a.addr)
		if path, ok := strings.CutPrefix(a.addr, "unix:"); ok {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if a.form == formProgram {
				own(t, filepath.Dir(path), matrixUser, matrixUser)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "scgikit.yaml"), []byte(strings.Join(texts, "---\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	programs.Run(t, dir, "generate")
	var files []fileset.File
	for _, f := range m.moved(Deployed(t, filepath.Join(dir, "deploy"))) {
		if f.Target == s.target {
			files = append(files, f)
		} else {
			m.web = append(m.web, f)
		}
	}
	switch s.target {
	case "inetd", "xinetd":
		m.startSuperServer(t, s, dir, files, addrs)
	case "systemd":
		for _, a := range apps {
			m.activate(t, files, a)
		}
	case "sysv":
		m.startInit(t, dir, "${1}"+dir+"/run/", files, nil)
	case "launchd":
		m.startLaunchd(t, dir, files)
	case "openrc":
		m.startInit(t, dir, "${0}", files, EnterOpenRC)
	default:
		building, scan := filepath.Join(dir, "building"), filepath.Join(dir, "scan")
		Place(t, files, s.target, building)
		if err := os.Mkdir(scan, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, a := range apps {
			if err := os.Rename(filepath.Join(building, a.name), filepath.Join(scan, a.name)); err != nil {
				t.Fatal(err)
			}
		}
		argv := []string{programs.ScgiRun, "supervise"}
		if s.name != "scgikit-supervise" {
			argv = []string{need.Program(t, cmp.Or(s.keeper, s.name))}
		}
		supervisetest.Start(t, scan, argv...)
	}
	for _, a := range apps {
		dial(t, a.addr).Close()
	}
}

// dial connects to an address as soon as somebody listens there.
func dial(t *testing.T, addr string) (conn net.Conn) {
	t.Helper()
	network := "tcp"
	path, unix := strings.CutPrefix(addr, "unix:")
	if unix {
		network = "unix"
	}
	Until(t, addr+" to listen", func() bool {
		var err error
		conn, err = net.Dial(network, path)
		return err == nil
	})
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// startSuperServer places what the lines need, and starts an inetd on them.
func (m *matrix) startSuperServer(t *testing.T, s *starter, dir string, files []fileset.File, addrs []string) {
	t.Helper()
	lines := ""
	for i := range files {
		f := &files[i]
		switch {
		case f.Kind == fileset.Dir:
			if err := os.Chmod(f.Place, f.Mode); err != nil {
				t.Fatal(err)
			}
			own(t, f.Place, f.User, f.Group)
		case f.Place == "inetd.conf" || f.Place == "xinetd.d":
			lines += string(f.Data)
		case f.Mode&0o100 != 0:
			Place(t, files[i:i+1], s.target, filepath.Join(m.dir, "wrappers"))
		}
	}
	inetd := map[string]Inetd{"openbsd-inetd": OpenBSD, "inetutils-inetd": Inetutils, "busybox-inetd": Busybox, "xinetd": Xinetd}[s.name]
	inetd.Start(t, dir, m.logs(), lines, addrs...)
}

// activate does what systemd does with the socket and the service of an app, as
// far as systemd-socket-activate can: the socket with its owner and mode, the
// program with user, group and niceness.
func (m *matrix) activate(t *testing.T, files []fileset.File, a *matrixApp) {
	t.Helper()
	settings := make(map[string]string)
	for i := range files {
		if f := &files[i]; slices.Contains(f.Apps, a.name) && f.Place == "unit" {
			for line := range strings.Lines(string(f.Data)) {
				if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
					settings[name] = value
				}
			}
		}
	}
	argv := []string{"-l", settings["ListenStream"], "-E", "LANG=C.UTF-8"}
	if settings["Accept"] == "yes" {
		argv = append(argv, "--inetd", "-a")
	}
	argv = append(argv, "nice", "-n", settings["Nice"], "setpriv", "--reuid", settings["User"], "--init-groups", "--regid", matrixUser)
	Start(t, m.dir, need.Program(t, "systemd-socket-activate"), append(argv, unitWords(settings["ExecStart"])...)...)
	path, unix := strings.CutPrefix(a.addr, "unix:")
	if !unix {
		return
	}
	Until(t, path+" to be there", func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
	var mode os.FileMode
	if _, err := fmt.Sscanf(settings["SocketMode"], "%o", &mode); err != nil {
		t.Fatal(err)
	}
	own(t, path, settings["SocketUser"], settings["SocketGroup"])
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// unitWords splits the words of ExecStart= that scgikit writes: each in double
// quotes, but for the first where that needs none.
func unitWords(text string) []string {
	var words []string
	var word strings.Builder
	inside := false
	text = strings.TrimPrefix(text, "-")
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inside = !inside
		case c == ' ' && !inside:
			words = append(words, word.String())
			word.Reset()
		case c == '\\' || c == '%' || c == '$':
			i++ // doubled, or in front of what it escapes
			word.WriteByte(text[i])
		default:
			word.WriteByte(c)
		}
	}
	return append(words, word.String())
}

// TestMatrix asks for every app through every web server that runs here: the app
// of every starter, on a socket and on a port where it can have both. What the
// processes are is compared with the one description of all. scripts/testsum
// shows the attributes named sum.
func TestMatrix(t *testing.T) {
	m := startMatrix(t)
	var rows []string
	tried, passed := 0, 0
	for _, program := range webserver.Programs() {
		t.Run(string(program), func(t *testing.T) {
			need.Program(t, program.Names()[0])
			behind := slices.DeleteFunc(slices.Clone(m.apps), func(a *matrixApp) bool { return !a.behind(program) })
			good := make(map[*matrixApp]bool)
			// Also where the server does not start.
			defer func() {
				rows = append(rows, matrixRow(program, behind, good))
				tried, passed = tried+len(behind), passed+len(good)
			}()
			addr := m.serve(t, program)
			for _, a := range behind {
				got := ask(t, "GET", "http://"+addr+"/"+a.name+"/x", "", nil)
				if got.status != 200 || !strings.Contains(got.body, "hello from "+a.name) {
					t.Errorf("%s: %d %.300q", a.name, got.status, got.body)
					continue
				}
				good[a] = true
			}
		})
	}
	t.Run("processes", m.compareProcesses)
	for _, row := range append(rows, fmt.Sprintf("%d pairs of web server and starter tried, %d answer 200", tried, passed)) {
		t.Attr("sum", row)
	}
}

// matrixRow counts the apps of each starter that a web server has passed an
// answer of: "nginx: xinetd 1/1, svscan 4/4".
func matrixRow(program webserver.Program, behind []*matrixApp, good map[*matrixApp]bool) string {
	var names []string
	all, passed := make(map[string]int), make(map[string]int)
	for _, a := range behind {
		name := a.starter.name
		if all[name]++; all[name] == 1 {
			names = append(names, name)
		}
		if good[a] {
			passed[name]++
		}
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d/%d", name, passed[name], all[name])
	}
	return fmt.Sprintf("%s: %s", program, strings.Join(names, ", "))
}
