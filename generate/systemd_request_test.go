package generate_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
)

// awkwardRequest describes a script per request with a string in every field of
// free text; files adds those that only a script can carry.
func awkwardRequest(s, word, files, scgiRun, wrapperDir, mode string) string {
	return fmt.Sprintf(`apiVersion: scgikit/v1
name: awkward
type: cgi
description: %[1]s
run: {user: www, mode: %[9]s, env: {VALUE: %[2]s}%[3]s}
cgi: {script: %[4]s, arguments: [first, %[2]s, ";", "", last]}
listen: {unix: %[5]s, group: www}
log: {dir: %[6]s}
http: {mount: /a}
options: {systemd: {scgi_run: %[7]s, wrapper_dir: %[8]s}}
`, yamlText("x"+shorten(s, 100)+"x"), yamlText(s), files, yamlText("/srv/"+word), yamlText("/run/"+shorten(word, 80)+"x"), yamlText("/var/log/"+word+"x"),
		yamlText(scgiRun), yamlText(wrapperDir), mode)
}

// TestSystemdRequestAwkward puts awkward strings in every field of a program per
// request. systemd says what it understood: the very same, and nothing besides;
// and where a script is started, each shell starts the very same.
func TestSystemdRequestAwkward(t *testing.T) {
	t.Parallel()
	need.Program(t, "systemd-analyze") // comes with the systemd that is asked
	dir := publicDir(t)
	program := installReporter(t, dir)
	words := func(i int) (s, word string) {
		s = starterAwkward[i/2]
		return s, strings.ReplaceAll(shorten(s, 200), "/", "_")
	}
	// Every third is a bridge that keeps running.
	mode := func(i int) string {
		if i%3 == 2 {
			return "resident"
		}
		return "per-request"
	}
	units := make(map[string][]byte)
	scripts := make(map[int]fileset.File)
	for i := range 2 * len(starterAwkward) {
		s, word := words(i)
		scgiRun, files, wrapperDir := "/opt/"+programName(word), "", "/wrap/"+programName(word)+"x"
		if i%2 == 1 { // a script carries it
			scgiRun = filepath.Join(dir, fmt.Sprintf("bin %d", i), "x"+word+"x")
			writeProgram(t, scgiRun, "#!/bin/sh\nexec "+program+" \"$@\"\n")
			files = ", env_file: " + yamlText("/etc/"+word+"x") + ", secrets: {KEY: {file: " + yamlText("/etc/"+word+"x") + "}}"
		}
		set := mustRender(t, "systemd", load(t, awkwardRequest(s, word, files, scgiRun, wrapperDir, mode(i))))
		for name, data := range unitsOf(set) {
			units[strings.Replace(name, "awkward", fmt.Sprintf("u%d", i), 1)] = data
		}
		if script, ok := set.Get("systemd/awkward"); ok {
			scripts[i] = script
		}
	}
	parsed := parseUnits(t, units)
	counts := make(map[string]int)
	for i := range 2 * len(starterAwkward) {
		s, word := words(i)
		service, log, description := fmt.Sprintf("u%d@1.service", i), "StandardErrorFileToAppend", "x, one request"
		command := []string{
			"bridge", "--mount=/a", "--timeout=60s", "--max-body=10485760", "--umask=0027", "--limit=core=0", "--env=VALUE=" + s, "--env-pass=PATH,LANG,TZ",
		}
		if mode(i) == "resident" {
			service, log, description = fmt.Sprintf("u%d.service", i), "StandardOutputFileToAppend", "x"
			command = slices.Insert(command, 1, "--listen=systemd", "--max=16", "--stop-limit=8s")
		}
		rest := []string{"/srv/" + word, "first", s, ";", "", "last"}
		want := slices.Concat([]string{"/opt/" + programName(word)}, command, rest)
		if script, ok := scripts[i]; ok {
			want = []string{"/wrap/" + programName(word) + "x/awkward"}
			checkRequestScript(t, dir, script, s, slices.Concat(command, []string{"--env-pass=KEY", "--env-pass", "FROM_FILE"}, rest))
		}
		if got := arguments(t, parsed.one(t, service, "Command Line")); !slices.Equal(got, want) {
			t.Errorf("%q: started with\n%q, want\n%q", s, got, want)
		}
		for setting, value := range map[string]string{
			"Description": "x" + shorten(s, 100) + description, log: "/var/log/" + word + "x/awkward.log", "User": "www",
		} {
			if got := parsed.one(t, service, setting); got != value {
				t.Errorf("%q: %s is %q, want %q", s, setting, got, value)
			}
		}
		kind := mode(i) + fmt.Sprint(i%2)
		if counts[kind] == 0 {
			counts[kind] = len(parsed[service])
		}
		if got := len(parsed[service]); got != counts[kind] {
			t.Errorf("%q: %d settings, want %d", s, got, counts[kind])
		}
	}
	if len(scripts) != len(starterAwkward) {
		t.Errorf("%d scripts", len(scripts))
	}
}

// checkRequestScript runs the script of a request as systemd does, with what
// systemd gives it, under each shell.
func checkRequestScript(t *testing.T, dir string, script fileset.File, s string, want []string) {
	t.Helper()
	credentials := filepath.Join(dir, "credentials")
	writeFile(t, filepath.Join(credentials, "KEY"), s+"\nmore\n")
	writeFile(t, filepath.Join(credentials, "env.file"), "FROM_FILE="+s+"\n")
	file := filepath.Join(dir, "script")
	writeProgram(t, file, string(script.Data))
	if !bytes.HasPrefix(script.Data, []byte("#!/bin/sh\n")) {
		t.Error("it is no script")
	}
	for _, shell := range shells(t) {
		got := runReporter(t, dir, slices.Concat([]string{"env", "CREDENTIALS_DIRECTORY=" + credentials}, shell, []string{file})...)
		if !slices.Equal(got.Args[1:], want) {
			t.Errorf("%v: started with\n%q, want\n%q", shell, got.Args[1:], want)
		}
		for _, name := range []string{"KEY", "FROM_FILE"} {
			if is, ok := got.env(name); !ok || is != s {
				t.Errorf("%v: %s is %q, want %q", shell, name, is, s)
			}
		}
	}
}
