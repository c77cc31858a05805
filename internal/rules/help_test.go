package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// helpProject is the description that the examples of help are run on.
const helpProject = `apiVersion: scgikit/v1
name: blog
type: server
run: {command: [./blog.py], directory: "${vars.blog}", user: www}
listen: {tcp: 127.0.0.1:8040}
http: {mount: /blog/}
targets: [nginx, lighttpd, apache, daemontools]
vars: {blog: /data/blog}
`

// endless are commands that serve, ask a server, follow a log, tell a service
// something, look at the machine itself, or open something on a screen. Of their examples only the flags are checked: "-h"
// behind them shows help once all flags have been understood. TestExamplesRun
// runs dev.
var endless = regexp.MustCompile(`^scgikit (dev|doctor|logs|reload|request|restart|service|signal|start|status|stop|supervise) `)

// takesAway are commands about what is installed in the folder package.
var takesAway = regexp.MustCompile(`^scgikit (installed|rollback|uninstall) `)

// TestHelpExamples runs every example that a command's help begins with.
func TestHelpExamples(t *testing.T) {
	for _, program := range []string{"bash", "nginx", "lighttpd"} {
		need.Program(t, program)
	}
	bin := programs(t)
	scgikit := filepath.Join(bin, "scgikit")
	for _, command := range commandsOf(t, scgikit) {
		examples := examplesOf(t, scgikit, command)
		if len(examples) == 0 {
			t.Errorf("scgikit %s -h begins with no example", command)
		}
		for _, example := range examples {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "apps"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "apps", "blog.yaml"), []byte(helpProject), 0o644); err != nil {
				t.Fatal(err)
			}
			runHelp(t, bin, dir, "scgikit -q generate && mkdir package")
			if takesAway.MatchString(example + " ") {
				runHelp(t, bin, dir, "scgikit -q install nginx --yes --root package --host debian")
			}
			line, _, _ := strings.Cut(strings.ReplaceAll(example, "/tmp/", dir+"/"), " && man -l")
			if endless.MatchString(line + " ") {
				line += " -h"
			}
			runHelp(t, bin, dir, line)
		}
	}
}

// runHelp runs one line in a folder, with the programs in front of PATH.
func runHelp(t *testing.T, bin, dir, line string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-c", line)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

// commandsOf returns the commands on the help screen.
func commandsOf(t *testing.T, scgikit string) []string {
	t.Helper()
	out, err := command(t, root, scgikit, "-h")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	screen, _, _ := strings.Cut(out, "\nFlags of every command:")
	_, screen, _ = strings.Cut(screen, "\nUsage:")
	var commands []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+) +[a-z]`).FindAllStringSubmatch(screen, -1) {
		commands = append(commands, m[1])
	}
	if len(commands) < 5 {
		t.Fatalf("only %v on the help screen", commands)
	}
	return commands
}

// examplesOf returns the lines below "Example:".
func examplesOf(t *testing.T, scgikit, name string) []string {
	t.Helper()
	out, err := command(t, root, scgikit, name, "-h")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, ok := strings.CutPrefix(out, "Example:\n")
	if !ok {
		return nil
	}
	text, _, _ = strings.Cut(text, "\n\n")
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// TestDocumentedCommands asks that every command which the documentation shows
// exists.
func TestDocumentedCommands(t *testing.T) {
	commands := commandsOf(t, filepath.Join(programs(t), "scgikit"))
	// Hidden from the help screen, because machines start them, not people.
	commands = append(commands, "bridge", "wsgi", "multilog", "tai64n", "tai64nlocal", "zstd-filter")
	shown := regexp.MustCompile("(?m)(?:`|^    )(?:[./]*bin/)?scgikit (?:-C \\S+ )?([a-z][a-z0-9-]*)")
	for _, page := range repository(t, func(p string) bool { return strings.HasSuffix(p, ".md") && !strings.Contains(p, "testdata/") }) {
		for _, m := range shown.FindAllStringSubmatch(read(t, page), -1) {
			if !slices.Contains(commands, m[1]) {
				t.Errorf("%s shows scgikit %s, which does not exist", page, m[1])
			}
		}
	}
}
