package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with a program at its other end.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	stdout bytes.Buffer
	read   chan struct{} // closed when the program has closed the terminal

	mu    sync.Mutex
	more  *sync.Cond
	text  string // what it shows
	ended bool
}

// onTerminal starts scgikit in a session of its own, whose terminal is its standard
// input and error.
func onTerminal(t *testing.T, dir string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	term := &terminal{t: t, master: master, read: make(chan struct{})}
	term.more = sync.NewCond(&term.mu)
	term.cmd = exec.CommandContext(t.Context(), "scgikit", args...)
	term.cmd.Dir = dir
	term.cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME=", goRaceEnv)
	term.cmd.Stdin, term.cmd.Stderr, term.cmd.Stdout = slave, slave, &term.stdout
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(term.read)
		piece := make([]byte, 4096)
		for {
			n, err := master.Read(piece)
			term.mu.Lock()
			term.text += string(piece[:n])
			term.ended = err != nil // EIO, when nobody has it open
			term.more.Broadcast()
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return term
}

// says waits for a text behind what was waited for before.
func (term *terminal) says(want string) {
	term.t.Helper()
	timer := time.AfterFunc(time.Minute, func() { _ = term.cmd.Process.Kill() })
	defer timer.Stop()
	term.mu.Lock()
	defer term.mu.Unlock()
	for !strings.Contains(term.text, want) {
		if term.ended {
			term.t.Fatalf("%v does not say %q, but ends with\n%s", term.cmd.Args, want, term.text)
		}
		term.more.Wait()
	}
	_, term.text, _ = strings.Cut(term.text, want)
}

func (term *terminal) types(text string) {
	term.t.Helper()
	if _, err := term.master.WriteString(text); err != nil {
		term.t.Fatal(err)
	}
}

// code waits for the end of the program.
func (term *terminal) code() exitCode {
	term.t.Helper()
	timer := time.AfterFunc(time.Minute, func() { _ = term.cmd.Process.Kill() })
	defer timer.Stop()
	err := term.cmd.Wait()
	<-term.read
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitCode(exit.ExitCode())
	}
	if err != nil {
		term.t.Fatal(err)
	}
	return exitOK
}

// answers are what is asked, and what is typed then.
type answers [][2]string

func (term *terminal) answer(list answers) {
	term.t.Helper()
	for _, a := range list {
		term.says(a[0])
		term.types(a[1])
	}
}

// Init asks on a real terminal, again where an answer is no good, and what it writes
// is valid and can be generated.
func TestInitOnTerminal(t *testing.T) {
	t.Parallel()
	const script = "#!/bin/sh\n"
	tests := []struct {
		name    string
		files   map[string]string
		args    []string
		answers answers
		want    []string // lines of the description
	}{
		{"wsgi", nil, nil, answers{
			{"A folder to look in for it, such as . for this one; empty for none: ", "nowhere\n"},
			{"nowhere: no such file or directory", ""},
			{"A folder to look in", "\n"},
			{"Name of the app: ", "Bad Name\n"},
			{`"Bad Name" is no name of an app`, ""},
			{"Name of the app: ", "\n"},
			{"Name of the app: ", "hello\n"},
			{"What is it: server (it listens by itself), cgi or wsgi [cgi]: ", "nothing\n"},
			{"it can be cgi, server, wsgi", ""},
			{"[cgi]: ", "wsgi\n"},
			{"Module and callable", "no-module\n"},
			{"is not module:callable", ""},
			{"Module and callable", "hello:app\n"},
			{"Its Python", "python3\n"},
			{"is not an absolute path", ""},
			{"Its Python", "/opt/venv/bin/python3\n"},
			{"Its working folder: ", "srv\n"},
			{"begin with /", ""},
			{"Its working folder: ", "/srv/hello\n"},
			{"The user that runs it [www-data]: ", "a b\n"},
			{"is not a user", ""},
			{"The user that runs it", "www\n"},
			{"Where it listens", "8040\n"},
			{"is not host:port", ""},
			{"Where it listens", "unix:/run/scgikit/hello.sock\n"},
			{"The web server's group", "www-data\n"},
			{"Host names, if not all: ", "example.org\n"},
			{"Its URL path on the web server [/hello/]: ", "hello\n"},
			{"does not begin with /", ""},
			{"Its URL path", "\n"},
			{"What is to be generated", "nginx nosuch\n"},
			{`no target is named "nosuch"`, ""},
			{"What is to be generated", "'nginx\n"},
			{"What is to be generated", "nginx inetd\n"},
			{"The inetd that reads its line", "debian\n"},
			{"it can be busybox", ""},
			{"The inetd that reads its line", "inetutils\n"},
			{"[cannot-carry]", ""},
			{"The inetd that reads its line", "freebsd\n"},
		}, []string{
			"name: hello", "type: wsgi", "  directory: /srv/hello", "  user: www", "  module: hello:app", "  python: /opt/venv/bin/python3",
			"  unix: /run/scgikit/hello.sock", "  group: www-data", "  host: [example.org]", "  mount: /hello/", "targets: [nginx, inetd]", "    dialect: freebsd",
		}},
		{"server", nil, []string{"echo", "--type", "server"}, answers{
			{"Program and arguments: ", "echo $x\n"},
			{"put it in single quotes", ""},
			{"Program and arguments: ", "/srv/echo 'a b' ${port}\n"},
			{"What the web server speaks to it: scgi, fastcgi, uwsgi, http or ajp [scgi]: ", "gopher\n"},
			{"it can be ajp", ""},
			{"[scgi]: ", "http\n"},
			{"Its working folder: ", "\n"},
			{"The user", "\n"},
			{"Where it listens", "\n"},
			{"Host names", "\n"},
			{"Its URL path", "/\n"},
			{"What is to be generated", "nginx inetd\n"},
			{"it listens by itself", ""},
			{"What is to be generated", "nginx runit\n"},
		}, []string{"  command: [/srv/echo, \"a b\", \"${port}\"]", "protocol: http", "  mount: /", "targets: [nginx, runit]"}},
		{"django", map[string]string{"shop/manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n", "shop/shop/settings.py": "", "shop/shop/wsgi.py": djangoWSGI}, nil, answers{
			{"A folder to look in", "shop\n"},
			{"Name of the app [shop]: ", "\n"},
			{"The user that runs it", "shop\n"},
			{"Where it listens", "127.0.0.1:8041\n"},
			{"Host names", "\n"},
			{"Its URL path on the web server [/shop/]: ", "\n"},
			{"What is to be generated", "lighttpd systemd\n"},
		}, []string{"name: shop", "  module: shop.wsgi:application # shop/wsgi.py:4", "  user: shop", "  tcp: 127.0.0.1:8041", "targets: [lighttpd, systemd]"}},
		{"cgi-bin", map[string]string{"site/cgi-bin/x": script}, []string{"site", "--from", "site", "--user", "www"}, answers{
			{"Where it listens", "\n"},
			{"Host names", "\n"},
			{"Its URL path", "\n"},
			{"What is to be generated", "nginx systemd\n"},
		}, []string{"name: site", "type: cgi"}},
		{"cgit", map[string]string{"cgit/cgit.cgi": script, "cgit/cgitrc": ""}, []string{"--from", "cgit", "--targets", "", "--listen", "unix:/run/cgit.sock"}, answers{
			{"Name of the app [cgit]: ", "\n"},
			{"The user", "git\n"},
			{"The web server's group, which may connect [www-data]: ", "\n"},
			{"Host names", "\n"},
			{"Its URL path", "/git/\n"},
		}, []string{"  user: git", "  mount: /git/", "  unix: /run/cgit.sock", "  group: www-data"}},
		{"procfile", map[string]string{"heroku/Procfile": "web: ./serve --port $PORT\nworker: ./work\n"}, []string{"--from", "heroku"}, answers{
			{"Name of the app [heroku]: ", "web\n"},
			{"The user", "\n"},
			{"Where it listens: host:port or unix:/path [127.0.0.1:5000]: ", "\n"},
			{"Host names", "\n"},
			{"Its URL path on the web server [/]: ", "\n"},
			{"What is to be generated", "\n"},
		}, []string{"name: web", "protocol: http", "  tcp: 127.0.0.1:5000"}},
		{"a socket that does not go with the command", nil, []string{"blog", "--type", "server", "--command", "/x ${port}", "--protocol", "scgi", "--directory", "", "--user", "www", "--host", "", "--mount", "/", "--targets", ""}, answers{
			{"Where it listens", "unix:/run/blog.sock\n"},
			{"--command: ${port} is not defined", ""},
			{"Where it listens", "\n"},
		}, []string{"  tcp: 127.0.0.1:8040"}},
		{"a socket that does not go with what is found", map[string]string{"heroku/Procfile": "web: ./serve $PORT\n"}, []string{"--from", "heroku", "--user", "www", "--host", "", "--targets", ""}, answers{
			{"Name of the app", "\n"},
			{"Where it listens", "unix:/run/heroku.sock\n"},
			{"${port} is not defined", ""},
			{"Where it listens", "\n"},
			{"Its URL path", "\n"},
		}, []string{"  tcp: 127.0.0.1:5000"}},
		{"no inetd takes it", nil, []string{"blog", "--type", "cgi", "--script", "/x", "--user", "www", "--host", "", "--mount", "/", "--listen", "unix:/run/blog/s", "--listen-group", ""}, answers{
			{"What is to be generated", "nginx inetd\n"},
			{"needs the group that listen.mode 0660 lets in", ""},
			{"What is to be generated", "nginx\n"},
		}, []string{"  unix: /run/blog/s", "targets: [nginx]"}},
		{"several", map[string]string{"two/a/app.py": flaskApp, "two/b/app.py": flaskApp}, []string{"--from", "two"}, answers{
			{"two holds several apps:", ""},
			{"  1  a/app.py:app (wsgi, two/a/app.py:2)", ""},
			{"Which of them: ", "3\n"},
			{`"3" is none of them`, ""},
			{"Which of them: ", "2\n"},
			{"Name of the app [two]: ", "\n"},
			{"The user", "\n"},
			{"Where it listens", "\n"},
			{"Host names", "\n"},
			{"Its URL path", "\n"},
			{"What is to be generated", "\n"},
		}, []string{"  module: b.app:app # b/app.py:2"}},
		{"beside another", map[string]string{"apps/a.yaml": "apiVersion: scgikit/v1\nname: a\ntype: cgi\nrun: {user: www}\ncgi: {script: /x}\nlisten: {tcp: 127.0.0.1:8040}\nhttp: {mount: /a/}\ntargets: [nginx]\n"}, []string{"--type", "cgi"}, answers{
			{"Name of the app: ", "a\n"},
			{"apps/a.yaml is there already", ""},
			{"Name of the app: ", "b\n"},
			{"The script", "/y\n"},
			{"The user", "\n"},
			{"Where it listens: host:port or unix:/path [127.0.0.1:8041]: ", "127.0.0.1:8040\n"},
			{"127.0.0.1:8040 is taken by the app a", ""},
			{"Where it listens", "\n"},
			{"Host names", "\n"},
			{"Its URL path on the web server [/b/]: ", "/a/\n"},
			{"[duplicate-mount]", ""},
			{"Its URL path", "/b/\n"},
			{"What is to be generated", "\n"},
		}, []string{"name: b", "  tcp: 127.0.0.1:8041", "  mount: /b/"}},
		{"nothing there", map[string]string{"empty/x": ""}, []string{"--from", "empty"}, answers{
			{"empty: no manage.py", ""},
			{"Name of the app [empty]: ", "\n"},
			{"What is it", "\n"},
			{"The script; empty for a folder of them: ", "\n"},
			{"The folder of scripts, with a final slash: ", "/srv/x\n"},
			{"The folder of scripts, with a final slash: ", "/srv/x/\n"},
			{"The user", "\n"},
			{"Where it listens", "\n"},
			{"Host names", "\n"},
			{"Its URL path", "\n"},
			{"What is to be generated", "\n"},
		}, []string{"  directory: /srv/x/"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			projectFiles(t, dir, test.files)
			term := onTerminal(t, dir, append([]string{"init"}, test.args...)...)
			term.answer(test.answers)
			if code := term.code(); code != exitOK {
				t.Fatalf("ended with %d: %s", code, term.text)
			}
			name := "scgikit.yaml"
			if test.files["apps/a.yaml"] != "" {
				name = "apps/b.yaml"
			}
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(data), "\n")
			for _, want := range test.want {
				if !slices.Contains(lines, want) {
					t.Errorf("no line %q in\n%s", want, data)
				}
			}
			commands := [][]string{{"validate"}}
			if strings.Contains(string(data), "targets:") {
				commands = append(commands, []string{"generate"})
			}
			for _, args := range commands {
				if code, _, stderr := runOnce(t, append([]string{"-C", dir}, args...)...); code != exitOK {
					t.Errorf("%v: %d %s", args, code, stderr)
				}
			}
		})
	}
}

// Whoever breaks off has written nothing, and what is there is not overwritten.
func TestInitBrokenOff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key  string
		code exitCode
	}{{"\x04", exitUsage}, {"\x03", exitInterrupted}} {
		// At every question, and behind half an answer.
		for stop := range 9 {
			dir := t.TempDir()
			term := onTerminal(t, dir, "init")
			list := answers{
				{"A folder to look in", "\n"},
				{"Name of the app: ", "hello\n"},
				{"What is it", "cgi\n"},
				{"The script", "/srv/hello.cgi\n"},
				{"The user", "\n"},
				{"Where it listens", "\n"},
				{"Host names", "\n"},
				{"Its URL path", "\n"},
				{"What is to be generated", ""},
			}
			term.answer(list[:stop])
			term.says(list[stop][0])
			if test.key == "\x03" && stop%2 == 1 {
				term.types("half")
			}
			term.types(test.key)
			if code := term.code(); code != test.code {
				t.Errorf("%q at question %d: %d, and not %d: %s", test.key, stop, code, test.code, term.text)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
				t.Errorf("%q at question %d: there is %v %v", test.key, stop, entries, err)
			}
		}
	}
	dir := t.TempDir()
	projectFiles(t, dir, map[string]string{"scgikit.yaml": "mine"})
	term := onTerminal(t, dir, "init", "hello", "--type", "cgi", "--script", "/x")
	if code := term.code(); code != exitRefused {
		t.Errorf("with a description there: %d: %s", code, term.text)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "scgikit.yaml")); err != nil || string(data) != "mine" {
		t.Errorf("the description is now %q %v", data, err)
	}
}
