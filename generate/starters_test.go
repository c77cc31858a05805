package generate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
	"scgikit/internal/inetdconf"
	"scgikit/internal/need"
)

// reporter is the name of a program that says how it was started. It is a
// script, because the tests start it a thousand times.
const (
	reporter       = "report"
	reporterScript = `#!/bin/sh
printf 'a%s\0' "$0" "$@"
printf 'd%s\0' "$(pwd)"
exec /usr/bin/env -0
`
)

// report is what that program says.
type report struct {
	Args []string
	Env  []string
	Dir  string
}

func parseReport(out []byte) (report, error) {
	var r report
	parts := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	for len(parts) > 0 && strings.HasPrefix(parts[0], "a") {
		r.Args, parts = append(r.Args, parts[0][1:]), parts[1:]
	}
	if len(r.Args) == 0 || len(parts) == 0 || !strings.HasPrefix(parts[0], "d") {
		return r, fmt.Errorf("no report: %q", out)
	}
	r.Dir, r.Env = parts[0][1:], parts[1:]
	return r, nil
}

// env returns a variable that the reporter had.
func (r *report) env(name string) (value string, ok bool) {
	for _, variable := range r.Env {
		if n, v, _ := strings.Cut(variable, "="); n == name {
			return v, true
		}
	}
	return "", false
}

// installReporter puts the reporter in a folder that every user can enter.
func installReporter(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, reporter)
	writeProgram(t, path, reporterScript)
	return path
}

// starterAwkward are strings that some syntax takes for more than text.
var starterAwkward = [...]string{
	"plain", "a b", " a", "a  b", "'", `"`, "''", `'"'`, `a'"b c`, `\`, `\\`, `a\`, `\n`, "$HOME", "${HOME}", "$(id)", "`id`", "%s %n", "%",
	"a;b", "a&b", "a|b", "{a,b}", "}", "*", "?", "[a]", "~", "~root", "#a", "a#", "a #b", "!x", "-n", "--", "=", "a=b", "a:b", "é", "日本", "<x>", "(x)",
	strings.Repeat("x", 4000), strings.Repeat(`'"\ $`, 800),
}

// shells returns the commands of the shells on this machine.
func shells(t *testing.T) [][]string {
	t.Helper()
	var all [][]string
	for _, words := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		if path, ok := need.Find(words[0]); ok {
			all = append(all, append([]string{path}, words[1:]...))
		}
	}
	if len(all) == 0 {
		need.Missing(t, "dash")
	}
	return all
}

// shellOf returns one of the shells, another one for the next number, and all of
// them where the long form of the tests is asked for.
func shellOf(t *testing.T, i int) [][]string {
	t.Helper()
	all := shells(t)
	if need.Thorough() {
		return all
	}
	return all[i%len(all):][:1]
}

// someUser returns the user that the tests' programs run as: another one where
// that can be, and the name of its group.
func someUser(t *testing.T) (name, group string) {
	t.Helper()
	id := "65534"
	if os.Geteuid() != 0 {
		id = strconv.Itoa(os.Geteuid())
	}
	u, err := user.LookupId(id)
	if err != nil {
		need.Missing(t, "an account for this user: "+err.Error())
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		need.Missing(t, "an account for this user: "+err.Error())
	}
	return u.Username, g.Name
}

// install writes files of a set below a folder, with their modes and, for
// root, their owners.
func install(t *testing.T, set *fileset.Set, prefix, dir string) {
	t.Helper()
	for _, f := range set.Files() {
		name, ok := strings.CutPrefix(f.Path, prefix)
		if !ok {
			continue
		}
		if err := installFile(filepath.Join(dir, name), f); err != nil {
			t.Fatal(err)
		}
	}
}

func installFile(path string, f fileset.File) error {
	var err error
	switch f.Kind {
	case fileset.Dir:
		err = os.MkdirAll(path, 0o755)
	case fileset.Symlink:
		return os.Symlink(f.Link, path)
	case fileset.Regular:
		err = os.WriteFile(path, f.Data, 0o600)
	}
	if err == nil {
		err = os.Chmod(path, f.Mode)
	}
	if err != nil || os.Geteuid() != 0 || f.User == "" {
		return err
	}
	u, err := user.Lookup(f.User)
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return os.Chown(path, uid, gid)
}

// logPlace is where the descriptions of tests log, because /tmp is refused;
// moveLogs puts the test's own folder in its place.
const logPlace = "/logs-of-the-test"

// moveLogs puts a folder in the place of logPlace in every file of a set.
func moveLogs(t *testing.T, set *fileset.Set, dir string) *fileset.Set {
	t.Helper()
	moved := new(fileset.Set)
	for _, f := range set.Files() {
		f.Data = bytes.ReplaceAll(f.Data, []byte(logPlace), []byte(dir))
		f.Link = strings.ReplaceAll(f.Link, logPlace, dir)
		if err := moved.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	return moved
}

// eventually waits until a condition holds, or ends the test.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not happen within two minutes", what)
		}
	}
}

// TestStarterFields requires that the starters say of every field what
// becomes of it, and why, where it is lost.
func TestStarterFields(t *testing.T) {
	for _, name := range allStarters() {
		target, ok := generate.Lookup(name)
		if !ok {
			t.Fatalf("no target %s", name)
		}
		if _, ok := target.Fields["*"]; ok {
			t.Errorf("%s: one entry stands for all fields, so a new one would be lost", name)
		}
		for _, field := range appfile.Fields() {
			got, ok := target.Fields.Lookup(field.Path)
			if !ok {
				t.Errorf("%s says nothing about %s", name, field.Path)
			}
			if (got.Support == generate.Warned || got.Support == generate.Refused) && got.Note == "" {
				t.Errorf("%s does not say why %s is lost", name, field.Path)
			}
		}
	}
}

// allStarters are the targets that start apps.
func allStarters() []string {
	var names []string
	for _, target := range generate.Targets() {
		if target.Kind != generate.WebServer {
			names = append(names, target.Name)
		}
	}
	return names
}

// starterSets renders every description of the golden tests, and one with
// awkward values, under starters.
func starterSets(t *testing.T, starters ...string) map[string]*fileset.Set {
	t.Helper()
	inputs, err := filepath.Glob("testdata/apps/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sets := make(map[string]*fileset.Set)
	for _, input := range inputs {
		data, err := os.ReadFile(input)
		if err != nil {
			t.Fatal(err)
		}
		project, problems := tryLoad(string(data))
		if problems.HasErrors() {
			continue
		}
		for _, name := range starters {
			target, _ := generate.Lookup(name)
			if set, problems := render(t, target, project); !problems.HasErrors() {
				sets[name+" "+filepath.Base(input)] = set
			}
		}
	}
	for i, s := range starterAwkward {
		if slices.Contains(starters, "inetd") {
			sets[fmt.Sprintf("inetd awkward %d", i)] = mustRender(t, "inetd", load(t, awkwardCGI(t, s, inetdconf.OpenBSD, "/srv/log dir", "/usr/bin/scgi-run")))
		}
		further := noStamp
		if i%2 == 1 {
			further = loggedByOurs("/srv/" + strings.ReplaceAll(s, "/", "_"))
		}
		names := []string{"daemontools", "runit", "s6", "s6-rc", "launchd"}
		if !need.Thorough() {
			names = []string{names[i%len(names)], names[(i+1)%len(names)]}
		}
		if i%4 == 0 { // what is awkward stands in a script that they have in common
			names = append(names, []string{"openrc", "rcd", "sysv"}[i/4%3])
		}
		for _, name := range names {
			if !slices.Contains(starters, name) {
				continue
			}
			text := strings.ReplaceAll(awkwardServer(t, s, "nobody", "/srv", "/srv/log", further), "options: {daemontools:", "options: {"+name+":")
			sets[fmt.Sprintf("%s awkward %d", name, i)] = mustRender(t, name, load(t, text))
		}
	}
	return sets
}

// TestScriptsAreClean lets every shell parse every generated script, and
// shellcheck find nothing in it.
func TestScriptsAreClean(t *testing.T) {
	t.Parallel()
	shellcheck := need.Program(t, "shellcheck")
	dir := t.TempDir()
	var files []string
	seen := map[string]bool{}
	sets := starterSets(t, allStarters()...)
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		for _, f := range sets[name].Files() {
			if !bytes.HasPrefix(f.Data, []byte("#!/sbin/openrc-run\n")) && !bytes.HasPrefix(f.Data, []byte("#!/bin/sh\n")) {
				continue
			}
			if f.Mode != 0o755 {
				t.Errorf("%s has mode %o", f.Path, f.Mode)
			}
			if seen[string(f.Data)] {
				continue
			}
			seen[string(f.Data)] = true
			file := filepath.Join(dir, fmt.Sprintf("%03d", len(files)))
			if err := os.WriteFile(file, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	if len(files) < 2*len(starterAwkward) {
		t.Fatalf("only %d scripts", len(files))
	}
	checked := files
	if !need.Thorough() { // scripts of one kind differ in values, mostly
		checked = nil
		for i := 0; i < len(files); i += 3 {
			checked = append(checked, files[i])
		}
	}
	// SC2209 is about values that are the names of commands, as awkward ones may be.
	if out, err := exec.CommandContext(t.Context(), shellcheck, append([]string{"-f", "gcc", "-e", "SC2209"}, checked...)...).CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, firstLines(out, 20))
	}
	for i, file := range files {
		for _, shell := range shellOf(t, i) {
			if out, err := exec.CommandContext(t.Context(), shell[0], append(shell[1:len(shell):len(shell)], "-n", file)...).CombinedOutput(); err != nil {
				t.Errorf("%v -n: %v\n%s", shell, err, out)
			}
		}
	}
}

func firstLines(text []byte, n int) string {
	lines := strings.SplitAfterN(string(text), "\n", n+1)
	return strings.Join(lines[:min(n, len(lines))], "")
}

// runReporter runs a command that ends in the reporter.
func runReporter(t *testing.T, dir string, words ...string) report {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var got report
	if err == nil {
		got, err = parseReport(out)
	}
	if err != nil {
		t.Fatalf("%q: %v: %s%s", words, err, out, stderr.Bytes())
	}
	return got
}

func requireNoFile(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there: %v", path, err)
	}
}

func requireFile(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestServicesOfTwoApps: an app whose service is one of another app's is refused
// where its name stands, even where the other one is not rendered with it.
func TestServicesOfTwoApps(t *testing.T) {
	t.Parallel()
	const rest = "type: server\nhttp: {mount: /NAME}\n"
	project := load(t, "apiVersion: scgikit/v1\nname: blog\nlisten: {tcp: \"127.0.0.1:8000\"}\nrun: {command: [/srv/x], user: www, instances: 2}\n"+strings.ReplaceAll(rest, "NAME", "a")+
		"---\napiVersion: scgikit/v1\nname: blog-1\nlisten: {tcp: \"127.0.0.1:8100\"}\nrun: {command: [/srv/x], user: www}\n"+strings.ReplaceAll(rest, "NAME", "b"))
	i := slices.IndexFunc(project.Apps, func(a *appfile.App) bool { return a.Name == "blog-1" })
	for _, name := range allStarters() {
		target, _ := generate.Lookup(name)
		if target.Fits(project.Apps[i]) != "" {
			continue
		}
		_, problems := new(generate.Renderer).Render(target, project, project.Apps[i:i+1])
		if !problems.HasErrors() {
			t.Errorf("%s has two services of one name", name)
		}
		for _, p := range problems {
			if p.Severity == diag.Error && (p.Path != "name" || p.Hint == "") {
				t.Errorf("%s: %v", name, p)
			}
		}
	}
}
