package generate_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/verify"
)

// parsedUnits are units as systemd understood them: for each, what "systemd
// --test" prints, one value or more behind each name.
type parsedUnits map[string]map[string][]string

// one returns the only value of a setting.
func (p parsedUnits) one(t *testing.T, unit, setting string) string {
	t.Helper()
	values := p[unit][setting]
	if len(values) != 1 {
		t.Fatalf("%s: %s is %q, not one value", unit, setting, values)
	}
	return values[0]
}

// parseUnits lets systemd read units in its test mode, in which it starts
// nothing and prints what it understood. It refuses to do so for root.
func parseUnits(t *testing.T, units map[string][]byte) parsedUnits {
	t.Helper()
	program, ok := need.Find("systemd")
	if !ok {
		program = "/lib/systemd/systemd"
		if _, err := os.Stat(program); err != nil {
			need.Missing(t, "systemd")
		}
	}
	dir := publicDir(t)
	all := "[Unit]\nDefaultDependencies=no\n"
	for name, data := range units {
		name = strings.Replace(name, "@.", "@1.", 1)
		writeFile(t, filepath.Join(dir, name), string(data))
		all += "Wants=" + name + "\n"
	}
	writeFile(t, filepath.Join(dir, "all.target"), all)
	for _, name := range []string{"basic", "shutdown", "sockets"} {
		writeFile(t, filepath.Join(dir, name+".target"), "[Unit]\nDefaultDependencies=no\n")
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	words := []string{program, "--test", "--user", "--unit=all.target"}
	if os.Geteuid() == 0 {
		if err := os.Chown(home, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		words = append([]string{need.Program(t, "setpriv"), "--reuid", "65534", "--regid", "65534", "--clear-groups"}, words...)
	}
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "SYSTEMD_UNIT_PATH=" + dir, "SYSTEMD_LOG_TARGET=console", "LC_ALL=C.UTF-8"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("systemd --test: %v: %s", err, stderr.Bytes())
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, dir) {
			t.Errorf("systemd complains: %s", line)
		}
	}
	return readDump(stdout.String())
}

// readDump reads what systemd prints in its test mode.
func readDump(text string) parsedUnits {
	parsed := make(parsedUnits)
	var unit map[string][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		trimmed := strings.TrimLeft(line, "\t")
		if name, ok := strings.CutPrefix(trimmed, "-> Unit "); ok {
			unit = make(map[string][]string)
			parsed[strings.TrimSuffix(name, ":")] = unit
			continue
		}
		if name, value, ok := strings.Cut(trimmed, ": "); ok && unit != nil {
			unit[name] = append(unit[name], value)
		}
	}
	return parsed
}

// arguments reads a command line of a dump, and expands it as systemd does when
// it starts the program: "$$" is "$".
func arguments(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	var word strings.Builder
	quoted, begun := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted, begun = !quoted, true
		case c == ' ' && !quoted:
			words, begun = append(words, word.String()), false
			word.Reset()
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	for i, w := range words {
		if strings.Contains(strings.ReplaceAll(w, "$$", ""), "$") {
			t.Errorf("systemd expands %q", w)
		}
		words[i] = strings.ReplaceAll(w, "$$", "$")
	}
	return words
}

// unitsOf returns the units of a set by their names.
func unitsOf(set *fileset.Set) map[string][]byte {
	units := make(map[string][]byte)
	for _, f := range set.Files() {
		if f.Place == "unit" {
			units[filepath.Base(f.Path)] = f.Data
		}
	}
	return units
}

// verifySet requires that systemd-analyze takes all units of a set.
func verifySet(t *testing.T, name string, set *fileset.Set, project *appfile.Project) {
	t.Helper()
	o := &verify.Options{Exposure: make(map[string]int)}
	for _, a := range project.Apps {
		o.Exposure[a.Name] = map[appfile.Hardening]int{appfile.HardenStandard: 25, appfile.HardenStrict: 10}[a.Security.Hardening]
	}
	results, err := verify.Check(t.Context(), set, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Outcome == verify.Rejected || r.Outcome == verify.NotChecked && !strings.Contains(r.Why, "options.systemd.version") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
