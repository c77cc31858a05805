// Package selftest builds a test binary a second time, without the race detector.
// A test binary that is also the program under test is started hundreds of times,
// and with the race detector a start takes four times as long.
package selftest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// program is the binary of this process, built again.
type program struct {
	once sync.Once
	pkg  string // folder of the package: what go test makes the current one
	dir  string // where it is built
	path string
	err  error
}

var self program

// Tests are the tests of a package, for its TestMain.
type Tests struct {
	M *testing.M
	// Name, where it is not empty, is the name under which the program is found at
	// the front of PATH.
	Name string
}

// Run runs the tests, and removes what Program has built. It returns the exit code.
func (tests Tests) Run() int {
	if err := self.prepare(tests.Name); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(self.dir) //nolint:errcheck // a folder left in /tmp harms nobody
	return tests.M.Run()
}

func (p *program) prepare(name string) (err error) {
	if p.pkg, err = os.Getwd(); err != nil {
		return err
	}
	if p.dir, err = os.MkdirTemp("", "scgikit-self-"); err != nil {
		return err
	}
	if err = os.Chmod(p.dir, 0o755); err != nil { // other users start it, too
		return err
	}
	if name == "" {
		return nil
	}
	p.once.Do(p.build)
	if p.err != nil {
		return p.err
	}
	bin := filepath.Join(p.dir, "bin")
	if err = os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	if err = os.Symlink(p.path, filepath.Join(bin, name)); err != nil {
		return err
	}
	return os.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// Program returns the path of the test binary without the race detector, which is
// built when it is first asked for. It is the one that runs where that has none, or
// where there is no go to build with. The package's TestMain must use Tests.
func Program(t testing.TB) string {
	t.Helper()
	self.once.Do(self.build)
	if self.err != nil {
		t.Fatal(self.err)
	}
	return self.path
}

func (p *program) build() {
	if p.path, p.err = os.Executable(); p.err != nil || !race {
		return
	}
	if _, err := exec.LookPath("go"); err != nil {
		return
	}
	if p.dir == "" {
		p.err = fmt.Errorf("the TestMain of %s does not use selftest.Tests", p.path)
		return
	}
	path := filepath.Join(p.dir, filepath.Base(p.path))
	cmd := exec.Command("go", "test", "-c", "-buildvcs=false", "-o", path, ".") //nolint:noctx // it ends
	cmd.Dir = p.pkg
	if out, err := cmd.CombinedOutput(); err != nil {
		p.err = fmt.Errorf("go test -c in %s: %w\n%s", p.pkg, err, out)
		return
	}
	p.path = path
}
