package bridge

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Others are served while one waits for a script with limits to start.
func TestReadReportWaits(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	fds, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	// It has the other end until another goroutine ends it, or by itself if none runs.
	starting := exec.Command("/bin/sleep", "5")
	report := os.NewFile(uintptr(fds[1]), "report")
	starting.ExtraFiles = []*os.File{report}
	err = starting.Start()
	report.Close()
	if err != nil {
		t.Fatal(err)
	}
	go starting.Process.Kill()
	if err := readReport(&script{name: "any"}, fds[0]); err != nil {
		t.Error(err)
	}
	if starting.Wait() == nil {
		t.Error("no other goroutine has run meanwhile")
	}
}
