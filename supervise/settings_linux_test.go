package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// settingsOf reads the settings of a folder with files, by their names.
// settingsLack returns why the settings of a folder are not known.
func settingsLack(t *testing.T, files map[string]string) error {
	t.Helper()
	_, _, err := settingsIn(t, Runit, files)
	return err
}

// An environment that is not whole starts nothing.
func TestSettingsLack(t *testing.T) {
	many := map[string]string{}
	for i := range maxEnv/maxSmallFile + 1 {
		many[fmt.Sprint("env/", i)] = strings.Repeat("x", maxSmallFile)
	}
	for want, files := range map[string]map[string]string{
		"unable to read env/X: larger than 65536 bytes":                   {"env/X": strings.Repeat("x", maxSmallFile+1)},
		"unable to read env/X: not a regular file":                        {"env/X/Y": ""},
		"unable to read env/8: all of them are larger than 1048576 bytes": many,
	} {
		if err := settingsLack(t, files); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func settingsOf(t *testing.T, d Dialect, files map[string]string) (Settings, []string) {
	t.Helper()
	settings, problems, err := settingsIn(t, d, files)
	if err != nil {
		t.Fatal(err)
	}
	return settings, problems
}

func settingsIn(t *testing.T, d Dialect, files map[string]string) (Settings, []string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	return readSettings(fd, d)
}

func TestSettings(t *testing.T) {
	s, problems := settingsOf(t, Daemontools, map[string]string{
		"dialect": "s6\n", "down-signal": "sigquit\n", "timeout-kill": "1500\n", "timeout-finish": "0", "notification-fd": " 3 ",
		"restart":       "# why\n\npolicy on-failure\ndelay 2s\nmax-delay 1m30s\nburst 7\nwindow 2m\n",
		"after":         "database\n# of the cache\n\tcache\n",
		"start-timeout": "250ms", "reload-signal": "10",
		"env/PATH": "/bin  \t\nrest", "env/EMPTY": "", "env/BLANK": "\n", "env/LINES": "a\x00b", "env/.hidden": "x", "env/A=B": "x",
	})
	if len(problems) > 0 {
		t.Error(problems)
	}
	want := Settings{
		Dialect: S6, OwnDialect: true, StopSignal: unix.SIGQUIT, KillAfter: 1500 * time.Millisecond, FinishTimeout: 0, Notify: 3,
		Policy: Policy{OnFailure, 2 * time.Second, 90 * time.Second, 7, 2 * time.Minute}, StartTimeout: 250 * time.Millisecond, ReloadSignal: unix.SIGUSR1,
	}
	if !slices.Equal(s.After, []string{"database", "cache"}) || !slices.Equal(s.Env, []string{"BLANK=", "EMPTY", "LINES=a\nb", "PATH=/bin"}) {
		t.Errorf("after %q, env %q", s.After, s.Env)
	}
	want.After, want.Env = s.After, s.Env
	if got, whole := textOf(s), textOf(want); got != whole {
		t.Errorf("%s\nwant %s", got, whole)
	}
}

func textOf(s Settings) string {
	return strings.Join([]string{
		string('0' + rune(s.Dialect)), unix.SignalName(s.StopSignal), unix.SignalName(s.ReloadSignal), s.KillAfter.String(), s.FinishTimeout.String(),
		s.StartTimeout.String(), itoa(s.Notify), itoa(int(s.Policy.When)), s.Policy.Delay.String(), s.Policy.MaxDelay.String(), itoa(s.Policy.Burst), s.Policy.Window.String(),
	}, " ")
}

func TestSettingsDefaults(t *testing.T) {
	for d, finish := range map[Dialect]time.Duration{Daemontools: 0, Runit: 0, S6: 5 * time.Second} {
		s, problems := settingsOf(t, d, nil)
		if len(problems) > 0 || s.Dialect != d || s.OwnDialect || s.FinishTimeout != finish || s.Policy != classic() || s.Notify != -1 || s.KillAfter != 0 {
			t.Errorf("%d: %+v %q", d, s, problems)
		}
	}
	s, problems := settingsOf(t, Runit, map[string]string{"restart": "", "env/x": ""})
	if want := (Policy{Always, time.Second, time.Minute, 5, time.Minute}); len(problems) > 0 || s.Policy != want {
		t.Errorf("an empty file restart: %+v %q", s.Policy, problems)
	}
	s, _ = settingsOf(t, Runit, map[string]string{"restart": "delay 2m"})
	if s.Policy.MaxDelay != 2*time.Minute {
		t.Errorf("the longest delay is shorter than the first: %+v", s.Policy)
	}
}

// A bad file is a problem with its name, and what it would have said is as
// without it.
func TestSettingsBad(t *testing.T) {
	for _, c := range []struct{ name, text, problem string }{
		{"dialect", "systemd", `dialect: "systemd" is no dialect; write daemontools, runit or s6`},
		{"dialect", "", `dialect: "" is no dialect; write daemontools, runit or s6`},
		{"down-signal", "TERMINATE", `down-signal: "TERMINATE" is no signal; write a name such as TERM, or a number`},
		{"down-signal", "0", `down-signal: "0" is no signal; write a name such as TERM, or a number`},
		{"down-signal", "65", `down-signal: "65" is no signal; write a name such as TERM, or a number`},
		{"reload-signal", "-1", `reload-signal: "-1" is no signal; write a name such as TERM, or a number`},
		{"timeout-kill", "5s", `timeout-kill: "5s" is not a number of milliseconds`},
		{"timeout-kill", "-1", `timeout-kill: "-1" is not a number of milliseconds`},
		{"timeout-finish", "99999999999", `timeout-finish: "99999999999" is not a number of milliseconds`},
		{"start-timeout", "10", `start-timeout: "10" is not a duration such as 10s`},
		{"start-timeout", "-1s", `start-timeout: "-1s" is not a duration such as 10s`},
		{"notification-fd", "2", `notification-fd: "2" is not a descriptor from 3 to 255`},
		{"notification-fd", "256", `notification-fd: "256" is not a descriptor from 3 to 255`},
		{"notification-fd", "x", `notification-fd: "x" is not a descriptor from 3 to 255`},
		{"restart", "on-failure", `restart: line "on-failure" is not a word and its value`},
		{"restart", "policy sometimes", `restart: policy "sometimes" is none of always, on-failure and never`},
		{"restart", "delay 2", `restart: "2" is not a duration such as 10s`},
		{"restart", "burst -1", `restart: burst "-1" is not a number`},
		{"restart", "retries 3", `restart: unknown word "retries"; there are policy, delay, max-delay, burst and window`},
		{"after", "../other", `after: "../other" is not the name of a service in the scan folder`},
		{"after", ".", `after: "." is not the name of a service in the scan folder`},
		{"restart", strings.Repeat("#\n", maxSmallFile), "restart: larger than 65536 bytes"},
		{"env", "x", "env: not a directory"},
		{"down-signal/x", "", "down-signal: not a regular file"},
	} {
		s, problems := settingsOf(t, Runit, map[string]string{c.name: c.text})
		if len(problems) != 1 || problems[0] != c.problem {
			t.Errorf("%s: %q, want %q", c.name, problems, c.problem)
		}
		if got, want := textOf(s), textOf(defaults(Runit)); got != want || len(s.After) > 0 || len(s.Env) > 0 || s.OwnDialect {
			t.Errorf("%s %.20q: %+v", c.name, c.text, s)
		}
	}
}

// A FIFO or a link to nowhere in the place of a file keeps nobody waiting.
func TestSettingsOddFiles(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "restart"), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Symlink("nowhere", filepath.Join(dir, "after"))
	os.Symlink("dialect", filepath.Join(dir, "dialect"))
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	_, problems, _ := readSettings(fd, Daemontools)
	if want := []string{"dialect: too many levels of symbolic links", "restart: not a regular file"}; !slices.Equal(problems, want) {
		t.Errorf("%q", problems)
	}
}

func TestWithEnv(t *testing.T) {
	base := []string{"A=1", "B=2", "AB=3"}
	got := withEnv(base, []string{"A=9", "B", "C="})
	if !slices.Equal(got, []string{"AB=3", "A=9", "C="}) || !slices.Equal(base, []string{"A=1", "B=2", "AB=3"}) {
		t.Errorf("%q, %q", got, base)
	}
}

// What is written over a longer text leaves nothing of it.
func TestFolderWrite(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	f := noFolder()
	f.super = fd
	for _, c := range []struct{ before, data, want string }{
		{"", "{}\n", "{}\n"},
		{"{123456}\n", "{}\n", "{}      \n"},
		{"{}\n", "{}\n", "{}\n"},
		{"{}\n", "{12}\n", "{12}\n"},
		{"12345", "\x00\x01", "\x00\x01"},
		{strings.Repeat("x", maxSmallFile+1), "{}\n", "{}\n"},
	} {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte(c.before), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := f.write("file", []byte(c.data)); err != nil {
			t.Error(err)
		}
		if got, _ := os.ReadFile(path); string(got) != c.want {
			t.Errorf("%q over %.20q: %q", c.data, c.before, got)
		}
	}
}
