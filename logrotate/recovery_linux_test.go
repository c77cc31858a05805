package logrotate_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"scgikit/internal/multilogtest"
	"scgikit/logrotate"
)

// folderNames are the names that a folder may have, and what may be in place of
// a file. The last three are outside.
var folderNames = []string{
	"log/current", "log/previous", "log/processed", "log/state", "log/newstate", "log/lock",
	"log/@400000005000000000000001.s", "log/@400000005000000000000002.u", "log/@400000008000000000000003.s",
	"log/@400000005000000000000004.gz", "log/@short", "log/notes",
	"victim", "elsewhere/victim", "elsewhere/other",
}

// outside is where folderNames that are not in the folder begin.
const outside = 12

// folderOf makes a tree of any bytes, three for each name: what it is, its
// permission bits, its size. plain says that there are regular files alone, and
// none that is inside and outside.
func folderOf(choices []byte) (tree multilogtest.Tree, plain bool) {
	tree = multilogtest.Tree{
		"log": {Mode: fs.ModeDir | 0o700}, "elsewhere": {Mode: fs.ModeDir | 0o700},
		"victim":           {Mode: 0o644, Data: "victim\n"},
		"elsewhere/victim": {Mode: 0o744, Data: "another\n"},
		"elsewhere/other":  {Mode: 0o600, Data: "other\n"},
	}
	plain = true
	for i := 0; i+2 < len(choices) && i/3 < outside; i += 3 {
		name := folderNames[i/3]
		mode := fs.FileMode(choices[i+1])<<1 | 0o600 // to be read again without being root
		size := []int{0, 1, 12, 2095, 2096, 2097, 4095, 4096, 5000}[int(choices[i+2])%9]
		switch kind := choices[i] % 16; {
		case kind < 5:
			continue
		case kind < 10:
			tree[name] = &multilogtest.File{Mode: mode, Data: strings.Repeat("f", max(size-1, 0)) + "\n"[:min(size, 1)]}
		case kind < 12: // a second name of an earlier one, or of a finished file
			other := folderNames[int(choices[i+2])%outside]
			if file := tree[other]; file != nil && file.Mode.IsRegular() && name != "log/lock" && other != "log/lock" {
				tree[name] = file
			}
		case kind == 12:
			tree[name] = tree[folderNames[outside+int(choices[i+2])%3]]
			plain = false
		case kind == 13:
			tree[name] = &multilogtest.File{Mode: fs.ModeSymlink | 0o777, Data: "../" + folderNames[outside+int(choices[i+2])%3]}
			plain = false
		case kind == 14:
			tree[name] = &multilogtest.File{Mode: fs.ModeNamedPipe | mode}
			plain = false
		default:
			tree[name] = &multilogtest.File{Mode: fs.ModeDir | mode | 0o100}
			plain = false
		}
	}
	return tree, plain
}

// FuzzRecovery starts on folders in any state. Where there are regular files
// alone, whatever their modes, sizes and links, the folder is at the end as the
// model of multilog says; where links, FIFOs and folders are in the way, it
// starts or says why not, and nothing outside is touched.
func FuzzRecovery(f *testing.F) {
	f.Add([]byte{}, byte(0))
	f.Add([]byte{9, 0x72, 7, 9, 0xf2, 1, 9, 0xf2, 2}, byte(1)) // all complete
	f.Add([]byte{9, 0x12, 7, 9, 0x12, 1, 9, 0x12, 2, 9, 0, 0}, byte(0))
	f.Add([]byte{9, 0xf2, 8, 9, 0xf2, 1}, byte(1)) // full, with a previous
	f.Add([]byte{10, 0, 6, 10, 0, 7, 10, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 9, 0, 1, 9, 0, 1}, byte(0))
	f.Add([]byte{12, 0, 0, 12, 0, 1, 12, 0, 2, 12, 0, 0, 12, 0, 1, 12, 0, 2}, byte(0))
	f.Add([]byte{13, 0, 0, 13, 0, 1, 13, 0, 2, 13, 0, 0, 13, 0, 1, 13, 0, 2}, byte(1))
	f.Add([]byte{14, 0, 0, 14, 0, 0, 14, 0, 0, 14, 0, 0, 14, 0, 0, 14, 0, 0}, byte(1))
	for name := range byte(6) {
		for _, kind := range []byte{11, 12, 13, 14, 15} {
			choices := make([]byte, 3*outside)
			choices[3*6] = 9
			copy(choices[3*name:], []byte{kind, 0xf2, 6})
			f.Add(choices, name)
		}
	}
	f.Fuzz(func(t *testing.T, choices []byte, script byte) {
		tree, plain := folderOf(choices)
		root := t.TempDir()
		if err := tree.Plant(root); err != nil {
			t.Fatal(err)
		}
		words := []string{"n4 s4096 ./log", "n2 s4096 ./log", "t n100 ./log"}[script%3]
		startErr := runOnce(t, root, strings.Fields(words))
		after, err := multilogtest.Look(root)
		if err != nil {
			t.Fatal(err)
		}
		before, got := tree.Describe(tree), after.Describe(tree)
		if plain {
			want := multilogtest.Model{Deviations: multilogtest.Ours()}.Predict(multilogtest.Scenario{
				Tree: tree, Steps: []multilogtest.Step{multilogtest.Run(words), multilogtest.Feed("x\n"), multilogtest.End()},
			})
			if _, tree, _ := strings.Cut(want, "tree\n"); startErr != nil || got != tree {
				t.Errorf("%v\nbefore\n%s\ngot\n%s\nwant\n%s", startErr, before, got, tree)
			}
			return
		}
		checkOutside(t, tree, after)
	})
}

// runOnce runs a script in a folder on one line, to the clean end or to the first
// trouble.
func runOnce(t *testing.T, root string, words []string) error {
	t.Helper()
	script, err := logrotate.ParseScript(words)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	if _, err := unix.Write(pipe[1], []byte("x\n")); err != nil {
		t.Fatal(err)
	}
	unix.Close(pipe[1])
	wake, trouble := make(chan struct{}, 1), make(chan struct{}, 100)
	l, err := logrotate.Open(logrotate.Config{
		Script: script, Input: pipe[0], Dir: dir,
		Wake: func() { wake <- struct{}{} },
		Warn: func(string) { trouble <- struct{}{} },
	})
	if err != nil {
		return err
	}
	defer l.Close()
	for {
		wait := l.Step()
		switch {
		case wait.Done:
			return l.Err()
		case wait.Background:
			select {
			case <-wake:
			case <-trouble:
				l.Stop()
			}
		case !wait.Until.IsZero():
			return errPause
		}
	}
}

// errPause says that there was trouble that would be tried again for ever.
var errPause = errors.New("pausing")

// checkOutside compares what is outside of the folder.
func checkOutside(t *testing.T, before, after multilogtest.Tree) {
	t.Helper()
	for _, name := range folderNames[outside:] {
		was, is := before[name], after[name]
		if is == nil || is.Data != was.Data || is.Mode != was.Mode {
			t.Errorf("%s was %v, and is %v", name, was, is)
		}
	}
	for name := range after {
		if before[name] == nil && filepath.Dir(name) != "log" {
			t.Errorf("%s is new", name)
		}
	}
}
