package generate_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/need"
)

// envFileNames are names that a shell, or a generated script, has for itself.
var envFileNames = [...]string{
	"scgikit_line", "scgikit_name", "scgikit_pipe", "scgikit_run", "scgikit_uid", "scgikit_gid", "fail", "name", "tries", "pid", "FILE", "KEY",
	"_", "HOME", "OLDPWD", "OPTIND", "OPTARG", "LINENO", "RANDOM", "SECONDS", "GROUPS", "FUNCNAME", "DIRSTACK", "PIPESTATUS", "BASHPID",
	"PS1", "UID", "PPID", "IFS", "PATH", "ENV", "SHELLOPTS",
}

// envFileForms are the scripts that read an env file, each to the end: a program
// that says how it was started. The lists have the words before its own.
func envFileForms(t *testing.T, dir, envFile string) map[string]func(shell []string) (report, error) {
	t.Helper()
	const head = "apiVersion: scgikit/v1\nname: names\nhttp: {mount: /a}\n"
	// A shell has variables for itself, so what the kernel has of it counts.
	program := filepath.Join(dir, reporter)
	writeProgram(t, program, "#!/bin/sh\nprintf 'a%s\\0' \"$0\" \"$@\"\nprintf 'd\\0'\n/bin/cat /proc/$$/environ\n")
	key := filepath.Join(dir, "key")
	writeFile(t, key, "secret\n")
	run := fmt.Sprintf("run: {user: nobody, env_file: %s, secrets: {KEY: {file: %s}}", yamlText(envFile), yamlText(key))
	bin := filepath.Join(dir, "bin")
	for _, name := range []string{"envdir", "setuidgid"} {
		writeProgram(t, filepath.Join(bin, name), "#!/bin/sh\nshift\nexec \"$@\"\n")
	}
	writeProgram(t, filepath.Join(bin, "softlimit"), "#!/bin/sh\nshift 2\nexec \"$@\"\n")
	writeProgram(t, filepath.Join(bin, "unixserver"), "#!/bin/sh\nwhile [ \"$1\" != bridge ]; do shift; done\nexec "+program+" \"$@\"\n")
	writeProgram(t, filepath.Join(bin, "logger"), "#!/bin/sh\n")
	// scgi-run, which as the logger writes a file, at its end and not before.
	fake := filepath.Join(dir, "fake")
	writeProgram(t, fake, fmt.Sprintf(`#!/bin/sh
case $1 in
pgrphack) shift ;;
multilog) cat >%[1]s.new && mv %[1]s.new %[1]s.log; exit ;;
setuidgid) shift 2 ;;
softlimit)
	shift 3
	[ "$1" != -- ] || shift
	;;
esac
exec "$@"
`, fake))

	place := func(form, path, text string) string {
		target, _, _ := strings.Cut(path, "/")
		f, ok := mustRender(t, target, load(t, head+text)).Get(path)
		if !ok {
			t.Fatalf("no %s", path)
		}
		service := filepath.Join(dir, "as "+form)
		data := bytes.ReplaceAll(bytes.ReplaceAll(f.Data, []byte("/run/names.log"), []byte(filepath.Join(dir, "fifo"))), []byte(logPlace), []byte(dir))
		writeProgram(t, filepath.Join(service, "run"), string(data))
		return service
	}
	start := func(service string, shell []string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), shell[0], append(slices.Clone(shell[1:]), "./run")...)
		cmd.Dir = service
		cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "LANG=C.UTF-8", "scgikit_line=outside"}
		return cmd.CombinedOutput()
	}
	direct := func(service string) func([]string) (report, error) {
		return func(shell []string) (report, error) {
			out, err := start(service, shell)
			if err != nil {
				return report{}, fmt.Errorf("%w: %s", err, out)
			}
			return parseReport(out)
		}
	}
	byPipe := func(service string) func([]string) (report, error) {
		return func(shell []string) (report, error) {
			_, failure := start(service, shell)
			eventually(t, "the end of the logger", func() bool { _, err := os.Stat(fake + ".log"); return err == nil })
			out, err := os.ReadFile(fake + ".log")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(fake + ".log"); err != nil {
				t.Fatal(err)
			}
			if failure != nil {
				return report{}, fmt.Errorf("%w: %s", failure, out)
			}
			return parseReport(out)
		}
	}
	server := "type: server\nlisten: {tcp: \"127.0.0.1:8066\"}\n" + run + ", command: [" + yamlText(program) + "]}\n"
	cgi := "type: cgi\ncgi: {script: /srv/x}\n" + run + "}\n"
	port := "listen: {tcp: \"127.0.0.1:8066\"}\n"
	return map[string]func([]string) (report, error){
		"daemontools": direct(place("daemontools", "daemontools/names/run", server+"options: {daemontools: {bin_dir: "+yamlText(bin)+"}}\n")),
		"unixserver": direct(place("unixserver", "daemontools/names/run", cgi+"listen: {unix: "+yamlText(filepath.Join(dir, "sock"))+", group: nogroup}\n"+
			"options: {daemontools: {bin_dir: "+yamlText(bin)+", listener: unixserver, listener_dir: "+yamlText(bin)+"}}\n")),
		"inetd":   direct(place("inetd", "inetd/names", cgi+port+"options: {inetd: {dialect: openbsd, scgi_run: "+yamlText(program)+"}}\n")),
		"xinetd":  direct(place("xinetd", "xinetd/names.sh", cgi+port+"options: {xinetd: {scgi_run: "+yamlText(program)+"}}\n")),
		"launchd": byPipe(place("launchd", "launchd/names", server+"log: {dir: "+logPlace+"}\noptions: {launchd: {scgi_run: "+yamlText(fake)+"}}\n")),
		"openrc":  byPipe(place("openrc", "openrc/start/names", server+"log: {dir: "+logPlace+"}\noptions: {openrc: {scgi_run: "+yamlText(fake)+"}}\n")),
	}
}

// TestEnvFileNames has every awkward name in an env file, under every shell and in
// every script that reads one: the program gets the variable as it stands there, or
// it is not started. Nothing of the script's own reaches it, nor do values that
// stood outside of the file.
func TestEnvFileNames(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	envFile := filepath.Join(dir, "env file")
	forms := envFileForms(t, dir, envFile)
	order := slices.Sorted(maps.Keys(forms))
	for number, shell := range shells(t) {
		for j, form := range order {
			where := filepath.Base(shell[0]) + ", " + form
			started := 0
			for i, variable := range envFileNames {
				// bash has the most names for itself.
				if !strings.HasPrefix(where, "bash") && (i+j+number)%3 != 0 && !need.Thorough() {
					continue
				}
				if variable == "IFS" && form == "launchd" {
					continue // the stand-in for scgi-run is a shell, which has its own
				}
				value := fmt.Sprintf("its own %d", i)
				writeFile(t, envFile, "BEFORE=b c\n"+variable+"="+value+"\nAFTER=x=y")
				got, err := forms[form](shell)
				if err != nil {
					t.Logf("%s, %s: %v", where, variable, err)
					continue
				}
				started++
				checkEnvFile(t, got, variable, value, where)
			}
			if started < 5 {
				t.Errorf("%s: only %d names are not refused", where, started)
			}
		}
	}
}

// checkEnvFile requires the variables of the file, and none of the script's.
func checkEnvFile(t *testing.T, got report, name, value, where string) {
	t.Helper()
	want := map[string]string{"BEFORE": "b c", "AFTER": "x=y", "KEY": "secret"}
	if !strings.HasSuffix(where, "netd") && !strings.HasSuffix(where, "launchd") && !strings.HasSuffix(where, "openrc") {
		delete(want, "KEY") // by envdir, which does nothing here
	}
	want[name] = value
	for variable, value := range want {
		if is, ok := got.env(variable); !ok || is != value {
			t.Errorf("%s, with %s: %s is %q, want %q", where, name, variable, is, value)
		}
	}
	for _, variable := range got.Env {
		if own, is, _ := strings.Cut(variable, "="); strings.HasPrefix(own, "scgikit_") && own != name {
			t.Errorf("%s, with %s: %s=%q of the script reaches the program", where, name, own, is)
		}
	}
}

// TestSecretOfScripts: a secret with the name of the scripts' own variable is
// refused where it stands, by every target that writes one.
func TestSecretOfScripts(t *testing.T) {
	t.Parallel()
	for _, name := range allStarters() {
		target, _ := generate.Lookup(name)
		project := load(t, "apiVersion: scgikit/v1\nname: a\ntype: cgi\ncgi: {script: /srv/x}\nrun: {user: www, env_file: /etc/x, secrets: {scgikit_line: {file: /etc/y}}}\n"+
			"listen: {tcp: \"127.0.0.1:8066\"}\nhttp: {mount: /a}\noptions: {inetd: {dialect: openbsd}}\n")
		if target.Fits(project.Apps[0]) != "" {
			continue
		}
		_, problems := render(t, target, project)
		if !problems.HasErrors() {
			t.Errorf("%s takes it", name)
			continue
		}
		namesField(t, problems, "run.secrets.scgikit_line", "scgikit_line")
	}
}
