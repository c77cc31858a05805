package multilogtest

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// drive plays a scenario with a program in folders of its own.
func drive(t *testing.T, p Program, s Scenario) string {
	t.Helper()
	dir, aside := place(t), place(t)
	defer os.RemoveAll(dir)
	defer os.RemoveAll(aside)
	got, err := p.Drive(s, dir, aside)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	return got
}

// ours is scgi-run, once TestMain has built it.
var ours Program

// TestMain builds the program under test.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(withProgram(m))
}

func withProgram(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "multilogtest")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "scgi-run")
	build := exec.Command("go", "build", "-o", path, "scgikit/cmd/scgi-run")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	// Users that tests become have to find it.
	if err := os.Chmod(dir, 0o755); err != nil {
		panic(err)
	}
	ours = Program{Path: path, Args: []string{"multilog"}}
	return m.Run()
}

// candidate is a program that is compared with a model.
type candidate struct {
	name string
	Program
	model Model
}

// programs lists what claims to be multilog: daemontools' own, if it is there,
// and ours with what it does otherwise on purpose.
func programs(t *testing.T) []candidate {
	t.Helper()
	list := []candidate{{"ours", ours, Model{Deviations: Ours()}}}
	if path, ok := need.Find("multilog"); ok {
		list = append(list, candidate{"multilog", Program{Path: path}, Model{}})
	}
	return list
}

// TestMultilogIsThere says that daemontools' multilog was not compared, where it
// was not.
func TestMultilogIsThere(t *testing.T) { need.Program(t, "multilog") }

// place makes a folder that others may enter, where fsync costs nothing if the
// machine has such a place. The caller removes it.
func place(t *testing.T) string {
	t.Helper()
	parent := "/dev/shm"
	if unix.Access(parent, unix.W_OK) != nil {
		parent = ""
	}
	dir, err := os.MkdirTemp(parent, "multilogtest")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
