package importer_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/importer"
	"scgikit/internal/inetdconf"
	"scgikit/internal/loopback"
	"scgikit/internal/need"
	"scgikit/internal/scgi"
)

// requestReporter is a CGI script that answers with what it can see.
const requestReporter = `#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
for word; do printf '[%s]\n' "$word"; done
env | grep -e ^T_ -e ^PATH_INFO= -e ^SCRIPT_NAME= | sort
echo "user $(id -u) group $(id -g) groups $(id -G)"
echo "mask $(umask) nofile $(ulimit -Sn) memory $(ulimit -v) core $(ulimit -Sc) nice $(nice)"
echo "folder $(pwd)"
`

// ask returns the answer to one request.
func ask(t *testing.T, addr string) string {
	t.Helper()
	var conn net.Conn
	deadline := time.Now().Add(time.Minute)
	for {
		var err error
		if conn, err = net.Dial("tcp", addr); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(10 * time.Millisecond)
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, scgiRequest()); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// scgiRequest is a request for the script "see" of an app at /app.
func scgiRequest() string {
	return string(scgi.AppendRequest(nil, []scgi.Header{
		{Name: "CONTENT_LENGTH", Value: "0"},
		{Name: "SCGI", Value: "1"},
		{Name: "REQUEST_METHOD", Value: "GET"},
		{Name: "REQUEST_URI", Value: "/app/see/x"},
		{Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"},
		{Name: "SCRIPT_NAME", Value: "/app"},
		{Name: "PATH_INFO", Value: "/see/x"},
		{Name: "QUERY_STRING", Value: ""},
	}))
}

// while runs a program that listens, and returns the answer to one request.
func (m *machine) while(t *testing.T, folder, addr string, words ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), words[0], words[1:]...)
	cmd.Dir = folder
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = time.Minute
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // a signal ended it
		if t.Failed() {
			t.Logf("%q:\n%s", words, output.Bytes())
		}
	}()
	return ask(t, addr)
}

// TestRequestsRunTheSame answers a request through a set-up under its own
// super-server or listener, and through what comes of importing it: the script
// sees no difference.
func TestRequestsRunTheSame(t *testing.T) {
	need.Root(t)
	first := newMachine(t)
	build := exec.CommandContext(t.Context(), need.Program(t, "go"), "build", "-buildvcs=false", "-o", first.path("scgi-run"), "scgikit/cmd/scgi-run")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const flags = "--mount=/app --max-body=1048576 --umask=0027 --limit=core=0,nofile=100 --env=T_A=a+b;$c"
	for _, tt := range []struct {
		name    string
		kind    importer.Kind
		dialect inetdconf.Dialect
		program string
		file    string // of the set-up
		text    string
	}{
		{"inetd", importer.Inetd, inetdconf.OpenBSD, "inetd", "inetd.conf", "127.0.0.1:PORT stream tcp nowait.100000 nobody:daemon RUN scgi-run bridge " + flags + " DIR/srv/\n"},
		{"xinetd", importer.Xinetd, "", "xinetd", "xinetd.d/app", `service app
{
	type = UNLISTED
	flags = REUSE
	socket_type = stream
	protocol = tcp
	port = PORT
	bind = 127.0.0.1
	wait = no
	user = nobody
	user = root
	group = daemon
	groups = no
	instances = 8
	nice = 3
	rlimit_as = 8192M
	cps = 50 10
	server = RUN
	server_args = bridge ` + flags + ` DIR/srv/
	only_from = 127.0.0.1
}
`},
		{"tcpserver", importer.Daemontools, "", "tcpserver", "app/run", "#!/bin/sh\nexec 2>&1\nexec setuidgid nobody tcpserver -vRHl0 -c20 127.0.0.1 PORT \\\n\tRUN bridge " + strings.Replace(flags, "--env=T_A=a+b;$c", `"--env=T_A=a b;\$c" '--env=T_B=it'\''s'`, 1) + " DIR/srv/\n"},
		{"tcpserver under runit", importer.Runit, "", "chpst", "app/run", "#!/bin/sh -e\nexec 2>&1\numask 077\nexec chpst -e DIR/app/env tcpserver -RH -l 0 127.0.0.1 PORT chpst -u nobody:daemon -o 90 \\\n\tRUN bridge --mount=/app --umask=0077 --limit=nofile=90 DIR/srv/see a 'b c'\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			program := need.Program(t, tt.program)
			if strings.Contains(tt.text, "tcpserver") {
				need.Program(t, "tcpserver")
			}
			m := newMachine(t)
			port, err := loopback.FreePorts(1)
			if err != nil {
				t.Fatal(err)
			}
			addr := fmt.Sprintf("127.0.0.1:%d", port)
			m.write(t, "srv/see", requestReporter, 0o755)
			m.write(t, tt.file, strings.NewReplacer("RUN", first.path("scgi-run"), "PORT", fmt.Sprint(port)).Replace(tt.text), 0o755)
			start := func(file string) string {
				if tt.kind == importer.Inetd {
					return m.while(t, m.dir, addr, program, "-d", file)
				}
				if tt.kind == importer.Xinetd {
					m.write(t, "conf", "includedir "+filepath.Dir(file)+"\n", 0o644)
					return m.while(t, m.dir, addr, program, "-dontfork", "-f", m.path("conf"), "-pidfile", m.path("pid"), "-filelog", m.path("log"))
				}
				if err := os.MkdirAll(filepath.Join(filepath.Dir(file), "env"), 0o755); err != nil {
					t.Fatal(err)
				}
				return m.while(t, filepath.Dir(file), addr, "./run")
			}
			want := start(m.path(tt.file))
			o := &importer.Options{Dialect: tt.dialect, Name: "app"}
			name := strings.TrimSuffix(tt.file, "/run")
			generated := m.importAndRender(t, tt.kind, name, string(tt.kind), o)
			switch {
			case tt.kind == importer.Inetd:
				// The line is too long for this inetd, and starts a script; that stands beside it.
				conf, err := os.ReadFile(generated + ".conf")
				if err != nil {
					t.Fatal(err)
				}
				m.write(t, "generated.conf", strings.ReplaceAll(string(conf), "/usr/local/libexec/scgikit/app", generated), 0o644)
				generated = m.path("generated.conf")
			case tt.kind != importer.Xinetd:
				generated += "/run"
			}
			got := start(generated)
			if got != want || !strings.Contains(want, "user 65534 group") {
				t.Errorf("the script sees\n%s\nand saw\n%s", got, want)
			}
		})
	}
}
