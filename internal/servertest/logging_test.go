package servertest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"scgikit/internal/need"
)

// noisyApp describes a program with a log that only scgi-run writes: stamps
// that people can read, compressed files, bounds.
const noisyApp = `apiVersion: scgikit/v1
name: noisy
type: server
run: {command: [./noisy], directory: %q, user: www-data}
listen: {tcp: "127.0.0.1:8041"}
http: {mount: /noisy/}
log:
  timestamp: iso
  max_size: 64KiB
  keep: 1000
  max_total: 512KiB
  max_age: 7d
  rotate_after: 1d
  compress: %s
  filter: ["-* a debug line"]
options: {daemontools: {scgi_run: %q}}
`

// packed is the end of the names of compressed files.
var packed = map[string]string{"gzip": ".gz", "zstd": ".zst"}

// noisyProgram writes numbered lines, about one file of them at a time, until
// a file named stop is there; then a last one.
const noisyProgram = `#!/bin/sh
piece=0
until [ -e stop ]; do
	awk -v piece="$piece" 'BEGIN {
		srand(piece)
		for (n = 1; n <= 500; n++)
			printf "line %07d %08d%08d%08d%08d\n", piece * 500 + n, rand() * 1e8, rand() * 1e8, rand() * 1e8, rand() * 1e8
		print "a debug line"
	}'
	piece=$((piece + 1))
	sleep 0.05
done
echo the end
exec sleep 1000
`

// TestLogging runs a generated service folder under the real svscan and
// supervise. What a program writes arrives in compressed files that together
// stay below the bound, from some line on to the last without a gap, although
// the logger is killed on the way.
func TestLogging(t *testing.T) {
	need.Root(t)
	need.Program(t, "setuidgid")
	for compression := range packed {
		t.Run(compression, func(t *testing.T) { logsCompressed(t, compression) })
	}
}

func logsCompressed(t *testing.T, compression string) {
	dir := Folder(t)
	description := fmt.Sprintf(noisyApp, dir, compression, programs.ScgiRun)
	for name, text := range map[string]string{"noisy": noisyProgram, "scgikit.yaml": description} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	programs.Run(t, dir, "generate", "daemontools")
	services, logs := filepath.Join(dir, "service"), filepath.Join(dir, "log")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	Place(t, Deployed(t, filepath.Join(dir, "deploy")), "daemontools", services)
	svscan := Svscan(t, services, logs)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(svscan.Log())
		}
	})

	service := filepath.Join(services, "noisy")
	l := &runningLog{service: service, dir: filepath.Join(service, "log", "main"), packed: packed[compression]}
	// svscan keeps the pipe between the two open, so that what a killed logger
	// did not take is still there for the next.
	for range 3 {
		l.progress(t)
		l.send(t, "-k")
	}
	oldest := l.finished(t, l.packed)[0]
	Until(t, oldest+" to be removed", func() bool {
		_, err := os.Stat(oldest)
		return os.IsNotExist(err)
	})
	if err := os.WriteFile(filepath.Join(dir, "stop"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	Until(t, "the last line in a compressed file", func() bool { return l.complete(t) })

	var text bytes.Buffer
	total := int64(0)
	for _, file := range l.finished(t, l.packed) {
		total += checkFinished(t, file)
		text.Write(unpacked(t, file))
	}
	// Files that still wait to be compressed count as they are, and older ones make
	// room for them, so there may be much less in the end.
	if total > 512<<10 || total < 64<<10 {
		t.Errorf("the finished files have %d bytes, want at most 512 KiB, and not much less", total)
	}
	checkLines(t, text.String())
	if read := programs.Run(t, dir, "logs", "--raw", "--dir", l.dir); read != text.String() {
		t.Errorf("scgikit logs shows %d bytes, the files have %d", len(read), text.Len())
	}
}

// runningLog is a log folder that a supervised logger writes to.
type runningLog struct {
	service string
	dir     string
	packed  string // end of the names of compressed files
	pid     string // of the logger when it was last looked at
}

// progress waits until another logger than the last time runs and has written
// something.
func (l *runningLog) progress(t *testing.T) {
	t.Helper()
	up := regexp.MustCompile(`: up \(pid ([0-9]+)\)`)
	Until(t, "a new logger", func() bool {
		out, err := exec.Command(need.Program(t, "svstat"), filepath.Join(l.service, "log")).Output()
		m := up.FindSubmatch(out)
		if err != nil || m == nil || string(m[1]) == l.pid {
			return false
		}
		l.pid = string(m[1])
		return true
	})
	before := l.state(t)
	Until(t, "the logger to write", func() bool { return l.state(t) != before })
}

// state tells apart what a log folder holds at two times.
func (l *runningLog) state(t *testing.T) string {
	t.Helper()
	info, err := os.Stat(filepath.Join(l.dir, "current"))
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.Size(), glob(t, filepath.Join(l.dir, "@*")))
}

// complete reports whether everything is in compressed files. A current with
// lines in it is asked to be finished.
func (l *runningLog) complete(t *testing.T) bool {
	t.Helper()
	if info, err := os.Stat(filepath.Join(l.dir, "current")); err != nil || info.Size() > 0 {
		l.send(t, "-a") // ALRM
		return false
	}
	files := l.finished(t, "")
	if len(glob(t, filepath.Join(l.dir, "@*"+l.packed))) != len(files) {
		return false
	}
	return bytes.HasSuffix(unpacked(t, files[len(files)-1]), []byte(" the end\n"))
}

// send sends the logger a signal, by the letter of svc.
func (l *runningLog) send(t *testing.T, letter string) {
	t.Helper()
	if out, err := exec.Command(need.Program(t, "svc"), letter, filepath.Join(l.service, "log")).CombinedOutput(); err != nil {
		t.Fatalf("svc %s: %v: %s", letter, err, out)
	}
}

// finished returns the finished files whose names end so, the oldest first.
func (l *runningLog) finished(t *testing.T, suffix string) []string {
	t.Helper()
	var files []string
	Until(t, "finished files", func() bool {
		files = glob(t, filepath.Join(l.dir, "@*"+suffix))
		return len(files) > 0
	})
	return files
}

// checkFinished checks name, mode and owner of a compressed file, and returns
// its size.
func checkFinished(t *testing.T, file string) int64 {
	t.Helper()
	if !regexp.MustCompile(`^@[0-9a-f]{24}\.[su]\.(gz|zst)$`).MatchString(filepath.Base(file)) {
		t.Errorf("%s is no name of a compressed file", file)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	parent, err := os.Stat(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	owner, want := info.Sys().(*syscall.Stat_t).Uid, parent.Sys().(*syscall.Stat_t).Uid
	if owner != want || owner == 0 {
		t.Errorf("%s belongs to %d, its folder to %d", file, owner, want)
	}
	return info.Size()
}

func unpacked(t *testing.T, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var z io.Reader
	if filepath.Ext(file) == ".gz" {
		z, err = gzip.NewReader(f)
	} else if d, failed := zstd.NewReader(f); failed == nil {
		defer d.Close()
		z = d
	} else {
		err = failed
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return text
}

// checkLines requires stamped lines without gap or double from some number on
// to the end, in the order of their stamps.
func checkLines(t *testing.T, text string) {
	t.Helper()
	stamped := regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?:line (\d{7}) \d{32}|the end)\n$`)
	number, stamp, ended := 0, "", false
	for line := range strings.Lines(text) {
		m := stamped.FindStringSubmatch(line)
		if m == nil || ended || m[1] < stamp {
			t.Fatalf("behind line %d of %s: %q", number, stamp, line)
		}
		stamp, ended = m[1], m[2] == ""
		if ended {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil || n == 1 || number != 0 && n != number+1 {
			t.Fatalf("behind line %d: %q", number, line)
		}
		number = n
	}
	if !ended || number == 0 {
		t.Errorf("the end is missing behind line %d", number)
	}
}
