package generate_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/need"
	"scgikit/internal/servertest"
)

// awkwardUnits describes a resident program with a string in every field of
// free text.
func awkwardUnits(s, word string) string {
	return fmt.Sprintf(`apiVersion: scgikit/v1
name: awkward
type: server
description: %[3]s
run:
  user: www
  command: [%[2]s, first, %[1]s, ";", ""]
  directory: %[4]s
  env: {VALUE: %[1]s, AFTER: x}
  env_file: %[4]s
  secrets: {}
listen: {unix: %[5]s, group: www}
log: {dir: %[6]s}
security: {writable: [%[4]s, /srv/after]}
http: {mount: /a}
options: {systemd: {socket_activation: true, reload: [/srv/reload, %[1]s]}}
`, yamlText(s), yamlText("/srv/"+programName(word)), yamlText("x"+shorten(s, 100)+"x"), yamlText("/srv/"+word+"x"),
		yamlText("/run/"+shorten(word, 80)+"x"), yamlText("/var/log/"+word+"x"))
}

// programName takes from a text what no path of a program may have.
func programName(s string) string {
	return strings.NewReplacer("$", "_", "'", "_", `"`, "_", `\`, "_").Replace(s)
}

// shorten keeps a text below a number of bytes.
func shorten(s string, n int) string {
	if len(s) < n {
		return s
	}
	return s[:n-1]
}

// TestSystemdAwkward puts awkward strings in every field, and lets systemd say
// what it understood: the very same, and nothing besides.
func TestSystemdAwkward(t *testing.T) {
	t.Parallel()
	units := make(map[string][]byte)
	values := append(slices.Clone(starterAwkward[:]), ";", `\x41`, "\u00a0", "😀", "]", "[Service]", "%%", "$$", "a=%i", "😀\\")
	want := 0
	for i, s := range values {
		word := strings.ReplaceAll(shorten(s, 200), "/", "_")
		for name, data := range unitsOf(mustRender(t, "systemd", load(t, awkwardUnits(s, word)))) {
			units[strings.Replace(name, "awkward", fmt.Sprintf("u%d", i), 1)] = bytes.ReplaceAll(data, []byte("awkward.socket"), fmt.Appendf(nil, "u%d.socket", i))
		}
	}
	parsed := parseUnits(t, units)
	for i, s := range values {
		word := strings.ReplaceAll(shorten(s, 200), "/", "_")
		service, socket := fmt.Sprintf("u%d.service", i), fmt.Sprintf("u%d.socket", i)
		lines := parsed[service]["Command Line"]
		if len(lines) != 2 {
			t.Fatalf("%q: commands %q", s, lines)
		}
		for j, words := range [][]string{{"/srv/" + programName(word), "first", s, ";", ""}, {"/srv/reload", s}} {
			if got := arguments(t, lines[j]); !slices.Equal(got, words) {
				t.Errorf("%q: started with\n%q, want\n%q", s, got, words)
			}
		}
		environment := parsed[service]["Environment"]
		slices.Sort(environment)
		if !slices.Equal(environment, []string{"AFTER=x", "VALUE=" + s}) {
			t.Errorf("%q: the environment is %q", s, environment)
		}
		for setting, value := range map[string]string{
			"Description": "x" + shorten(s, 100) + "x", "WorkingDirectory": "/srv/" + word + "x",
			"StandardOutputFileToAppend": "/var/log/" + word + "x/awkward.log", "ReadWritePaths": "/srv/" + word + "x /srv/after", "User": "www", "RestartSec": "1s",
		} {
			if got := parsed.one(t, service, setting); got != value {
				t.Errorf("%q: %s is %q, want %q", s, setting, got, value)
			}
		}
		// The path of an env file is a pattern of glob(3): one that this path alone matches.
		pattern := parsed.one(t, service, "EnvironmentFile")
		for name, want := range map[string]bool{"/srv/" + word + "x": true, "/srv/" + word + "y": false, "/srv/ax": word == "a", "/srv/" + word + "/x": false} {
			if got, err := filepath.Match(pattern, name); err != nil || got != want {
				t.Errorf("%q: the env file %q is %q: %v, %v", s, name, pattern, got, err)
			}
		}
		// A path of a socket is printed as a constant of C.
		got, err := strconv.Unquote(`"` + strings.ReplaceAll(parsed.one(t, socket, "ListenStream"), `\'`, "'") + `"`)
		if path := "/run/" + shorten(word, 80) + "x"; err != nil || got != path {
			t.Errorf("the socket is %q (%v), want %q", got, err, path)
		}
		if want == 0 {
			want = len(parsed[service])
		} else if got := len(parsed[service]); got != want {
			t.Errorf("%q: %d settings, want %d", s, got, want)
		}
	}
}

// TestSystemdRefusedValues names the field of what no unit can hold.
func TestSystemdRefusedValues(t *testing.T) {
	t.Parallel()
	target, _ := generate.Lookup("systemd")
	for _, s := range []string{`a\`, "a "} {
		for field, path := range map[string]string{
			"  directory: /srv/dir\n": "run.directory", "  env_file: /srv/file\n": "run.env_file", "/run/socket\n": "listen.unix", "/srv/chroot}\n": "security.chroot", "description: x\n": "description",
		} {
			text := "apiVersion: scgikit/v1\nname: blog\ntype: server\ndescription: x\nrun:\n  user: www\n  command: [/srv/x]\n  directory: /srv/dir\n  env_file: /srv/file\n" +
				"listen:\n  group: www\n  unix: /run/socket\nsecurity: {chroot: /srv/chroot}\nhttp: {mount: /a}\noptions: {systemd: {socket_activation: true}}\n"
			key, value, _ := strings.Cut(strings.TrimSuffix(field, "\n"), ": ")
			end := "\n"
			if value == "" {
				key, value = "", key
			} else {
				key += ": "
			}
			if inner, ok := strings.CutSuffix(value, "}"); ok {
				value, end = inner, "}\n"
			}
			_, problems := render(t, target, load(t, strings.Replace(text, field, key+yamlText(value+s)+end, 1)))
			if !problems.HasErrors() {
				t.Errorf("%s with %q is not refused", path, s)
			}
			namesField(t, problems, path, s)
		}
	}
}

// TestSystemdAnalyze shows all golden units to systemd-analyze.
func TestSystemdAnalyze(t *testing.T) {
	t.Parallel()
	need.Program(t, "systemd-analyze")
	inputs, err := filepath.Glob("testdata/apps/starter-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	target, _ := generate.Lookup("systemd")
	checked := 0
	for _, input := range inputs {
		data, err := os.ReadFile(input)
		if err != nil {
			t.Fatal(err)
		}
		project := load(t, string(data))
		if set, problems := render(t, target, project); !problems.HasErrors() && len(unitsOf(set)) > 0 {
			verifySet(t, input, set, project)
			checked++
		}
	}
	if checked < 4 {
		t.Errorf("only %d descriptions", checked)
	}
}

// TestSystemdExposure holds what adds most to the exposure to its limit.
func TestSystemdExposure(t *testing.T) {
	t.Parallel()
	need.Program(t, "systemd-analyze")
	const most = "  umask: \"0000\"\n  nice: -20\n  directory: /home/blog\n"
	for name, rest := range map[string]string{
		"resident port":      "type: server\nlisten: {tcp: \"127.0.0.1:8000\"}\n",
		"resident socket":    "type: server\nlisten: {unix: /srv/blog/run/s}\n",
		"activated":          "type: server\nlisten: {tcp: \"192.0.2.1:8000\"}\noptions: {systemd: {socket_activation: true}}\n",
		"per request":        "type: cgi\ncgi: {directory: /home/blog/}\nlisten: {unix: /run/blog.sock, group: www}\n",
		"per request, port":  "type: cgi\ncgi: {directory: /home/blog/}\nlisten: {tcp: \"127.0.0.1:8000\"}\n",
		"per request python": "type: wsgi\nwsgi: {module: \"a:b\"}\nlisten: {tcp: \"127.0.0.1:8000\"}\n",
	} {
		for _, level := range []string{"none", "standard", "strict"} {
			run := "run:\n  user: blog\n" + most
			if level != "strict" { // which refuses it
				run += "  env: {TMP: /tmp/blog}\n"
			}
			if level != "strict" || name != "resident port" { // which it refuses together with a home
				run += "  supplementary_groups: [video]\n"
			}
			if strings.Contains(rest, "type: server") {
				run += "  command: [/srv/x]\n"
			}
			project := load(t, "apiVersion: scgikit/v1\nname: blog\nhttp: {mount: /a}\nsecurity: {allow_public_listen: true, hardening: "+level+"}\n"+run+rest)
			verifySet(t, name+", "+level, mustRender(t, "systemd", project), project)
		}
	}
}

// TestSystemdRequest answers a request as systemd does: what its socket unit
// says is given to systemd-socket-activate, which starts for each connection
// what systemd understood of the service.
func TestSystemdRequest(t *testing.T) {
	activate := need.Program(t, "systemd-socket-activate")
	dir := publicDir(t)
	scgiRun := buildSCGIRun(t, dir)
	writeProgram(t, filepath.Join(dir, "cgi/env.sh"), cgiScript)
	addr := fmt.Sprintf("127.0.0.1:%d", servertest.Ports(t, 1))
	const files = "  secrets: {KEY: {file: /etc/key}}\n  env_file: /etc/file.env\n"
	each := []string{"--inetd", "-a"}
	for name, test := range map[string]struct {
		more, unit string
		activate   []string
	}{
		"plain":         {"  mode: per-request\n", "files@1.service", each},
		"script":        {"  mode: per-request\n" + files, "files@1.service", each},
		"bridge plain":  {"", "files.service", nil},
		"bridge script": {files, "files.service", nil},
	} {
		t.Run(name, func(t *testing.T) {
			set := mustRender(t, "systemd", load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: files
type: cgi
run:
  user: www-data
  env: {VALUE: "a b $$HOME 5%% \\ \""}
  limits: {nofile: 77, core: 1MiB, cpu_seconds: 99, memory: 2GiB, nproc: 5000}
  umask: "0037"
%scgi: {directory: %s}
listen: {tcp: %q}
http: {mount: /files/}
options: {systemd: {scgi_run: %s, wrapper_dir: %s}}
`, test.more, yamlText(filepath.Join(dir, "cgi")+"/"), addr, yamlText(scgiRun), yamlText(dir))))
			parsed := parseUnits(t, unitsOf(set))
			words := arguments(t, parsed.one(t, test.unit, "Command Line"))
			secret := "key= file="
			if script, ok := set.Get("systemd/files"); ok {
				writeProgram(t, words[0], string(script.Data))
				writeFile(t, filepath.Join(dir, "credentials/KEY"), "s $(id) 3\nmore\n")
				writeFile(t, filepath.Join(dir, "credentials/env.file"), "# comment\nFROM_FILE=\"f\" 4\n")
				secret = "key=s $(id) 3 file=\"f\" 4"
			}
			if got := parsed.one(t, "files.socket", "ListenStream"); got != addr {
				t.Errorf("listens at %q", got)
			}
			stderr := filepath.Join(t.TempDir(), "stderr")
			log, err := os.Create(stderr)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			cmd := exec.CommandContext(t.Context(), activate, slices.Concat(test.activate, []string{"-l", addr, "-E", "CREDENTIALS_DIRECTORY=" + filepath.Join(dir, "credentials")}, words)...)
			cmd.Stderr = log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait() // a signal ended it
			}()
			eventually(t, "systemd-socket-activate", func() bool {
				data, err := os.ReadFile(stderr)
				return err == nil && bytes.Contains(data, []byte("Listening on "))
			})
			body := strings.Repeat("0123456789", 30_000)
			for range 3 {
				head, got, _ := strings.Cut(askSCGI(t, "tcp", addr, "/files", "/env.sh/more/path", body), "\r\n\r\n")
				want := fmt.Sprintf("uid=%d gid=%d dir=%s\nscript=/files/env.sh info=/more/path value=a b $HOME 5%% \\ \" %s\numask=0037 nice=%d 2048 77 99 2097152\n%s",
					os.Geteuid(), os.Getegid(), filepath.Join(dir, "cgi"), secret, ownNiceness(t), body)
				if !strings.HasPrefix(head, "Status: 200 OK\r\n") || got != want {
					t.Errorf("%s\n%.400q, want\n%.400q", head, got, want)
				}
			}
			eventually(t, "the warning in the log", func() bool {
				data, err := os.ReadFile(stderr)
				return err == nil && bytes.Contains(data, []byte("a warning"))
			})
		})
	}
}

// TestSystemdSettings compares what systemd understood with the description.
func TestSystemdSettings(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/apps/starter-systemd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// What a later systemd alone knows is a complaint of this one.
	text := strings.NewReplacer("version: 254, ", "", "version: 255, ", "").Replace(string(data))
	parsed := parseUnits(t, unitsOf(mustRender(t, "systemd", load(t, text))))
	for unit, settings := range map[string]map[string]string{
		"wiki.socket": {
			"ListenStream": "/run/wiki 5%/socket", "SocketUser": "wiki", "SocketGroup": "www-data", "SocketMode": "0660", "Backlog": "64",
			"MaxConnections": "", "TriggerLimitIntervalSec": "0", "RemoveOnStop": "yes",
		},
		"wiki.service": {
			"Type": "exec", "User": "wiki", "Group": "wiki", "UMask": "0077", "Nice": "-5", "StandardOutput": "append", "WorkingDirectory": "/",
			"RootDirectory": "/srv/root", "ReadWritePaths": "+/srv/wiki/data +/srv/wi ki", "IgnoreSIGPIPE": "no", "Restart": "always", "KillMode": "mixed",
			"TimeoutStopSec": "10s",
		},
		"each.socket": {"ListenStream": "/run/each 5%/socket", "MaxConnections": "40", "TriggerLimitIntervalSec": "0", "RemoveOnStop": "yes"},
		"each@1.service": {
			"User": "wiki", "Group": "wiki", "UMask": "0077", "Nice": "-5", "StandardInput": "socket", "StandardOutput": "socket", "StandardError": "append",
			"Garbage Collection Mode": "inactive-or-failed", "IgnoreSIGPIPE": "no",
		},
		"shop-2.service": {
			"Type": "notify", "User": "shop", "WorkingDirectory": "/srv/shop", "KillMode": "mixed", "KillSignal": "SIGQUIT", "Restart": "on-failure",
			"LimitNOFILE": "1024", "LimitNPROC": "99", "LimitCORE": "1048576", "LimitAS": "1073741824", "LimitCPU": "30",
			"StandardOutputFileToAppend": "/var/log/shop/2/shop.log", "TimeoutStartSec": "30s", "TimeoutStopSec": "1min 30s",
		},
		"hello.service": {"User": "1001", "Group": "hello", "SupplementaryGroups": "video 44", "Slice": "web.slice", "StandardOutput": "journal"},
	} {
		for setting, want := range settings {
			got := strings.Join(parsed[unit][setting], " ")
			if got != want {
				t.Errorf("%s: %s is %q, want %q", unit, setting, got, want)
			}
		}
	}
}
