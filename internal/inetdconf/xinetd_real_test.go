package inetdconf_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/inetdconf"
	"scgikit/internal/loopback"
	"scgikit/internal/need"
)

// runXinetd runs xinetd on files, in a folder as /etc/xinetd.d, until the test
// ends, and waits until one more service of its own answers: it starts them in
// the order of the names, so that the others are there by then.
func runXinetd(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	program := need.Program(t, "xinetd")
	first, err := loopback.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	files["zz"] = xinetdEntry(t, dir, "zz", fmt.Sprint(first), "server_args = zz")
	services := filepath.Join(dir, "xinetd.d")
	if err := os.Mkdir(services, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(services, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf, log := filepath.Join(dir, "xinetd.conf"), filepath.Join(dir, "log")
	if err := os.WriteFile(conf, []byte("includedir "+services+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-dontfork", "-f", conf, "-filelog", log, "-pidfile", filepath.Join(dir, "pid"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // a signal ended it
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("%s", text)
		}
	})
	answer(t, fmt.Sprintf("127.0.0.1:%d", first))
}

// xinetdEntry is a service that starts the reporter, with further lines.
func xinetdEntry(t *testing.T, dir, name, port string, lines ...string) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		need.Missing(t, "an account for this user: "+err.Error())
	}
	return fmt.Sprintf("service %s\n{\n\ttype = UNLISTED\n\tflags = NAMEINARGS\n\tsocket_type = stream\n\tprotocol = tcp\n\tbind = 127.0.0.1\n\twait = no\n\tuser = %s\n%s\n\tport = %s\n\tserver = %s\n}\n",
		name, me.Username, strings.Join(lines, "\n"), port, filepath.Join(dir, "report"))
}

func reportProgram(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "report"), []byte(reporter), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestXinetdArguments lets xinetd read odd lines, and requires that it starts
// programs with the arguments that this package reads.
func TestXinetdArguments(t *testing.T) {
	t.Parallel()
	dir := reportProgram(t)
	raws := append(rawArguments[:], "{", "}", "= + +=", "a=b\t= c ", strings.Repeat("x", 3900), strings.Repeat("1 ", 1900))
	first, err := loopback.FreePorts(len(raws))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i, raw := range raws {
		text.WriteString(xinetdEntry(t, dir, fmt.Sprintf("s%d", i), fmt.Sprint(first+i), "\tserver_args = name "+raw))
	}
	services, problems := inetdconf.ParseXinetd(text.String())
	if len(services) != len(raws) || len(problems) > 0 {
		t.Fatalf("%d services are read of %d: %v", len(services), len(raws), problems)
	}
	runXinetd(t, dir, map[string]string{"arguments": text.String()})
	for i, s := range services {
		if got, want := string(answer(t, fmt.Sprintf("127.0.0.1:%d", s.Port))), strings.Join(s.Args[1:], "\x00")+"\x00"; got != want {
			t.Errorf("%q starts the program with\n%q, and is read as\n%q", raws[i], got, want)
		}
	}
}

// oddXinetd are entries with something odd in them, as lines or as a change of
// the whole text, of which xinetd takes some and leaves others out.
func oddXinetd() map[string]func(text string) string {
	line := func(lines string) func(string) string {
		return func(text string) string { return strings.Replace(text, "\tport", lines+"\n\tport", 1) }
	}
	replace := func(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }
	return map[string]func(string) string{
		"plain": line(""), "unknown": line("frob = x"), "twice": line("id = a\nid = b"), "plus": line("umask += 1"), "values": line("cps = 1"),
		"number": line("instances = many"), "negative": line("instances = -1"), "mask": line("umask = 0999"), "flag": line("flags = x\nnice = 0"), "env": line("env = A"),
		"envminus": line("env = A=1\nenv -= A=1"), "noargs": line("server_args ="), "nospace": line("umask= 027"), "colon": line("umask : 027"), "nothing": line("umask "),
		"disabled": line("disable = yes"), "enabled": line("disable = no"), "brace": replace("\n{", " {"), "brace2": replace("\n{\n", "\n  {\t\n"), "brace3": replace("\n{\n", "\n{ # c\n"),
		"end": replace("\n}\n", "\n} x\n"), "keyword": replace("service", "serve"), "name": replace("service", "service\nservice"), "comment": line(" \t# c } \n\n #"),
		"noport": replace("\tport", "\t#port"), "nouser": replace("\tuser", "\t#user"), "nowait": replace("\twait", "\t#wait"), "noproto": replace("\tprotocol", "\t#protocol"),
		"nostream": replace("\tsocket_type", "\t#socket_type"), "vertical": replace(" = ", "\v=\f"), "sensor": replace("NAMEINARGS", "SENSOR"), "late": replace("\tflags", "\t#flags", "\tport", "flags = NAMEINARGS\n\tport"),
		"comma": line("only_from = 127.0.0.1,127.0.0.2"), "group": line("groups = maybe"), "logflag": line("log_on_failure = RECORD"), "emptylog": line("log_on_success ="),
		"nul": line("umask = 027\x00 b"), "crlf": replace("\n", "\r\n"), "unlisted": replace("UNLISTED", "UNLISTED TCPMUX"), "type": replace("UNLISTED", "ULISTED"),
	}
}

// TestXinetdEntries lets xinetd read odd entries, each in a file of its own, and
// requires that it listens for those that this package reads, and no others.
func TestXinetdEntries(t *testing.T) {
	t.Parallel()
	dir := reportProgram(t)
	odd := oddXinetd()
	first, err := loopback.FreePorts(len(odd))
	if err != nil {
		t.Fatal(err)
	}
	files, read, ports := make(map[string]string), make(map[string]bool), make(map[string]int)
	for name, change := range odd {
		port := first + len(ports)
		text := change(xinetdEntry(t, dir, name, fmt.Sprint(port), "\tserver_args = name "+name))
		services, problems := inetdconf.ParseXinetd(text)
		files[name], ports[name], read[name] = text, port, len(services) == 1 && services[0].Port == port
		if !read[name] && len(problems) == 0 {
			t.Errorf("%s: no service is read, and nothing is said", name)
		}
	}
	runXinetd(t, dir, files)
	for name, port := range ports {
		listens := false
		if conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 20*time.Second); err == nil {
			// The port may be somebody else's by now.
			listens = string(readAll(t, conn)) == name+"\x00"
		}
		if listens != read[name] {
			_, problems := inetdconf.ParseXinetd(files[name])
			t.Errorf("%s: xinetd listens: %v; it is read: %v, %v", name, listens, read[name], problems)
		}
	}
}
