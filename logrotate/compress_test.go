package logrotate

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

const finishedLog = "@400000006b02b9161234abcd.s"

// compressionFolder is a folder with one finished file.
type compressionFolder struct {
	*testing.T
	path    string
	content []byte
	job     compressionJob
}

func newCompressionFolder(t *testing.T, kind Compression) *compressionFolder {
	t.Helper()
	f := &compressionFolder{T: t, path: t.TempDir(), content: compressionContent()}
	if err := os.WriteFile(filepath.Join(f.path, finishedLog), f.content, 0o744); err != nil {
		t.Fatal(err)
	}
	f.open(kind)
	return f
}

// open makes the job.
func (f *compressionFolder) open(kind Compression) {
	f.Helper()
	dir, err := unix.Open(f.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { unix.Close(dir) })
	f.job = compressionJob{dir: dir, name: finishedLog, kind: kind, names: new(sync.Mutex)}
}

// compressionContent is a log of several copyBytes that does not compress to
// almost nothing.
func compressionContent() []byte {
	var b bytes.Buffer
	for i := range 6000 {
		fmt.Fprintf(&b, "line %d %x\n", i, uint32(i)*2654435761)
	}
	return b.Bytes()
}

// names lists the folder.
func (f *compressionFolder) names() []string {
	f.Helper()
	entries, err := os.ReadDir(f.path)
	if err != nil {
		f.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// want fails unless the folder holds exactly these names.
func (f *compressionFolder) want(names ...string) {
	f.Helper()
	if got := f.names(); !slices.Equal(got, names) {
		f.Errorf("the folder holds %q, want %q", got, names)
	}
}

// wantUntouched fails unless the file is what it was, and alone.
func (f *compressionFolder) wantUntouched() {
	f.Helper()
	f.want(finishedLog)
	if got, err := os.ReadFile(filepath.Join(f.path, finishedLog)); err != nil || !bytes.Equal(got, f.content) {
		f.Errorf("the file changed (%v)", err)
	}
}

func (f *compressionFolder) script(lines ...string) string {
	f.Helper()
	path := filepath.Join(f.TempDir(), zstdProgram)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o755); err != nil {
		f.Fatal(err)
	}
	return path
}

func gunzipped(t *testing.T, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestCompressGzip(t *testing.T) {
	f := newCompressionFolder(t, Gzip)
	woken := make(chan struct{})
	c := startCompression(f.job, func() { close(woken) })
	<-woken
	if done, err := c.result(); !done || err != nil {
		t.Fatalf("woken, but %v, %v", done, err)
	}
	f.want(finishedLog + ".gz")
	path := filepath.Join(f.path, finishedLog+".gz")
	if got := gunzipped(t, path); !bytes.Equal(got, f.content) {
		t.Errorf("%d bytes came back of %d, or others", len(got), len(f.content))
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o744 {
		t.Errorf("the mode is %v (%v)", info.Mode(), err)
	}
	if out, err := exec.CommandContext(t.Context(), need.Program(t, "gzip"), "-t", path).CombinedOutput(); err != nil {
		t.Errorf("gzip -t: %v: %s", err, out)
	}
}

func TestCompressZstd(t *testing.T) {
	real := need.Program(t, "zstd")
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), need.Program(t, "go"), "build", "-buildvcs=false", "-o", bin+"/", "scgikit/cmd/scgikit")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("PATH", ".:"+bin)
	program, err := findZstd()
	if err != nil || program != filepath.Join(bin, zstdProgram) {
		t.Fatalf("found %q, %v", program, err)
	}
	f := newCompressionFolder(t, Zstd)
	f.job.zstd = program
	if err := startCompression(f.job, nil).wait(); err != nil {
		t.Fatal(err)
	}
	f.want(finishedLog + ".zst")
	got, err := exec.CommandContext(t.Context(), real, "-dc", filepath.Join(f.path, finishedLog+".zst")).Output()
	if err != nil || !bytes.Equal(got, f.content) {
		t.Errorf("zstd -dc: %v, %d bytes of %d", err, len(got), len(f.content))
	}
}

func TestFindZstdNowhere(t *testing.T) {
	t.Setenv("PATH", ".:"+t.TempDir())
	if path, err := findZstd(); !errors.Is(err, errNoZstd) {
		t.Errorf("found %q, %v", path, err)
	}
}

// TestCompressZstdPrograms: a program that is not what it should be costs
// nothing but the compression.
func TestCompressZstdPrograms(t *testing.T) {
	magic := `printf '\050\265\057\375'`
	for name, lines := range map[string][]string{
		"fails":             {"cat >/dev/null", magic, "exit 1"},
		"is killed":         {"cat >/dev/null", magic, "kill -9 $$"},
		"reads nothing":     {magic},
		"writes text":       {"cat"},
		"writes nothing":    {"cat >/dev/null"},
		"is not executable": {"exit 0"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newCompressionFolder(t, Zstd)
			f.job.zstd = f.script(lines...)
			if name == "is not executable" {
				if err := os.Chmod(f.job.zstd, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := startCompression(f.job, nil).wait(); err == nil {
				t.Error("no error")
			}
			f.wantUntouched()
		})
	}
}

// TestCompressZstdChild: the program runs with the lowest priority, with nothing
// of our environment, and ends when the compression is stopped.
func TestCompressZstdChild(t *testing.T) {
	t.Setenv("SCGIKIT_SECRET", "x")
	f := newCompressionFolder(t, Zstd)
	fifo, told := filepath.Join(t.TempDir(), "fifo"), filepath.Join(t.TempDir(), "told")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f.job.zstd = f.script("PATH=/usr/bin:/bin", "{ nice; env; } >"+told, "echo >"+fifo, "exec cat "+fifo)
	c := startCompression(f.job, nil)
	if _, err := os.ReadFile(fifo); err != nil { // waits for the program
		t.Fatal(err)
	}
	if done, err := c.result(); done {
		t.Fatalf("done already: %v", err)
	}
	if err := c.stop(); !errors.Is(err, errCompressionStopped) {
		t.Errorf("stopped: %v", err)
	}
	f.wantUntouched()
	text, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	if priority, environment, _ := strings.Cut(string(text), "\n"); priority != "19" || strings.Contains(environment, "SECRET") {
		t.Errorf("nice %s, environment %q", priority, environment)
	}
}

func TestCompressStopped(t *testing.T) {
	f := newCompressionFolder(t, Gzip)
	cancel := make(chan struct{})
	close(cancel)
	if err := f.job.run(cancel); !errors.Is(err, errCompressionStopped) {
		t.Errorf("stopped: %v", err)
	}
	f.wantUntouched()
}

// TestCompressPruned: a file that is pruned while it is compressed does not
// come back, and one that took its name is left alone.
func TestCompressPruned(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		f := newCompressionFolder(t, Gzip)
		f.job.names.Lock()
		c := startCompression(f.job, nil)
		if err := os.Remove(filepath.Join(f.path, finishedLog)); err != nil {
			t.Fatal(err)
		}
		want := []string(nil)
		if replaced {
			want = []string{finishedLog}
			if err := os.WriteFile(filepath.Join(f.path, finishedLog), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f.job.names.Unlock()
		// The job may not have begun before the file was replaced.
		if err := c.wait(); !errors.Is(err, errPruned) && !replaced {
			t.Errorf("pruned: %v", err)
		}
		if got := f.names(); !slices.Equal(got, want) && !replaced {
			t.Errorf("the folder holds %q", got)
		}
	}
}

// TestCompressNames: nothing but a finished file is read, written or removed.
func TestCompressNames(t *testing.T) {
	const label = "@400000006b02b9161234abcd"
	for _, name := range []string{
		"", "current", "previous", label, label + ".t", label + ".s.gz", "@400000006b02b9161234abcX.s", "../" + finishedLog,
		"@400000006b02b9161234ABCD.s",
	} {
		if compressible(name) {
			t.Errorf("%q is taken for a finished file", name)
		}
	}
	if !compressible(label+".s") || !compressible(label+".u") {
		t.Error("a finished file is not taken for one")
	}
	const other = "@400000006b02b91700000000.u"
	for what, plant := range map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink("/etc/passwd", path) },
		"FIFO":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"folder":    func(path string) error { return os.Mkdir(path, 0o700) },
		"hard link": func(path string) error { return os.Link(filepath.Join(filepath.Dir(path), finishedLog), path) },
	} {
		f := newCompressionFolder(t, Gzip)
		f.job.name = other
		if err := plant(filepath.Join(f.path, other)); err != nil {
			t.Fatal(err)
		}
		if err := startCompression(f.job, nil).wait(); err == nil {
			t.Errorf("a %s is compressed", what)
		}
		f.want(finishedLog, other)
	}
}

// TestCompressPlanted: what stands where the compressed file is to be made is
// replaced, and a link there is not followed.
func TestCompressPlanted(t *testing.T) {
	f := newCompressionFolder(t, Gzip)
	victim := filepath.Join(t.TempDir(), "victim")
	for _, name := range []string{compressing, finishedLog + ".gz"} {
		if err := os.Symlink(victim, filepath.Join(f.path, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := startCompression(f.job, nil).wait(); err != nil {
		t.Fatal(err)
	}
	f.want(finishedLog + ".gz")
	if _, err := os.Lstat(victim); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link was followed: %v", err)
	}
}

func TestFinishCompressions(t *testing.T) {
	f := newCompressionFolder(t, Gzip)
	const other = "@400000006b02b91700000000.u.zst"
	for _, name := range []string{compressing, finishedLog + ".gz", finishedLog + ".zst", other, "current.gz"} {
		if err := os.WriteFile(filepath.Join(f.path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := finishCompressions(f.job.dir, f.names()); err != nil {
		t.Fatal(err)
	}
	f.want(finishedLog, other, "current.gz")
}
