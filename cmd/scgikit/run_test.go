package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"scgikit/internal/appfile"
	"scgikit/internal/need"
)

const blogYAML = `apiVersion: scgikit/v1
name: blog
type: server
run:
  command: [/srv/blog/serve]
  user: www
listen:
  tcp: 127.0.0.1:8040
http:
  mount: /blog/
`

const localYAML = `apiVersion: scgikit/v1
name: local
type: cgi
run:
  user: www
  group: www
  env:
    GREETING: "a b"
cgi:
  directory: /srv/cgi-bin/
listen:
  unix: /run/local.sock
  group: www
http:
  mount: /local/
options:
  inetd:
    dialect: freebsd
`

// project returns a folder with two descriptions, and keeps the settings of
// whoever runs the tests away.
func project(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", filepath.Join(dir, "home"))
	t.Setenv("XDG_CONFIG_HOME", "")
	if err := os.Mkdir(filepath.Join(dir, "apps"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"blog": blogYAML, "local": localYAML} {
		if err := os.WriteFile(filepath.Join(dir, "apps", name+".yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runOnce runs one command line in this process.
func runOnce(t *testing.T, args ...string) (code exitCode, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &talk, lookup: os.LookupEnv}
	code = e.execute(t.Context(), args)
	return code, out.String(), talk.String()
}

// everyCommand calls visit for every command, hidden ones too.
func everyCommand(visit func(*cobra.Command)) {
	e := new(env)
	root := newRootCmd(e)
	root.InitDefaultHelpCmd()
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		visit(c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// TestHelp: the help of every command begins with an example that names the
// command, and is there without settings or a project.
func TestHelp(t *testing.T) {
	everyCommand(func(c *cobra.Command) {
		words := strings.Fields(c.CommandPath())[1:]
		code, stdout, stderr := runOnce(t, append(words, "-h")...)
		if code != exitOK || stderr != "" {
			t.Errorf("%v -h: %d, %s", words, code, stderr)
		}
		if !strings.HasPrefix(stdout, "Example:\n  ") {
			t.Errorf("%v -h begins with %.40q", words, stdout)
		}
		example, _, _ := strings.Cut(strings.TrimPrefix(stdout, "Example:\n"), "\n\n")
		if len(words) > 0 && !strings.Contains(example, words[0]) {
			t.Errorf("%v -h: the example does not use it: %s", words, example)
		}
		if !c.Hidden && c.HasParent() && c.Parent() == c.Root() && c.GroupID == "" {
			t.Errorf("%s is in no group", c.Name())
		}
		checkLines(t, strings.Join(words, " ")+" -h", stdout)
	})
	for _, topic := range topics() {
		checkLines(t, "help "+topic.name, topic.text())
	}
}

// checkLines fails for lines that a terminal of 100 columns breaks, and for
// blanks that nobody sees.
func checkLines(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if width := len([]rune(strings.TrimRight(line, "\n"))); width > 100 {
			t.Errorf("%s has a line of %d characters: %s", what, width, line)
		}
		if strings.TrimRight(line, " \n")+"\n" != line {
			t.Errorf("%s has blanks at the end of %q", what, line)
		}
	}
}

// commandLine is one run of every kind: each command once with success and
// once with an error, where it can have both. They run in order.
type commandLine struct {
	code exitCode
	args []string
}

func commandLines(dir string) []commandLine {
	line := func(code exitCode, words ...string) commandLine { return commandLine{code, words} }
	return []commandLine{
		line(0, "validate"),
		line(3, "validate", "--set", "listen.mode=660"),
		line(2, "validate", "nowhere", "-f", "apps/blog.yaml"),
		line(1, "validate", "nowhere.yaml"),
		line(3, "validate", "--system"),
		line(0, "explain"),
		line(0, "explain", "run.env"),
		line(0, "explain", "bad-mode"),
		line(2, "explain", "nothing"),
		line(0, "explain", "--matrix"),
		line(2, "init"),
		line(2, "import"),
		line(1, "import", "procfile", "nowhere"),
		line(3, "init", "x", "--type", "cgi", "--stdout"),
		line(0, "init", "x", "--type", "cgi", "--script", "/x", "--stdout"),
		line(0, "fmt"),
		line(2, "fmt", "nowhere", "-f", "apps/blog.yaml"),
		line(1, "fmt", "nowhere.yaml"),
		line(0, "explain", "--resolved"),
		line(5, "explain", "--resolved", "nothing"),
		line(0, "schema"),
		line(2, "schema", "x"),
		line(0, "generate", "all", "--stdout"),
		line(0, "generate", "all"),
		line(2, "generate", "nothing"),
		line(3, "generate", "inetd"),
		line(5, "generate", "all", "--only", "nothing"),
		line(0, "check", "--no-parsers"),
		line(0, "check"),
		line(1, "check", "--no-parsers", "--set", "run.nice=5"),
		line(2, "check", "--no-parsers", "--set", "run.nice=x"),
		line(0, "diff"),
		line(1, "diff", "--set", "run.nice=5"),
		line(1, "diff", "--set", "run.nice=5", "--stat"),
		line(1, "diff", "--set", "run.nice=5", "--name-only"),
		line(2, "diff", "nothing"),
		line(0, "install", "nginx", "daemontools", "--root", dir, "--host", "debian", "--dry-run"),
		line(2, "install", "nginx", "--root", dir, "--host", "debian"),
		line(2, "install", "nginx", "--root", dir, "--host", "nothing"),
		line(2, "install", "nothing", "--root", dir),
		line(2, "install"),
		line(5, "install", "nginx", "--root", dir, "--only", "nothing"),
		line(0, "install", "nginx", "daemontools", "--root", dir, "--host", "debian", "--yes"),
		line(0, "installed", "--root", dir),
		line(2, "installed", "x"),
		line(0, "diff", "nginx", "--installed", "--root", dir, "--host", "debian"),
		line(1, "diff", "nginx", "--installed", "--root", dir, "--host", "debian", "--set", "http.max_body=1MiB"),
		line(2, "rollback", "nothing", "--root", dir),
		line(5, "rollback", "99", "--root", dir, "--yes"),
		line(0, "rollback", "--root", dir, "--dry-run"),
		line(2, "uninstall"),
		line(5, "uninstall", "xinetd", "--root", dir),
		line(0, "uninstall", "all", "--root", dir, "--yes", "--purge"),
		line(1, "doctor", "--root", dir, "--host", "debian"), // it lacks the users of the descriptions
		line(2, "doctor", "--root", dir, "--host", "nothing"),
		line(2, "doctor", "x"),
		line(0, "eject"),
		line(0, "eject", "daemontools/run"),
		line(6, "eject", "daemontools/run"),
		line(2, "eject", "nothing"),
		line(2, "dev", "--no-such-flag"),
		line(2, "request"),
		line(3, "status"),
		line(5, "status", "nothing"),
		line(5, "status", "--dir", "nowhere"),
		line(2, "status", "--lines", "-1"),
		line(2, "start"),
		line(7, "start", "blog"),
		line(5, "stop", "nothing"),
		line(2, "stop", "blog", "--timeout", "0s"),
		line(5, "restart", "--dir", "apps", "blog"),
		line(7, "reload", "apps/"),
		line(2, "signal", "nothing", "blog"),
		line(5, "signal", "HUP", "nothing"),
		line(0, "service", "print", "--platform", "systemd"),
		line(0, "service", "print", "--platform", "launchd", "--user"),
		line(2, "service", "print", "--platform", "openrc", "--user"),
		line(2, "service", "print", "--platform", "nothing"),
		line(2, "service", "install", "--dir", "relative"),
		line(2, "service", "uninstall", "--name", "../x"),
		line(2, "service", "start", "x"),
		line(2, "service", "stop", "x"),
		line(2, "service", "restart", "x"),
		line(2, "service", "status", "x"),
		line(2, "service"),
		line(5, "logs"),
		line(5, "logs", "nothing"),
		line(2, "logs", "--since", "nothing"),
		line(0, "config", "view"),
		line(0, "config", "path"),
		line(2, "config"),
		line(2, "config", "nothing"),
		line(0, "version"),
		line(2, "version", "x"),
		line(0, "completion", "bash"),
		line(2, "completion", "nothing"),
		line(0, "man", filepath.Join(dir, "man")),
		line(2, "man"),
		line(0, "help"),
		line(0, "help", "files"),
		line(2, "help", "nothing"),
		line(0, "-h"),
		line(0, "generate", "-h"),
		line(2, "nothing"),
		line(2, "--nothing"),
		line(2, "generate", "--nothing"),
	}
}

// TestJSON: with -o json stdout is exactly one JSON value, whatever happens.
func TestJSON(t *testing.T) {
	dir := project(t)
	for _, l := range commandLines(dir) {
		code, stdout, stderr := runOnce(t, append([]string{"-C", dir, "-o", "json"}, l.args...)...)
		if code != l.code {
			t.Errorf("%v ends with %d, want %d\n%s", l.args, code, l.code, stderr)
		}
		if err := oneJSON(stdout); err != nil {
			t.Errorf("%v: %v\n%s", l.args, err, stdout)
		}
		if code != exitOK && stderr == "" && code != exitFailed {
			t.Errorf("%v fails, and stderr is empty", l.args)
		}
	}
}

// TestHostileNames: what a name of a file or a word of the command line holds
// does not reach a terminal as a command.
func TestHostileNames(t *testing.T) {
	dir := project(t)
	const evil = "a\x1b[31mb\u009b0mc"
	if err := os.Mkdir(filepath.Join(dir, evil), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, evil, "scgikit.yaml"), []byte(blogYAML), 0o644); err != nil {
		t.Fatal(err)
	}
	same := filepath.Join(evil, "scgikit.yaml")
	for _, args := range [][]string{
		{"validate", evil},
		{"validate", evil + ".yaml"},
		{"validate", "-f", same, "-f", same},
		{"explain", "--resolved", "-f", same},
		{"-C", evil + evil, "validate"},
		{"--config", evil, "validate"},
		{"--" + evil},
		{evil},
		{"generate", "nginx", "daemontools", "--only", "blog", "--out-dir", evil},
		{"diff", "nginx", "--only", "blog", "--out-dir", evil, "--set", "http.max_body=1MiB"},
		{"diff", "nginx", "--only", "blog", "--out-dir", evil, "--set", "http.max_body=1MiB", "--stat"},
		{"diff", "nginx", "--only", "blog", "--out-dir", evil, "--set", "http.max_body=1MiB", "--name-only"},
		{"check", "--only", "blog", "--out-dir", evil, "--set", "http.max_body=1MiB", "--no-parsers"},
		{"eject", "nginx/location.conf.tmpl", "--templates", evil},
		{"man", filepath.Join(dir, evil)},
		{"config", "path", "--config", evil},
		{"request", "unix:" + evil, "/"},
		{"dev", "--allow-root", "--log-dir", dir, "--addr", evil},
		{"help", evil},
		{"doctor", "--root", evil, "--host", "debian", "-f", same},
	} {
		if args[0] != "-C" {
			args = append([]string{"-C", dir}, args...)
		}
		_, stdout, stderr := runOnce(t, args...)
		if strings.ContainsAny(stdout+stderr, "\x1b\u009b") {
			t.Errorf("%q writes a control character:\n%s%s", args, stdout, stderr)
		}
		if !strings.Contains(stdout+stderr, "31m") {
			t.Errorf("%q does not show the name:\n%s%s", args, stdout, stderr)
		}
	}
	t.Setenv("SCGIKIT_OUT_DIR", evil)
	if _, stdout, _ := runOnce(t, "-C", dir, "config", "view"); strings.ContainsAny(stdout, "\x1b\u009b") {
		t.Errorf("config view writes a control character:\n%s", stdout)
	}
}

// TestNoEscape: not on a terminal, no stream of any command has an escape byte.
func TestNoEscape(t *testing.T) {
	dir := project(t)
	for _, l := range commandLines(dir) {
		code, stdout, stderr := runOnce(t, append([]string{"-C", dir}, l.args...)...)
		if code != l.code {
			t.Errorf("%v ends with %d, want %d\n%s", l.args, code, l.code, stderr)
		}
		if strings.ContainsRune(stdout+stderr, 0x1b) {
			t.Errorf("%v writes an escape byte", l.args)
		}
	}
	t.Setenv("NO_COLOR", "1")
	t.Setenv("SCGIKIT_COLOR", "always")
	_, stdout, _ := runOnce(t, "-C", dir, "diff", "--set", "run.nice=5")
	if stdout == "" || strings.ContainsRune(stdout, 0x1b) {
		t.Errorf("NO_COLOR does not win over a setting: %.80q", stdout)
	}
}

// TestCommandLinesAreComplete: the table above has every command.
func TestCommandLinesAreComplete(t *testing.T) {
	everyCommand(func(c *cobra.Command) {
		words := strings.Fields(c.CommandPath())[1:]
		known := slices.ContainsFunc(commandLines(""), func(l commandLine) bool {
			return len(l.args) >= len(words) && slices.Equal(l.args[:len(words)], words)
		})
		// What parses no flags becomes scgi-run, and would take the test along.
		if !known && !c.Hidden && !c.DisableFlagParsing {
			t.Errorf("%v is not tried", words)
		}
	})
}

// TestFieldsAreNoVariables: no variable that is named like a field reaches a
// generated file. viper with AutomaticEnv would let SCGIKIT_NAME rename an app.
func TestFieldsAreNoVariables(t *testing.T) {
	dir := project(t)
	render := func() string {
		t.Helper()
		code, stdout, stderr := runOnce(t, "-C", dir, "generate", "all", "--stdout")
		if code != exitOK {
			t.Fatalf("%d: %s", code, stderr)
		}
		return stdout
	}
	want := render()
	var variables []string
	for _, f := range allFields() {
		name := strings.NewReplacer(".", "_", "[]", "", "*", "KEY", "-", "_").Replace(f.Path)
		variables = append(variables, "SCGIKIT_"+strings.ToUpper(name))
	}
	if len(variables) < len(appfile.Fields()) {
		t.Fatal("there are too few fields")
	}
	t.Run("all", func(t *testing.T) {
		for _, name := range variables {
			t.Setenv(name, "junk")
		}
		if render() != want {
			t.Error("all of them together change the output")
		}
	})
	if !t.Failed() && !need.Thorough() {
		return
	}
	for _, name := range variables {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "junk")
			if render() != want {
				t.Errorf("%s=junk changes the output", name)
			}
		})
	}
}

// TestSettingsReachNoFile: no setting changes the content of a generated file.
func TestSettingsReachNoFile(t *testing.T) {
	dir := project(t)
	values := map[string]string{
		"apps_dir": "apps", "color": "always", "log_level": "debug", "no_input": "true", "output": "text",
		"scan_interval": "1h", "targets": "nginx", "templates_dir": "elsewhere",
	}
	if err := os.Mkdir(filepath.Join(dir, "elsewhere"), 0o755); err != nil {
		t.Fatal(err)
	}
	var want string
	for _, s := range append([]setting{{}}, settingsList()...) {
		t.Run(s.Key, func(t *testing.T) {
			if s.Key != "" {
				value, ok := values[s.Key]
				if !ok {
					value = "/junk"
				}
				t.Setenv(s.variable(), value)
			}
			code, stdout, stderr := runOnce(t, "-C", dir, "generate", "all", "--stdout")
			if s.Key == "" {
				want = stdout
			}
			if code != exitOK || stdout != want || stdout == "" {
				t.Errorf("%d, %s", code, stderr)
			}
		})
	}
}

// TestSecretsStayUnread: a description refers to files of secrets, and nothing
// of their content is in any output.
func TestSecretsStayUnread(t *testing.T) {
	dir := project(t)
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	set := []string{"-C", dir, "-f", "apps/blog.yaml", "--set", "run.secrets.PASSWORD.file=" + secret, "--set", "run.env_file=" + secret}
	for _, args := range [][]string{
		{"validate"},
		{"validate", "--system"},
		{"explain", "--resolved"},
		{"generate", "daemontools", "--stdout"},
		{"generate", "daemontools", "-o", "json"},
		{"diff"},
		{"check"},
	} {
		code, stdout, stderr := runOnce(t, append(slices.Clone(set), args...)...)
		if strings.Contains(stdout+stderr, "hunter2") {
			t.Errorf("%v (%d) shows a secret", args, code)
		}
	}
	err := filepath.WalkDir(filepath.Join(dir, "deploy"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "hunter2") {
			t.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readerFunc is a function that reads.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestInterrupted: whatever an interruption stops, the code is 130.
func TestInterrupted(t *testing.T) {
	dir := project(t)
	if code, _, stderr := runOnce(t, "-C", dir, "generate", "all"); code != exitOK {
		t.Fatal(stderr)
	}
	for _, args := range [][]string{{"generate", "all", "--set", "run.nice=5"}, {"check"}} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out, talk bytes.Buffer
		e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &talk, lookup: os.LookupEnv}
		code := e.execute(ctx, append([]string{"-C", dir, "-o", "json"}, args...))
		if code != exitInterrupted || !strings.HasSuffix(talk.String(), "scgikit: interrupted\n") {
			t.Errorf("%v: %d, %s", args, code, talk.String())
		}
		if err := oneJSON(out.String()); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	// A description that never comes: a terminal at which nobody types.
	stdin, writer := io.Pipe()
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	reading := readerFunc(func(p []byte) (int, error) {
		cancel()
		return stdin.Read(p)
	})
	e := &env{stdin: reading, stdout: io.Discard, stderr: io.Discard, lookup: os.LookupEnv}
	if code := e.execute(ctx, []string{"-C", dir, "validate", "-"}); code != exitInterrupted {
		t.Errorf("while reading: %d", code)
	}
	code, stdout, stderr := runOnce(t, "-C", dir, "generate", "all")
	if code != exitOK || strings.Contains(stdout, "update") {
		t.Errorf("an interrupted run wrote something: %d\n%s%s", code, stdout, stderr)
	}
}

// oneJSON reports whether a text is exactly one JSON value.
func oneJSON(text string) error {
	dec := json.NewDecoder(strings.NewReader(text))
	var value any
	if err := dec.Decode(&value); err != nil {
		return err
	}
	if err := dec.Decode(&value); err != io.EOF {
		return errors.New("there is more than one JSON value")
	}
	return nil
}
