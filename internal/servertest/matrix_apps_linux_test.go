package servertest

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"scgikit/internal/webserver"
)

// matrixApp is an app of one starter on one network.
type matrixApp struct {
	starter  *starter
	form     appForm
	protocol string
	name     string // of the app, and of its mount
	addr     string // "unix:/path" or host:port
}

// appForm is what answers the requests of an app.
type appForm string

const (
	formProgram appForm = "program" // a program of its own, which keeps running
	formEach    appForm = "each"    // scgi-run, started for each connection
	formBridge  appForm = "bridge"  // scgi-run, which keeps running
	formUWSGI   appForm = "uwsgi"   // uwsgi, which scgi-run becomes
)

// behind reports whether a web server speaks the app's protocol.
func (a *matrixApp) behind(program webserver.Program) bool {
	switch a.protocol {
	case "fastcgi", "http":
		return true
	case "ajp":
		return program == webserver.Apache // the others have no module, or one that is refused
	}
	return slices.Contains(webserver.SpeakSCGI(), program)
}

// awkwardValue is a variable of every app.
const awkwardValue = `a  b 'c' "d" $HOME \ %s é;{}#`

// matrixLogs stands for the folder of the logs, because /tmp is refused.
const matrixLogs = "/logs-of-the-matrix"

// reportScript is the script of apps that are started for each request. Where a
// file NAME.hold is, it says what process it is, and waits to be looked at.
const reportScript = `if test -e %[1]s.hold; then echo $$ >%[1]s.new; mv %[1]s.new %[1]s.pid; kill -STOP $$; fi; printf 'Content-Type: text/plain\r\n\r\nhello from %[2]s\n'`

// residentProgram is an app that keeps running, and speaks every protocol that a web
// server can. It ends each connection, which FastCGI and AJP leave to it.
//
// Sources: https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html;
// https://tomcat.apache.org/connectors-doc/ajp/ajpv13a.html
const residentProgram = `import os, socketserver, sys

HELLO = b"hello from " + os.environb[b"MATRIX"] + b"\n"
TYPE = b"Content-Type: text/plain\r\n"

class Handler(socketserver.StreamRequestHandler):
    def scgi(self):
        length = b""
        while (char := self.rfile.read(1)) != b":":
            if not char:
                return  # somebody wanted to know whether it listens
            length += char
        self.rfile.read(int(length) + 1)
        self.wfile.write(b"Status: 200 OK\r\n" + TYPE + b"\r\n" + HELLO)

    def fastcgi(self):
        kind, length = None, None
        while (kind, length) != (5, 0):  # the end of the body
            head = self.rfile.read(8)
            if len(head) < 8:
                return
            kind, request, length = head[1], head[2:4], int.from_bytes(head[4:6], "big")
            self.rfile.read(length + head[6])
        for kind, data in (6, TYPE + b"\r\n" + HELLO), (6, b""), (3, bytes(8)):
            self.wfile.write(bytes([1, kind]) + request + len(data).to_bytes(2, "big") + bytes(2) + data)

    def http(self):
        line = b"-"
        while line != b"\r\n":
            line = self.rfile.readline()
            if not line:
                return
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + TYPE + b"\r\n" + HELLO)

    def uwsgi(self):
        head = self.rfile.read(4)
        if len(head) == 4:
            self.rfile.read(int.from_bytes(head[1:3], "little"))
            self.wfile.write(b"HTTP/1.1 200 OK\r\n" + TYPE + b"\r\n" + HELLO)

    def ajp(self):
        def text(data):
            return len(data).to_bytes(2, "big") + data + b"\0"

        def send(data):
            self.wfile.write(b"AB" + len(data).to_bytes(2, "big") + data)

        while len(head := self.rfile.read(4)) == 4:
            data = self.rfile.read(int.from_bytes(head[2:4], "big"))
            if data[0] == 10:  # whether it is there
                send(b"\x09")
            elif data[0] == 2:
                send(b"\x04\0\xc8" + text(b"OK") + b"\0\x01" + text(b"Content-Type") + text(b"text/plain"))
                send(b"\x03" + text(HELLO))
                send(b"\x05\0")
                return

    def handle(self):
        getattr(self, sys.argv[2])()

if sys.argv[1].startswith("/"):
    if os.path.exists(sys.argv[1]):
        os.unlink(sys.argv[1])
    server = socketserver.UnixStreamServer(sys.argv[1], Handler)
    os.chmod(sys.argv[1], 0o666)
else:
    host, port = sys.argv[1].split(":")
    socketserver.TCPServer.allow_reuse_address = True
    server = socketserver.TCPServer((host, int(port)), Handler)
server.serve_forever()
`

// callable is the app that uwsgi has. Where a file NAME.hold is, it says what process
// it is, and its variables: uwsgi changes some after its start.
const callable = `import os

STATE = os.path.join(os.getcwd(), os.environ["MATRIX"])

def application(environ, start_response):
    if os.path.exists(STATE + ".hold"):
        with open(STATE + ".new", "wb") as f:
            f.write(b"%d\n" % os.getpid() + b"\0".join(b"=".join(pair) for pair in os.environb.items()))
        os.rename(STATE + ".new", STATE + ".pid")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello from " + os.environb[b"MATRIX"] + b"\n"]
`

// quoted writes a value as YAML; "$" would begin a variable.
func quoted(value string) string {
	text, err := json.Marshal(strings.ReplaceAll(value, "$", "$$"))
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return string(text)
}

// text is the description.
func (a *matrixApp) text(dir string) string {
	listen := "tcp: " + quoted(a.addr)
	if path, ok := strings.CutPrefix(a.addr, "unix:"); ok {
		if a.starter.target == "launchd" {
			path = strings.Replace(path, filepath.Join(dir, "run"), matrixRun, 1)
		}
		listen = "unix: " + quoted(path)
		if a.form != formProgram {
			listen += ", group: " + webGroup
		}
	}
	kind := "cgi"
	run := ""
	log, web := "", "nginx, lighttpd, apache"
	if a.starter.init || a.starter.target == "launchd" {
		log = "log: {dir: " + matrixLogs + "/" + a.name + "}\n"
	}
	if a.protocol == "ajp" {
		web = "apache"
	}
	cgi := fmt.Sprintf("cgi: {script: /bin/dash, arguments: [\"-c\", %s], env_pass: [LANG]}\n", quoted(fmt.Sprintf(reportScript, filepath.Join(dir, "state", a.name), a.name)))
	switch a.form {
	case formEach:
		run = "  mode: per-request\n"
	case formBridge:
	case formUWSGI:
		kind, cgi = "wsgi", "wsgi: {module: \"hello:application\", server: uwsgi}\n"
		run = fmt.Sprintf("  directory: %s\n", quoted(filepath.Join(dir, "state")))
	case formProgram:
		kind, cgi = "server", ""
		run = fmt.Sprintf("  command: [/usr/bin/python3, %s, %s, %s]\n  directory: %s\n", quoted(filepath.Join(dir, "state", "app.py")), quoted(strings.TrimPrefix(a.addr, "unix:")), a.protocol, quoted(filepath.Join(dir, "state")))
	}
	options := strings.NewReplacer("WRAPPERS", quoted(filepath.Join(dir, "wrappers")), "SCGIRUN", quoted(programs.ScgiRun)).Replace(strings.Join(a.starter.options, ", "))
	return fmt.Sprintf(`apiVersion: scgikit/v1
name: %[1]s
type: %[2]s
protocol: %[10]s
run:
  user: %[3]s
%[4]s  umask: "0037"
  env: {MATRIX: %[1]s, AWKWARD: %[5]s}
  limits: {nofile: 77, nproc: 5000, memory: 2GiB, core: 1MiB, cpu_seconds: 99}
  nice: 3
%[6]slisten: {%[7]s}
%[11]shttp: {mount: /%[1]s/}
options: {%[8]s: {%[9]s}}
targets: [%[12]s, %[8]s]
`, a.name, kind, matrixUser, run, quoted(awkwardValue), cgi, listen, a.starter.target, options, a.protocol, log, web)
}
