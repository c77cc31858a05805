package servertest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/fastcgi"
	"scgikit/internal/scgi"
)

// compareProcesses requires of the process of every app that it is what the
// description says, whatever started it.
func (m *matrix) compareProcesses(t *testing.T) {
	for _, a := range m.apps {
		t.Run(a.name, func(t *testing.T) {
			switch a.form {
			case formProgram:
				m.compareProcess(t, a, residentOf(t, a), "")
			case formUWSGI:
				pid, environ := m.workerOf(t, a)
				m.compareProcess(t, a, pid, environ)
			case formEach, formBridge:
				m.withRequest(t, a, func(pid int) { m.compareProcess(t, a, pid, "") })
			}
		})
	}
}

// residentOf returns the process of an app that keeps running.
func residentOf(t *testing.T, a *matrixApp) (pid int) {
	t.Helper()
	Until(t, "the process of "+a.name, func() bool {
		entries, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, entry := range entries {
			environ, err := os.ReadFile(entry)
			program, _ := os.Readlink(filepath.Join(filepath.Dir(entry), "exe"))
			if err == nil && strings.Contains("\x00"+string(environ), "\x00MATRIX="+a.name+"\x00") && strings.HasPrefix(filepath.Base(program), "python3") {
				pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(entry)))
			}
		}
		return pid != 0
	})
	return pid
}

// workerOf sends a request to uwsgi, and returns the process that had it, and its
// variables.
func (m *matrix) workerOf(t *testing.T, a *matrixApp) (pid int, environ string) {
	t.Helper()
	file := filepath.Join(m.dir, "state", a.name)
	if err := os.WriteFile(file+".hold", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file + ".hold")
	conn := dial(t, a.addr)
	defer conn.Close()
	var params []byte
	for _, pair := range [][2]string{
		{"REQUEST_METHOD", "GET"},
		{"REQUEST_URI", "/" + a.name + "/x"},
		{"SCRIPT_NAME", "/" + a.name},
		{"PATH_INFO", "/x"},
		{"QUERY_STRING", ""},
		{"SERVER_PROTOCOL", "HTTP/1.1"},
		{"SERVER_NAME", "localhost"},
		{"SERVER_PORT", "80"},
		{"CONTENT_LENGTH", "0"},
	} {
		params = fastcgi.AppendPair(params, pair[0], pair[1])
	}
	given, input := fastcgi.Stream{W: conn, Kind: fastcgi.Params, ID: 1}, fastcgi.Stream{W: conn, Kind: fastcgi.Stdin, ID: 1}
	_, err := conn.Write(fastcgi.AppendBegin(nil, 1))
	_, err2 := given.Write(params)
	if err := errors.Join(err, err2, given.Close(), input.Close()); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(&fastcgi.Answer{Source: conn, ID: 1})
	if err != nil || !strings.Contains(string(answer), "hello from "+a.name) {
		t.Fatalf("the answer is %q (%v)", answer, err)
	}
	text, err := os.ReadFile(file + ".pid")
	if err != nil {
		t.Fatal(err)
	}
	number, environ, _ := strings.Cut(string(text), "\n")
	if pid, err = strconv.Atoi(number); err != nil {
		t.Fatal(err)
	}
	return pid, environ
}

// withRequest sends a request, and calls look while the script stands still.
func (m *matrix) withRequest(t *testing.T, a *matrixApp, look func(pid int)) {
	t.Helper()
	file := filepath.Join(m.dir, "state", a.name)
	if err := os.WriteFile(file+".hold", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file + ".hold")
	conn := dial(t, a.addr)
	defer conn.Close()
	request := scgi.AppendRequest(nil, []scgi.Header{
		{Name: "CONTENT_LENGTH", Value: "0"},
		{Name: "SCGI", Value: "1"},
		{Name: "REQUEST_METHOD", Value: "GET"},
		{Name: "REQUEST_URI", Value: "/" + a.name + "/x"},
		{Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"},
		{Name: "SCRIPT_NAME", Value: "/" + a.name},
		{Name: "PATH_INFO", Value: "/x"},
	})
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	pid := 0
	Until(t, a.name+" to stand still", func() bool {
		text, err := os.ReadFile(file + ".pid")
		if err != nil {
			return false
		}
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return strings.Contains(string(stat), ") T ")
	})
	look(pid)
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Error(err)
	}
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	if err != nil || !strings.HasPrefix(string(answer[:n]), "Status: 200 OK\r\n") {
		t.Errorf("the answer is %q (%v)", answer[:n], err)
	}
}

// metaVariable reports whether a variable belongs to the request: RFC 3875, and
// what web servers add.
func metaVariable(name string) bool {
	for _, prefix := range []string{"HTTP_", "SERVER_", "REQUEST_", "SCRIPT_", "REMOTE_", "CONTENT_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"GATEWAY_INTERFACE", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING", "SCGI"}, name)
}

// defaultPath is what scgi-run gives a script where cgi.env_pass does not name PATH.
const defaultPath = "PATH=/usr/local/bin:/usr/bin:/bin"

// compareProcess looks at a running process. Its variables are those of its start,
// unless it has said others.
func (m *matrix) compareProcess(t *testing.T, a *matrixApp, pid int, environ string) {
	t.Helper()
	at := func(name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }
	read := func(name string) string {
		text, err := os.ReadFile(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	id := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "id", append(args, matrixUser)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	status := read("status")
	uid, gid := id("-u"), id("-g")
	for field, want := range map[string]string{
		"Uid": strings.Repeat(uid+" ", 3) + uid, "Gid": strings.Repeat(gid+" ", 3) + gid, "Umask": "0037",
	} {
		if got := statusField(status, field); got != want {
			t.Errorf("%s is %s, want %s", field, got, want)
		}
	}
	// No group but those of the user: some starters give all, some the one.
	for group := range strings.FieldsSeq(statusField(status, "Groups")) {
		if !slices.Contains(strings.Fields(id("-G")), group) {
			t.Errorf("it is in the group %s", group)
		}
	}
	if groups := statusField(status, "Groups"); a.starter.name == "xinetd" && groups != "" {
		t.Errorf("it is in the groups %s, without options.xinetd.groups", groups)
	}
	limits := strings.Split(read("limits"), "\n")
	for name, want := range map[string]string{
		"Max open files": "77", "Max processes": "5000", "Max address space": "2147483648", "Max core file size": "1048576", "Max cpu time": "99",
	} {
		at := slices.IndexFunc(limits, func(line string) bool { return strings.HasPrefix(line, name+" ") })
		// The programs of the three families leave what it may be raised to.
		if got := strings.Fields(limits[at][len(name):]); got[0] != want || got[1] != want && a.form != formProgram {
			t.Errorf("%s is %s, and %s at most, want %s", name, got[0], got[1], want)
		}
	}
	own, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := niceness(t, read("stat")), min(niceness(t, string(own))+3, 19); got != want {
		t.Errorf("the niceness is %d, want %d", got, want)
	}
	want := filepath.Join(m.dir, "state")
	if a.form == formEach || a.form == formBridge {
		want, _ = filepath.EvalSymlinks("/bin") // a script runs in its own folder
	}
	if got, err := os.Readlink(at("cwd")); err != nil || got != want {
		t.Errorf("the folder is %s, want %s (%v)", got, want, err)
	}
	if environ == "" {
		environ = strings.TrimSuffix(read("environ"), "\x00")
	}
	m.compareEnvironment(t, a, strings.Split(environ, "\x00"))
	m.compareDescriptors(t, a, at("fd"))
}

func statusField(status, name string) string {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return ""
}

// niceness is the 19th field of /proc/PID/stat, behind the name in parentheses.
func niceness(t *testing.T, stat string) int {
	t.Helper()
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	n, err := strconv.Atoi(fields[16])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// compareEnvironment requires the variables of the description. A program per
// request has those of the request and of cgi.env_pass besides, and no other; uwsgi
// those of cgi.env_pass, and two of its own; one that keeps running has those of what
// started it.
func (m *matrix) compareEnvironment(t *testing.T, a *matrixApp, environ []string) {
	t.Helper()
	outer := map[string]bool{"PWD": true, "OLDPWD": true, "SHLVL": true, "_": true, "SUPERVISETEST": true}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		outer[name] = true
	}
	found := make(map[string]string)
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		found[name] = value
		_, described := map[string]bool{"MATRIX": true, "AWKWARD": true}[name]
		switch {
		case described:
		case a.form == formProgram && a.starter.name == "openrc" && (strings.HasPrefix(name, "RC_") || strings.HasPrefix(name, "EINFO_") || name == "SVCNAME"):
		case a.form == formProgram && a.starter.init && slices.Contains([]string{"PATH", "USER", "LOGNAME", "HOME"}, name):
		case a.form == formUWSGI && slices.Contains([]string{"PATH", "LANG", "TZ", "UWSGI_RELOADS", "UWSGI_ORIGINAL_PROC_NAME"}, name):
		case a.form == formProgram && (outer[name] || strings.HasPrefix(name, "SCGIKIT_")):
		case a.form != formProgram && a.form != formUWSGI && (name == "LANG" || metaVariable(name)):
		case a.form != formProgram && a.form != formUWSGI && variable == defaultPath:
		default:
			t.Errorf("%q is in the environment", variable)
		}
	}
	if found["MATRIX"] != a.name || found["AWKWARD"] != awkwardValue {
		t.Errorf("MATRIX is %q, AWKWARD is %q", found["MATRIX"], found["AWKWARD"])
	}
	if a.form != formProgram && !a.starter.resident && found["LANG"] != "C.UTF-8" {
		t.Errorf("LANG is %q, which is asked for", found["LANG"])
	}
}

// compareDescriptors requires that none is open besides the first three, but the
// socket of an app that listens itself, and what uwsgi asks for events; and that standard error of a program
// per request is not the connection.
func (m *matrix) compareDescriptors(t *testing.T, a *matrixApp, dir string) {
	t.Helper()
	open, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sockets := 0
	targets := make(map[string]string)
	for _, fd := range open {
		target, _ := os.Readlink(filepath.Join(dir, fd.Name()))
		targets[fd.Name()] = target
		inherited, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		switch {
		case slices.Contains([]string{"0", "1", "2"}, fd.Name()):
		case a.form == formProgram && strings.HasPrefix(target, "socket:") && sockets == 0:
			sockets++
		case a.form == formUWSGI && sockets < 4 && strings.HasPrefix(target, "socket:"): // two to its master, and perhaps the connection
			sockets++
		case a.form == formUWSGI && target == "anon_inode:[eventpoll]":
		case a.form == formProgram && target == inherited: // by this test as well
		case a.starter.name == "scgikit-supervise" && fd.Name() == "4": // for readiness
		default:
			t.Errorf("descriptor %s is open: %s", fd.Name(), target)
		}
	}
	if len(open) < 3 {
		t.Errorf("only these are open: %v", targets)
	}
	if (a.form == formEach || a.form == formBridge) && targets["2"] == targets["1"] {
		t.Errorf("standard error is what the answer goes to: %v", targets)
	}
}
