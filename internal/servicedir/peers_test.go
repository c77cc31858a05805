package servicedir

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// TestTextIsSvstats has the real svstat read status files: ours, and random
// ones of the lengths that there are.
func TestTextIsSvstats(t *testing.T) {
	svstat := need.Program(t, "svstat")
	random := rand.New(rand.NewPCG(1, 2))
	top := t.TempDir()
	files := make(map[string][]byte)
	var dirs []string
	for i := range 150 {
		dir := filepath.Join(top, fmt.Sprint(i))
		service(t, dir)
		data := randomStatus(random, i)
		put(t, dir, data)
		if i%3 == 0 {
			os.WriteFile(filepath.Join(dir, DownFile), nil, 0o644)
		}
		files[dir] = data
		dirs = append(dirs, dir)
	}
	before := time.Now()
	out, err := exec.CommandContext(t.Context(), svstat, dirs...).Output()
	after := time.Now()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(dirs) {
		t.Fatalf("%d lines for %d folders", len(lines), len(dirs))
	}
	for i, dir := range dirs {
		s, err := Read(dir)
		up, err2 := NormallyUp(dir)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		got, got2 := dir+": "+s.Text(before, up), dir+": "+s.Text(after, up)
		if lines[i] != got && lines[i] != got2 {
			t.Errorf("% x: %q, svstat says %q", files[dir], got, lines[i])
		}
	}
}

// randomStatus makes a status file: of this time, of any time, of any bytes.
func randomStatus(random *rand.Rand, i int) []byte {
	s := Status{
		Since:  time.Now().Add(-time.Duration(random.Int64N(int64(2e15)))),
		Paused: random.IntN(3) == 0,
		Want:   []Want{WantUp, WantDown, WantOnce, 'x'}[random.IntN(4)],
	}
	if random.IntN(3) > 0 {
		s.PID = random.IntN(1 << 31)
	}
	var b [Size]byte
	s.Put(&b)
	data := append(b[:], make([]byte, 10)...)
	switch i % 5 {
	case 3:
		for j := range 8 {
			data[j] = byte(random.Uint32())
		}
	case 4:
		for j := range data {
			data[j] = byte(random.Uint32())
		}
	}
	return data[:[]int{sizeDaemontools, sizeRunit, Size, Size, Size + 10}[random.IntN(5)]]
}

// TestStatusIsForAll has the tools of runit and s6 read what Put writes.
func TestStatusIsForAll(t *testing.T) {
	sv, svstat, s6 := need.Program(t, "sv"), need.Program(t, "svstat"), need.Program(t, "s6-svstat")
	top := t.TempDir()
	for i, c := range []struct {
		status       Status
		down         bool // the file
		runit        string
		daemontools  string
		s6, s6Fields string
	}{
		{
			Status{PID: 1, Want: WantUp, Run: RunUp},
			false,
			"run: DIR: (pid 1) Ns", "up (pid 1) N seconds", "up (pid 1) N seconds", "true true false 1 -1 NA",
		},
		{
			Status{PID: 1, Want: WantDown, Run: RunUp, Paused: true, GotTERM: true},
			true,
			"run: DIR: (pid 1) Ns, normally down, paused, want down, got TERM", "up (pid 1) N seconds, normally down, paused, want down",
			"up (pid 1) N seconds, normally down, paused, want down", "true false true 1 -1 NA",
		},
		{
			Status{PID: 1, Want: WantUp, Run: RunFinish},
			false,
			"finish: DIR: (pid 1) Ns", "up (pid 1) N seconds", "", "",
		},
		{
			Status{Want: WantDown, Exit: 7 << 8},
			false,
			"down: DIR: Ns, normally up", "down N seconds, normally up", "down (exitcode 7) N seconds, normally up", "false false false -1 7 NA",
		},
		{
			Status{Want: WantUp, Exit: 9},
			false,
			"down: DIR: Ns, normally up, want up", "down N seconds, normally up, want up", "down (signal SIGKILL) N seconds, normally up, want up", "false true false -1 -1 SIGKILL",
		},
	} {
		dir := filepath.Join(top, fmt.Sprint(i))
		service(t, dir)
		hold(t, filepath.Join(dir, Lock))
		c.status.Since = time.Now().Add(-time.Minute)
		var b [Size]byte
		c.status.Put(&b)
		put(t, dir, b[:])
		if c.down {
			os.WriteFile(filepath.Join(dir, DownFile), nil, 0o644)
		}
		for _, tool := range []struct {
			want  string
			words []string
		}{
			{c.runit, []string{sv, "status", dir}},
			{"DIR: " + c.daemontools, []string{svstat, dir}},
			{c.s6, []string{s6, dir}},
			{c.s6Fields, []string{s6, "-o", "up,wantedup,paused,pid,exitcode,signal", dir}},
		} {
			if tool.want == "" {
				continue
			}
			out, err := exec.CommandContext(t.Context(), tool.words[0], tool.words[1:]...).CombinedOutput()
			got := strings.ReplaceAll(strings.TrimSpace(string(out)), dir, "DIR")
			got = regexp.MustCompile(`\b[0-9]+( seconds|s\b)`).ReplaceAllString(got, "N$1")
			if got != tool.want {
				t.Errorf("%d: %v: %q, %v, want %q", i, tool.words, got, err, tool.want)
			}
		}
	}
}

// hold locks a file as s6-supervise does, for as long as the test lasts.
func hold(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
}
