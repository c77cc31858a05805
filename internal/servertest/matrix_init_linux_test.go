package servertest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"scgikit/internal/fileset"
)

// belowRun finds /run and /var/run at the beginning of a word of a script.
var belowRun = regexp.MustCompile(`(^|[ ='"])/(var/)?run/`)

// startInit installs the scripts of an init below a folder, where run is what stands
// for /run, starts every app, and stops it when the test ends. enter returns the
// words that run a program on a machine with these scripts.
func (m *matrix) startInit(t *testing.T, dir, run string, files []fileset.File, enter func(testing.TB, string) []string) {
	t.Helper()
	var scripts []string
	for i := range files {
		f := &files[i]
		f.Data = bytes.ReplaceAll(f.Data, []byte(matrixLogs), []byte(m.logs()))
		f.Data = belowRun.ReplaceAll(f.Data, []byte(run))
		path := filepath.Join(dir, f.Path)
		switch {
		case f.Place == "init.d":
			scripts = append(scripts, path)
		case f.Kind == fileset.Dir:
			path = filepath.Join(m.logs(), filepath.Base(f.Place))
		default:
			path = filepath.Join(f.Place, filepath.Base(f.Path))
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := place(f, path); err != nil {
			t.Fatal(err)
		}
		own(t, path, f.User, f.Group)
	}
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	var words []string
	if enter != nil {
		words = enter(t, filepath.Dir(scripts[0]))
		for i, script := range scripts {
			scripts[i] = "/etc/init.d/" + filepath.Base(script)
		}
	}
	t.Cleanup(func() { m.runAll(t, words, scripts, "stop") })
	m.runAll(t, words, scripts, "start")
}

// runAll runs scripts at once, because each waits for a second.
func (m *matrix) runAll(t *testing.T, enter, scripts []string, action string) {
	t.Helper()
	var all sync.WaitGroup
	for _, script := range scripts {
		all.Go(func() {
			// A file, because what is started in the background would hold a pipe open.
			out, err := os.Create(filepath.Join(m.dir, filepath.Base(script)+"."+action))
			if err != nil {
				t.Error(err)
				return
			}
			defer out.Close()
			words := slices.Concat(enter, []string{script, action})
			cmd := exec.Command(words[0], words[1:]...)
			cmd.Dir, cmd.Stdout, cmd.Stderr = "/", out, out
			cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
			if err := cmd.Run(); err != nil {
				text, _ := os.ReadFile(out.Name())
				t.Errorf("%s %s: %v: %s", script, action, err, text)
			}
		})
	}
	all.Wait()
}
