package generate_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/inetdconf"
)

// listenFor is a listener that a dialect can have, in a folder of its own.
func listenFor(d inetdconf.Dialect) string {
	if d == inetdconf.Inetutils {
		return `{tcp: "127.0.0.1:8060"}`
	}
	return "{unix: /run/awkward/socket, user: www, group: www}"
}

// awkwardCGI describes a script with a string in every field that a line or a
// script of inetd carries.
func awkwardCGI(t *testing.T, s string, d inetdconf.Dialect, logDir, scgiRun string) string {
	t.Helper()
	return fmt.Sprintf(`apiVersion: scgikit/v1
name: awkward
type: cgi
run: {user: www, env: {VALUE: %[1]s}}
cgi: {script: %[2]s, arguments: [first, %[1]s]}
listen: %[3]s
log: {dir: %[4]s}
http: {mount: /a}
options: {inetd: {dialect: %[5]s, umask: "0000", scgi_run: %[6]s}}
`, yamlText(s), yamlText("/srv/"+strings.ReplaceAll(s, "/", "_")), listenFor(d), yamlText(logDir), d, yamlText(scgiRun))
}

// inetdCommand returns what the inetd of a dialect starts for a generated
// line, and requires that it takes the line without complaint.
func inetdCommand(t *testing.T, d inetdconf.Dialect, conf []byte) inetdconf.Entry {
	t.Helper()
	entries, problems := inetdconf.Parse(d, string(conf))
	if len(entries) != 1 || len(problems) > 0 {
		t.Fatalf("%s reads %d entries, with problems %v:\n%s", d, len(entries), problems, conf)
	}
	return entries[0]
}

// TestInetdAwkward puts awkward strings in every field, lets real shells run
// the script that the line starts, and requires the very same words.
func TestInetdAwkward(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	program := installReporter(t, dir)
	for i, s := range starterAwkward {
		logs := fmt.Sprintf("/log %d %.40s", i, strings.ReplaceAll(s, "/", "_"))
		logDir := dir + logs
		if err := os.Mkdir(logDir, 0o755); err != nil {
			t.Fatal(err)
		}
		for number, name := range inetdconf.Dialect("").Values() {
			d := inetdconf.Dialect(name)
			set := moveLogs(t, mustRender(t, "inetd", load(t, awkwardCGI(t, s, d, logPlace+logs, program))), dir)
			conf, _ := set.Get("inetd/awkward.conf")
			entry := inetdCommand(t, d, conf.Data)
			script, ok := set.Get("inetd/awkward")
			if !ok || entry.Program != "/usr/local/libexec/scgikit/awkward" {
				t.Fatalf("%s starts %s", d, entry.Program)
			}
			file := filepath.Join(dir, "script")
			if err := os.WriteFile(file, script.Data, 0o600); err != nil {
				t.Fatal(err)
			}
			want := []string{
				program, "bridge", "--mount=/a", "--timeout=60s", "--max-body=10485760", "--umask=0027", "--limit=core=0",
				"--log=" + filepath.Join(logDir, "awkward.log"), "--env=VALUE=" + s, "--env-pass=PATH,LANG,TZ",
				"/srv/" + strings.ReplaceAll(s, "/", "_"), "first", s,
			}
			for _, shell := range shellOf(t, i+number) {
				got := runReporter(t, dir, append(shell, file)...)
				if !reflect.DeepEqual(got.Args, want) {
					t.Errorf("%s, %v: started with\n%q, want\n%q", d, shell, got.Args, want)
				}
			}
		}
	}
}

// TestInetdSocketPath puts awkward strings in the one field that has to stand
// in the line itself: the inetd of the dialect reads back the path, or the
// field is named.
func TestInetdSocketPath(t *testing.T) {
	t.Parallel()
	for _, s := range starterAwkward {
		path := "/run/" + strings.ReplaceAll(s, "/", "_") + "/s"
		if len(path) > 103 {
			continue
		}
		for _, name := range inetdconf.Dialect("").Values() {
			d := inetdconf.Dialect(name)
			text := fmt.Sprintf(`apiVersion: scgikit/v1
name: awkward
type: cgi
run: {user: www}
cgi: {script: /srv/x}
listen: {unix: %s, user: www, group: www}
http: {mount: /a}
options: {inetd: {dialect: %s, umask: "0000"}}
`, yamlText(path), d)
			target, _ := generate.Lookup("inetd")
			set, problems := render(t, target, load(t, text))
			if problems.HasErrors() {
				for _, p := range problems {
					if p.Path != "listen.unix" {
						t.Errorf("%s: %q is refused at %s: %v", d, path, p.Path, p)
					}
				}
				continue
			}
			conf, _ := set.Get("inetd/awkward.conf")
			entry := inetdCommand(t, d, conf.Data)
			if entry.Service != path || entry.Host != "" || entry.Protocol != "unix" {
				t.Errorf("%s reads %q:%q for %q", d, entry.Host, entry.Service, path)
			}
			if d == inetdconf.FreeBSD && (entry.SocketUser != "www" || entry.SocketGroup != "www" || entry.SocketMode != 0o660) {
				t.Errorf("the socket is %s:%s %o", entry.SocketUser, entry.SocketGroup, entry.SocketMode)
			}
		}
	}
}

// TestInetdLines reads back every line that the golden tests make.
func TestInetdLines(t *testing.T) {
	t.Parallel()
	lines := 0
	for name, set := range starterSets(t, "inetd") {
		for _, f := range set.Files() {
			if f.Place != "inetd.conf" {
				continue
			}
			lines++
			if len(bytes.TrimSpace(f.Data)) == 0 || bytes.Contains(f.Data, []byte("\n#@")) {
				t.Errorf("%s: %s: a comment begins with #@", name, f.Path)
			}
		}
	}
	if lines < 10 {
		t.Errorf("only %d lines", lines)
	}
}

// TestInetdScriptEnvironment runs a script with a secret and an env file, under
// every shell. What the program finds itself in is left to scgi-run, which has
// to work without it.
func TestInetdScriptEnvironment(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	work := filepath.Join(dir, "work dir")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "scgi-run")
	script := "#!/bin/sh\numask\npwd\nulimit -n\nnice\nprintf '[%s]\\n' \"$@\"\nprintf '%s\\n' \"$KEY\" \"$FROM_FILE\" \"$LAST\"\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	secret, envFile := filepath.Join(dir, "the key"), filepath.Join(dir, "env file")
	writeFile(t, secret, "s3cret $(id) `id` \\n \"'\nsecond line\n")
	writeFile(t, envFile, "# comment\n\nFROM_FILE= $(id) \"quoted\" \\n 'x' = #y \nLAST=no newline")
	set := mustRender(t, "inetd", load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: full
type: wsgi
run:
  user: www
  directory: %s
  umask: "0037"
  env_file: %s
  secrets: {KEY: {file: %s}}
  limits: {nofile: 77, cpu_seconds: 99, memory: 8GiB, nproc: 5000}
  nice: 3
wsgi: {module: "hello:app", path: ["/a b", /c]}
listen: {tcp: "127.0.0.1:8061"}
http: {mount: /}
options: {inetd: {dialect: openbsd, scgi_run: %s}}
`, yamlText(work), yamlText(envFile), yamlText(secret), yamlText(program))))
	f, ok := set.Get("inetd/full")
	if !ok {
		t.Fatal("no script")
	}
	if bytes.Contains(f.Data, []byte("s3cret")) {
		t.Error("the secret is in the script")
	}
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, f.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%04s\n%s\n%d\n%d\n", ownUmask(t), here, openFiles(t), ownNiceness(t))
	for _, word := range []string{
		"wsgi", "--style=once", "--path=/a b", "--path=/c", "--python=/usr/bin/python3", "--directory=" + work, "--mount=/", "--timeout=60s",
		"--max-body=10485760", "--umask=0037", "--limit=core=0,cpu=99,nofile=77,nproc=5000,memory=8589934592", "--nice=3",
		"--env-pass=PATH,LANG,TZ", "--env-pass=KEY", "--env-pass", "FROM_FILE", "--env-pass", "LAST", "hello:app",
	} {
		want += "[" + word + "]\n"
	}
	want += "s3cret $(id) `id` \\n \"'\n $(id) \"quoted\" \\n 'x' = #y \nno newline\n"
	for _, shell := range shells(t) {
		cmd := exec.CommandContext(t.Context(), shell[0], append(shell[1:len(shell):len(shell)], file)...)
		out, err := cmd.CombinedOutput()
		if err != nil || normalUmask(string(out)) != want {
			t.Errorf("%v: %v\n%s\nwant\n%s", shell, err, out, want)
		}
	}

	logged := filepath.Join(dir, "logged")
	writeProgram(t, filepath.Join(dir, "logger"), "#!/bin/sh\nfor last; do :; done\necho \"$last\" >'"+logged+"'\n")
	// Whatever is missing ends the request with a message, not with less.
	for _, missing := range []string{secret, envFile} {
		if err := os.Rename(missing, missing+".away"); err != nil {
			t.Fatal(err)
		}
		for _, shell := range shells(t) {
			cmd := exec.CommandContext(t.Context(), shell[0], append(shell[1:len(shell):len(shell)], file)...)
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 111 || len(out) > 0 {
				t.Errorf("%v without %s: %v: %s", shell, missing, err, out)
			}
			if message, err := os.ReadFile(logged); err != nil || !bytes.HasPrefix(message, []byte("can not ")) {
				t.Errorf("%v without %s: the log gets %q (%v)", shell, missing, message, err)
			}
			if err := os.Remove(logged); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Rename(missing+".away", missing); err != nil {
			t.Fatal(err)
		}
	}
}

// normalUmask writes the first line as four digits; some shells print three.
func normalUmask(out string) string {
	first, rest, _ := strings.Cut(out, "\n")
	return fmt.Sprintf("%04s\n%s", first, rest)
}

// TestInetdScriptLog keeps messages off the connection where the log can not
// be written, and says so in the system's log.
func TestInetdScriptLog(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	program := installReporter(t, dir)
	set := mustRender(t, "inetd", load(t, awkwardCGI(t, "$x 'y'", inetdconf.OpenBSD, logPlace, program)))
	script, _ := moveLogs(t, set, dir).Get("inetd/awkward")
	file, logged := filepath.Join(dir, "script"), filepath.Join(dir, "logged")
	writeFile(t, file, string(script.Data))
	writeProgram(t, filepath.Join(dir, "logger"), "#!/bin/sh\nprintf '[%s]' \"$@\" >'"+logged+"'\n")
	log := filepath.Join(dir, "awkward.log")
	if err := os.Mkdir(log, 0o755); err != nil { // nobody can append to a folder, not even root
		t.Fatal(err)
	}
	for _, shell := range shells(t) {
		cmd := exec.CommandContext(t.Context(), shell[0], append(shell[1:len(shell):len(shell)], file)...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 111 || len(out) > 0 {
			t.Errorf("%v: %v: %s", shell, err, out)
		}
		want := "[-p][daemon.err][-t][awkward][--][can not write " + log + "]"
		if got, err := os.ReadFile(logged); err != nil || string(got) != want {
			t.Errorf("%v: the log gets %q, want %q (%v)", shell, got, want, err)
		}
	}
}
