package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/servicedir"
)

// lookedAt is when the states of the tests are looked at.
func lookedAt() time.Time { return time.Unix(1_800_000_000, 0) }

// before is a time of Detail.
func before(seconds float64) float64 { return float64(lookedAt().Unix()) - seconds }

// details are states that only our own supervisor has, and how they are shown.
func details() map[string]servicedir.Detail {
	return map[string]servicedir.Detail{
		"running  42  2h3m  0  - | as wanted":                                                         {State: servicedir.Running, Want: "up", PID: 42, Since: before(7384), Ready: true, Starts: 1},
		"starting  42  3s  2  exit 1  has not said that it is ready":                                  {State: servicedir.Starting, Want: "up", PID: 42, Since: before(3), Starts: 3, Last: servicedir.Exit{At: before(4), Code: 1}},
		"waiting  -  12s  0  -  waits for db":                                                         {State: servicedir.Waiting, Want: "up", Since: before(12), Waits: "db"},
		"backoff  -  1s  4  killed by SEGV, core dumped  killed by SEGV, core dumped, next try in 3s": {State: servicedir.BackOff, Want: "up", Since: before(1), Starts: 5, Next: before(-3.5), Last: servicedir.Exit{At: before(1), Code: -1, Signal: "SEGV", Core: true}},
		"failing  -  3m20s  11  exit 7  exit 7, failing, next try in 12s":                             {State: servicedir.Failing, Want: "up", Since: before(200), Starts: 12, Next: before(-12), Last: servicedir.Exit{At: before(200), Code: 7}},
		"failed  -  5d4h  0  exit 100  exit 100, is left so, start tries again":                       {State: servicedir.Failed, Want: "up", Since: before(5*86400 + 4*3600), Starts: 1, Last: servicedir.Exit{At: before(9), Code: 100}},
		"backoff  -  0s  0  -  unable to start run: permission denied, next try in 0s":                {State: servicedir.BackOff, Want: "up", Since: before(-5), Starts: 1, Next: before(1), Reason: "unable to start run: permission denied"},
		"running  42  1s  0  -  reload-signal: X is no signal | as wanted":                            {State: servicedir.Running, Want: "up", PID: 42, Since: before(1), Starts: 1, Reason: "reload-signal: X is no signal"},
		"stopping  42  9s  0  -  was told to end":                                                     {State: servicedir.Stopping, Want: "down", PID: 42, Since: before(9), Starts: 1},
		"finish  43  1s  0  exit 0  exit 0, ./finish runs":                                            {State: servicedir.Finish, Want: "up", PID: 43, Since: before(1), Starts: 1, Last: servicedir.Exit{At: before(1)}},
		"down  -  1m1s  0  ended unseen  ended unseen | as wanted":                                    {State: servicedir.Down, Want: "down", Since: before(61), Starts: 1, Last: servicedir.Exit{At: before(61), Code: -1, Unknown: true}},
		"paused  42  1s  0  -  it is paused, CONT wakes it":                                           {State: servicedir.Running, Want: "up", PID: 42, Since: before(1), Starts: 1, Paused: true},
		"down  -  1s  0  exit 0  exit 0 | as wanted":                                                  {State: servicedir.Down, Want: "once", Since: before(1), Starts: 1, Last: servicedir.Exit{At: before(1)}},
		"running  42  1s  0  -  its logger is backoff":                                                {State: servicedir.Running, Want: "up", PID: 42, Since: before(1), Starts: 1, LogState: servicedir.BackOff},
		`waiting  -  1s  0  -  waits for \x1b[2Jx\u202ey`:                                             {State: servicedir.Waiting, Want: "up", Since: before(1), Waits: "\x1b[2Jx\u202ey"},
	}
}

// supervisedFolder makes a folder as a supervisor leaves it, which is held until
// the test ends.
func supervisedFolder(t *testing.T, status servicedir.Status, detail *servicedir.Detail) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, servicedir.Dir), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{servicedir.OK, servicedir.Control} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
	}
	var raw [servicedir.Size]byte
	status.Put(&raw)
	files := map[string][]byte{servicedir.Stat: raw[:]}
	if detail != nil {
		text, err := json.Marshal(detail)
		if err != nil {
			t.Fatal(err)
		}
		files[servicedir.More] = text
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestStatusRows shows each state that our supervisor may write.
func TestStatusRows(t *testing.T) {
	for want, detail := range details() {
		dir := supervisedFolder(t, servicedir.Status{Since: lookedAt()}, &detail)
		s := readState(servicePlace{name: "x", dir: dir}, lookedAt())
		got := strings.TrimRight(strings.Join(statusRow(&s)[1:], "  "), " ")
		if s.AsWanted {
			got += " | as wanted"
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if s.Supervisor != kindScgikit || s.Dir != dir {
			t.Errorf("%+v", s)
		}
	}
}

// TestStatusTable is a whole table, with lines of logs.
func TestStatusTable(t *testing.T) {
	stamp := time.Date(2026, 11, 22, 9, 37, 10, 0, time.Local)
	restarts := 3
	states := []serviceState{
		{Name: "blog", State: servicedir.Running, PID: 4711, Since: &stamp, Seconds: 75, AsWanted: true},
		{
			Name: "a\x1bb\n", State: servicedir.Failing, Restarts: &restarts, LastExit: &servicedir.Exit{Code: 1}, Why: "exit 1, failing, next try in 12s", Log: "/service/a/log/main",
			Lines: []logLine{{Time: &stamp, Line: "Traceback\t\x1b[31m"}, {Line: ""}, {Line: "no stamp \u202e"}},
		},
	}
	const want = `NAME        STATE    PID   FOR    RESTARTS  LAST EXIT  WHY
blog        running  4711  1m15s  -         -
a\x1bb\x0a  failing  -     -      3         exit 1     exit 1, failing, next try in 12s

a\x1bb\x0a, the end of /service/a/log/main:
  2026-11-22 09:37:10 Traceback \x1b[31m

  no stamp \u202e
`
	if got := statusText(states); got != want {
		t.Errorf("%s", got)
	}
}

// TestStatusHostile: what lies in a folder in place of files is not believed and
// not waited for.
func TestStatusHostile(t *testing.T) {
	status := servicedir.Status{Since: lookedAt(), PID: os.Getpid(), Want: servicedir.WantUp, Run: servicedir.RunUp}
	look := func(what string, spoil func(dir string) error, want servicedir.State) {
		t.Helper()
		dir := supervisedFolder(t, status, &servicedir.Detail{State: servicedir.Failed, Want: "up"})
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if s := readState(servicePlace{name: "x", dir: dir}, lookedAt()); s.State != want {
			t.Errorf("%s: %s, %s, want %s", what, s.State, s.Why, want)
		}
	}
	replace := func(name string, with func(path string) error) func(string) error {
		return func(dir string) error {
			path := filepath.Join(dir, name)
			if err := os.Remove(path); err != nil {
				return err
			}
			return with(path)
		}
	}
	text := func(s string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(s), 0o600) }
	}
	fifo := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	none := func(string) error { return nil }
	look("nothing spoilt", none, servicedir.Failed)
	look("no details", replace(servicedir.More, none), servicedir.Running)
	look("details that are none", replace(servicedir.More, text("{")), servicedir.Running)
	look("details that are a FIFO", replace(servicedir.More, fifo), servicedir.Running)
	look("no status", replace(servicedir.Stat, none), stateUnknown)
	look("a short status", replace(servicedir.Stat, text("x")), stateUnknown)
	look("a status that is a FIFO", replace(servicedir.Stat, fifo), stateUnknown)
	// daemontools took the folder over: what ours wrote is of before.
	var raw [servicedir.Size]byte
	status.Put(&raw)
	look("a status of year 292277026596", replace(servicedir.Stat, text(strings.Repeat("\x7e", servicedir.Size))), stateUnknown)
	look("a status of before 1970", replace(servicedir.Stat, text(strings.Repeat("\x01", servicedir.Size))), stateUnknown)
	for _, foreign := range []string{
		`{"state":"\u001b[2J","want":"up"}`, `{"state":"running","want":"x"}`, `{"state":"running","want":"up","since":1e300}`,
		`{"state":"failed","want":"up","log_state":"fine"}`, `{"state":"failed","want":"up","last":{"at":1,"signal":"\u001b"}}`,
		`{"state":"failed","want":"up","next":-1}`,
	} {
		look("details "+foreign, replace(servicedir.More, text(foreign)), servicedir.Running)
	}
	look("old details", replace(servicedir.Stat, text(string(raw[:18]))), servicedir.Running)
	look("nobody there", replace(servicedir.OK, fifo), stateUnsupervised)
	look("s6's", func(dir string) error {
		return replace(servicedir.OK, func(string) error { return os.Mkdir(filepath.Join(dir, "event"), 0o755) })(dir)
	}, stateUnknown)
}

// TestStatusForeignFile: one file that is no status hides no other service.
func TestStatusForeignFile(t *testing.T) {
	good := supervisedFolder(t, servicedir.Status{Since: lookedAt(), Want: servicedir.WantDown}, nil)
	bad := supervisedFolder(t, servicedir.Status{}, nil)
	random := rand.NewChaCha8([32]byte{1})
	for range 100 {
		raw := make([]byte, servicedir.Size)
		_, _ = random.Read(raw) // it never fails
		if err := os.WriteFile(filepath.Join(bad, servicedir.Stat), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		_, out, stderr := runOnce(t, "-o", "json", "status", bad, good)
		var shown struct {
			Services []serviceState `json:"services"`
		}
		if err := json.Unmarshal([]byte(out), &shown); err != nil || len(shown.Services) != 2 || shown.Services[1].State != servicedir.Down {
			t.Fatalf("%q: %v\n%s%s", raw, err, out, stderr)
		}
		if s := shown.Services[0]; s.State != stateUnknown || s.Since != nil {
			t.Errorf("%q: %+v", raw, s)
		}
	}
}

// TestNamesInErrors: a name can not write a line of its own to a terminal.
func TestNamesInErrors(t *testing.T) {
	dir := t.TempDir()
	const name = "new\nline \x1b[2J"
	odd := filepath.Join(dir, name)
	if err := os.MkdirAll(odd, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"start", odd},
		{"start", odd + "/none"},
		{"start", "--dir", odd, "x"},
		{"start", "--dir", odd + "/none", "x"},
		{"stop", "--dir", dir, name},
		{"signal", "HUP", odd},
		{"reload", odd},
		{"status", odd + "/none"},
		{"status", "--dir", odd},
		{"start", "--dir", dir, name + "x"},
	} {
		code, out, stderr := runOnce(t, args...)
		if code == exitOK || strings.Contains(out+stderr, "\nline") || strings.Contains(out+stderr, "\x1b") || !strings.Contains(out+stderr, `new\x0aline \x1b[2J`) {
			t.Errorf("%q: %d\n%s%s", args, code, out, stderr)
		}
	}
}

// TestPlantedControl: an order does not go into a file or through a link.
func TestPlantedControl(t *testing.T) {
	status := servicedir.Status{Since: lookedAt(), PID: os.Getpid(), Want: servicedir.WantUp, Run: servicedir.RunUp}
	dir := supervisedFolder(t, status, nil)
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	control := filepath.Join(dir, servicedir.Control)
	if err := os.Remove(control); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, control); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := runOnce(t, "stop", dir)
	if text, err := os.ReadFile(precious); code != exitRefused || string(text) != "text" || err != nil {
		t.Errorf("%d, %q, %v, %s", code, text, err, stderr)
	}
}

// TestPlans: what is sent, by the state before and by who supervises.
func TestPlans(t *testing.T) {
	sig := func(name string) planner {
		s, err := findSignal(name)
		if err != nil {
			t.Fatal(err)
		}
		return s.plan
	}
	up := func(kind supervisorKind) serviceState {
		return serviceState{Supervisor: kind, State: servicedir.Running, Want: "up", PID: 42}
	}
	paused := up(kindScgikit)
	paused.Paused = true
	backoff := serviceState{Supervisor: kindScgikit, State: servicedir.BackOff, Want: "up"}
	down := serviceState{Supervisor: kindScgikit, State: servicedir.Down, Want: "down"}
	for _, tt := range []struct {
		what    string
		plan    planner
		before  serviceState
		letters string // "" is a refusal
	}{
		{"start", planStart, down, "u"},
		{"start", planStart, backoff, "u"},
		{"start", planStart, paused, "cu"},
		{"stop", planStop, down, ""},
		{"stop", planStop, backoff, "d"},
		{"restart", planRestart, up(kindScgikit), "r"},
		{"restart", planRestart, up(kindDaemontools), "du"},
		{"restart", planRestart, backoff, "u"},
		{"restart", planRestart, down, "u"},
		{"reload", planReload, up(kindScgikit), "l"},
		{"reload", planReload, up(kindRunit), "h"},
		{"reload", planReload, backoff, ""},
		{"HUP", sig("HUP"), up(kindDaemontools), "h"},
		{"QUIT", sig("SIGQUIT"), up(kindDaemontools), ""},
		{"QUIT", sig("3"), up(kindRunit), "q"},
		{"WINCH", sig("winch"), up(kindRunit), ""},
		{"WINCH", sig("WINCH"), up(kindEncore), "w"},
		{"KILL", sig("KILL"), down, ""},
	} {
		o, err := tt.plan(&tt.before)
		if o.letters != tt.letters || (err != nil) != (tt.letters == "") {
			t.Errorf("%s of %s under %s: %q, %v, want %q", tt.what, tt.before.State, tt.before.Supervisor, o.letters, err, tt.letters)
		}
	}
}
