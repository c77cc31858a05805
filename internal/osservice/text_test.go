package osservice

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
)

var update = flag.Bool("update", false, "write the golden files")

// awkward is a folder that each syntax has to quote. Templates of kardianos
// would take the braces for their own.
const awkward = `/srv/a b  "c" 'd' %h $HOME ${x} \n $(id) ` + "`id`" + ` <&> #;é {{.}} \`

// cases are the services that are rendered for each platform.
func cases() map[string]Config {
	return map[string]Config{
		"default": {Name: "scgikit", Program: "/usr/local/bin/scgi-run", Dir: "/etc/scgikit/service"},
		"awkward": {Name: "my-own-apps", Program: "/opt/scgikit-1.0/bin/scgi-run", Dir: awkward},
		"user":    {Name: "scgikit", Program: "/usr/local/bin/scgi-run", Dir: "/home/www/.config/scgikit/service", User: true},
	}
}

// each calls test for every platform and case that it has.
func each(t *testing.T, platforms []Platform, test func(t *testing.T, p Platform, c Config, text string)) {
	t.Helper()
	for _, p := range platforms {
		for name, c := range cases() {
			if c.User && p != Systemd && p != Launchd {
				continue
			}
			t.Run(string(p)+"-"+name, func(t *testing.T) {
				text, err := Text(p, c)
				if err != nil {
					t.Fatal(err)
				}
				test(t, p, c, text)
			})
		}
	}
}

func TestGolden(t *testing.T) {
	var used []string
	each(t, Platforms(), func(t *testing.T, _ Platform, _ Config, text string) {
		golden := strings.TrimPrefix(t.Name(), "TestGolden/")
		used = append(used, golden)
		path := filepath.Join("testdata", golden)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || text != string(want) {
			t.Errorf("%s differs, %v; go test -update writes it:\n%s", path, err, text)
		}
	})
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains(used, entry.Name()) {
			t.Errorf("testdata/%s belongs to no case", entry.Name())
		}
	}
}

func TestOrigin(t *testing.T) {
	each(t, Platforms(), func(t *testing.T, _ Platform, _ Config, text string) {
		for changed, want := range map[string][2]bool{
			text:                                     {true, true},
			text + "#\n":                             {true, false},
			strings.Replace(text, "300", "3", 1):     {true, strings.Count(text, "300") == 0},
			strings.ReplaceAll(text, "scgikit:", ""): {false, false},
			"":                                       {false, false},
		} {
			if ours, intact := origin(changed); ours != want[0] || intact != want[1] {
				t.Errorf("%v %v, want %v, of\n%s", ours, intact, want, changed)
			}
		}
	})
}

func TestRefused(t *testing.T) {
	good := cases()["default"]
	for _, change := range []func(*Config){
		func(c *Config) { c.Name = "" },
		func(c *Config) { c.Name = "../x" },
		func(c *Config) { c.Name = "a\nExecStart=/bin/x" },
		func(c *Config) { c.Program = "scgi-run" },
		func(c *Config) { c.Program = "/a b/scgi-run" },
		func(c *Config) { c.Program = "/x/scgi-run\n" },
		func(c *Config) { c.Dir = "service" },
		func(c *Config) { c.Dir = "/a\x00b" },
	} {
		c := good
		change(&c)
		for _, p := range Platforms() {
			if text, err := Text(p, c); err == nil {
				t.Errorf("%s takes %+v:\n%s", p, c, text)
			}
		}
	}
	good.User = true
	for _, p := range []Platform{OpenRC, SysV, RCD} {
		if _, err := Text(p, good); err == nil {
			t.Errorf("%s takes a service of a user", p)
		}
	}
}

// write writes a text to a file of its own, for a program to read.
func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// silent runs a program that must write nothing at all.
func silent(t *testing.T, program string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%s: %v\n%s", program, err, out)
	}
}

// stubProgram is a text whose program is there, as verifiers ask for.
func stubProgram(c Config, text string) string {
	return strings.ReplaceAll(text, c.Program, "/bin/true")
}

// TestSystemdVerify: systemd has nothing to say about a unit, not even that it
// ignores a line, which it does not count as an error.
func TestSystemdVerify(t *testing.T) {
	analyze := need.Program(t, "systemd-analyze")
	each(t, []Platform{Systemd}, func(t *testing.T, _ Platform, c Config, text string) {
		unit := write(t, c.Name+".service", stubProgram(c, text), 0o644)
		manager := "--system"
		if c.User {
			t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
			manager = "--user"
		}
		silent(t, analyze, "verify", manager, "--man=no", unit)
	})
}

// TestShells parses the scripts with the shells that run them, and with
// shellcheck. Variables that nothing seems to use are rc's.
func TestShells(t *testing.T) {
	shellcheck, dash := need.Program(t, "shellcheck"), need.Program(t, "dash")
	each(t, []Platform{SysV, OpenRC, RCD}, func(t *testing.T, p Platform, c Config, text string) {
		script := write(t, c.Name, text, 0o755)
		silent(t, dash, "-n", script)
		silent(t, "sh", "-n", script)
		// A folder's name may look like shell that was meant to run.
		exclude := "SC2016,SC1003"
		if p != SysV {
			exclude += ",SC1091,SC2034,SC2154"
		}
		silent(t, shellcheck, "--shell=sh", "--exclude="+exclude, script)
	})
}

// TestShellWords: what the scripts hand to the supervisor is the folder, after
// each evaluation that it goes through.
func TestShellWords(t *testing.T) {
	dash := need.Program(t, "dash")
	// openrc evaluates words, rc.subr one text.
	evaluations := map[Platform]string{OpenRC: `eval printf "'%s\n'" $command_args`, RCD: `eval "printf '%s\n' $command_args"`}
	each(t, []Platform{OpenRC, RCD}, func(t *testing.T, p Platform, c Config, text string) {
		lines := regexp.MustCompile(`(?m)^(dir|command_args)=.*$`).FindAllString(text, -1)
		out, err := exec.CommandContext(t.Context(), dash, "-c", strings.Join(append(lines, evaluations[p]), "\n")).Output()
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if got := words[len(words)-2:]; !slices.Equal(got, []string{"supervise", c.Dir}) {
			t.Errorf("the words are %q", words)
		}
	})
}

// TestPlist reads the property list with Python's parser.
func TestPlist(t *testing.T) {
	python := need.Program(t, "python3")
	each(t, []Platform{Launchd}, func(t *testing.T, _ Platform, c Config, text string) {
		path := write(t, c.Name+".plist", text, 0o644)
		const read = "import plistlib, sys\nfor w in plistlib.load(open(sys.argv[1], 'rb'))['ProgramArguments']: print(w)"
		out, err := exec.CommandContext(t.Context(), python, "-X", "utf8", "-c", read, path).Output()
		if want := c.Program + "\nsupervise\n" + c.Dir + "\n"; err != nil || string(out) != want {
			t.Errorf("%v: %q, want %q", err, out, want)
		}
	})
}

// TestSystemdWords: systemd itself reads the folder that was meant.
func TestSystemdWords(t *testing.T) {
	need.Program(t, "systemd-analyze") // of the same package
	setpriv := need.Program(t, "setpriv")
	need.Root(t)
	const systemd = "/lib/systemd/systemd"
	if _, err := os.Stat(systemd); err != nil {
		need.Missing(t, "systemd-analyze")
	}
	each(t, []Platform{Systemd}, func(t *testing.T, _ Platform, c Config, text string) {
		dir, err := os.MkdirTemp("/tmp", "scgikit-unit-") //nolint:usetesting // another user has to reach it
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "x.service"), []byte(stubProgram(c, text)), 0o644); err != nil {
			t.Fatal(err)
		}
		// --test prints what it has read and starts nothing.
		cmd := exec.CommandContext(t.Context(), setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups",
			"env", "-i", "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "SYSTEMD_UNIT_PATH="+dir+":", systemd, "--test", "--user", "--unit=x.service")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		found := regexp.MustCompile(`Command Line: /bin/true supervise (.*)`).FindSubmatch(out)
		if found == nil {
			t.Fatalf("the unit was not read:\n%s", out)
		}
		// It is shown quoted for a shell, and before variables are expanded.
		word := strings.TrimSuffix(strings.TrimPrefix(string(found[1]), `"`), `"`)
		word = regexp.MustCompile(`\\(.)`).ReplaceAllString(word, "$1")
		if got := strings.ReplaceAll(word, "$$", "$"); got != c.Dir {
			t.Errorf("it reads %q, want %q", got, c.Dir)
		}
	})
}

// What a text can not say is told without our templates.
func TestTextRefused(t *testing.T) {
	for _, p := range Platforms() {
		for _, dir := range []string{"/srv/new\nline", "/srv/\x00"} {
			text, err := Text(p, Config{Name: "scgikit", Program: "/usr/local/bin/scgi-run", Dir: dir})
			if err == nil && dir != "/srv/new\nline" {
				t.Errorf("%s: %q is taken: %s", p, dir, text)
			}
			if err != nil && (strings.Contains(err.Error(), "template") || strings.Contains(err.Error(), "tmpl")) {
				t.Errorf("%s: %q: %v", p, dir, err)
			}
		}
	}
}
