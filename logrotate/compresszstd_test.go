package logrotate

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCompressZstdGroup: a signal for the process group of the logger does not
// reach the program, and one that ends it leaves the file for the next start.
func TestCompressZstdGroup(t *testing.T) {
	f := newCompressionFolder(t, Zstd)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f.job.zstd = f.script("echo $$ >"+fifo, "exec /bin/cat "+fifo)
	c := startCompression(f.job, nil)
	text, err := os.ReadFile(fifo) // waits for the program
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if group, err := unix.Getpgid(pid); err != nil || group != pid {
		t.Errorf("process %d is of group %d, %v", pid, group, err)
	}
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.wait(); !errors.Is(err, errCompressionStopped) {
		t.Errorf("a signal ends it: %v", err)
	}
	f.wantUntouched()
}
