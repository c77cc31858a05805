package servertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/webserver"
)

// The account of the apps, and the group of the web servers in tests.
const (
	matrixUser = "www-data"
	webGroup   = "nogroup"
)

// form is a form of scgi-run: a process for each connection, or one that keeps
// running.
type form string

const (
	resident   form = "resident"
	perRequest form = "per-request"
)

// askedBehind reports whether a form is asked behind a web server. What one sends does
// not depend on the form behind the socket, so that behind one web server the forms
// are compared, and behind the others the resident one is asked.
func (f form) askedBehind(program webserver.Program) bool {
	return f == resident || program == webserver.Nginx || need.Thorough()
}

// project is apps of one project behind sockets, which web servers reach by
// generated files.
type project struct {
	stack
	texts []string
	logs  map[string]func() string // of each app
}

// newProject makes the folder of the sockets.
func newProject(t *testing.T) *project {
	t.Helper()
	p := &project{stack: stack{dir: Folder(t)}, logs: make(map[string]func() string)}
	run := filepath.Join(p.dir, "run")
	if err := os.Mkdir(run, 0o755); err != nil {
		t.Fatal(err)
	}
	own(t, run, matrixUser, matrixUser)
	return p
}

func (p *project) socket(name string) string { return filepath.Join(p.dir, "run", name) }

// describe adds an app at /NAME/. Fields are more lines of the description, and http
// what it says of the web server beside the mount.
func (p *project) describe(name, fields, http string) { p.describeAt(name, "/"+name+"/", fields, http) }

// describeAt is describe with another mount.
func (p *project) describeAt(name, mount, fields, http string) {
	p.texts = append(p.texts, fmt.Sprintf(`apiVersion: scgikit/v1
name: %[1]s
%[2]slisten: {unix: %[3]s}
http: {mount: %[5]s%[4]s}
options: {nginx: {as: location}}
`, name, fields, p.socket(name), http, mount))
}

// cgiScript is fields of describe.
func cgiScript(path string) string {
	return "type: cgi\nrun: {user: www-data}\ncgi: {script: " + path + "}\n"
}

// More of them: an app that something else starts.
const (
	anyServer = "type: server\nrun: {user: www-data, command: [/bin/true]}\n"
	fastCGI   = anyServer + "protocol: fastcgi\n"
)

// generate writes the files of the web servers for what has been described.
func (p *project) generate(t *testing.T) {
	t.Helper()
	file := filepath.Join(p.dir, "scgikit.yaml")
	if err := os.WriteFile(file, []byte(strings.Join(p.texts, "---\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(p.dir, "deploy")
	args := []string{"generate", "--out-dir", out, "-f", file}
	for _, program := range webserver.SpeakSCGI() {
		args = append(args, string(program))
	}
	programs.Run(t, p.dir, args...)
	p.web = Deployed(t, out)
}

// start runs a program of scgi-run in a form at the socket of an app, as the user of
// the apps.
func (p *project) start(t *testing.T, name string, f form, program string, args ...string) {
	t.Helper()
	if f == perRequest {
		p.logs[name] = superServer(t, p.socket(name), append([]string{programs.ScgiRun, program}, args...)...)
		return
	}
	argv := slices.Concat([]string{programs.ScgiRun, "setuidgid", matrixUser, programs.ScgiRun, program}, []string{"--listen=unix:" + p.socket(name), "--socket-mode=0666"}, args)
	p.startOther(t, name, argv...)
}

// startOther runs a program that listens at the socket of an app by itself.
func (p *project) startOther(t *testing.T, name string, argv ...string) {
	t.Helper()
	d := Start(t, p.dir, argv[0], argv[1:]...)
	p.logs[name] = d.Log
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %s", name, d.Log())
		}
	})
	Until(t, name+" to listen", func() bool {
		conn, err := net.Dial("unix", p.socket(name))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// superServer starts a program for each connection to a socket, as the user of the
// apps and with the connection as its input and output, as inetd does. It returns what tells what the programs have
// written to standard error.
func superServer(t *testing.T, path string, argv ...string) (log func() string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	u, err := user.Lookup(matrixUser)
	if err != nil {
		t.Fatal(err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		t.Fatal(uidErr, gidErr)
	}
	as := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	output := new(syncBuffer)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			running.Go(func() { serveOne(t, conn, as, output, argv) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
		if t.Failed() {
			t.Logf("%s: %s", path, output)
		}
	})
	return output.String
}

// serveOne runs a program on a connection.
func serveOne(t *testing.T, conn *net.UnixConn, as *syscall.Credential, output *syncBuffer, argv []string) {
	file, err := conn.File()
	conn.Close()
	if err != nil {
		t.Error(err)
		return
	}
	defer file.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = file, file, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	// What its exit code says is in its log as well, in words.
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	file.Close()
	_ = cmd.Wait()
}
