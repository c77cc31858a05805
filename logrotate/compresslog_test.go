package logrotate

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCompressedLog: what a log leaves uncompressed when it ends is compressed
// after the next start, and all of it reads as it was written. Where only the
// newest may stay, only the newest do.
func TestCompressedLog(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	for i := range 4000 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	for _, limit := range []string{"S0", "S20000"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			l := newTestLog(t)
			words := []string{"s4096", "n50", limit, "zgzip", "./main"}
			l.run(text.Bytes(), words...)
			l.runUntil(func() bool { return !slices.ContainsFunc(l.finished(), compressible) }, words...)
			got := l.uncompressed()
			if limit == "S0" && got != text.String() {
				t.Errorf("%d bytes came back of %d, or others", len(got), text.Len())
			}
			if !strings.HasSuffix(text.String(), got) || len(got) < 4096 {
				t.Errorf("the newest %d bytes are not the end of the log", len(got))
			}
		})
	}
}

// runUntil runs the log on a pipe with nothing in it.
func (l *testLog) runUntil(done func() bool, words ...string) {
	l.t.Helper()
	var err error
	if l.in, l.out, err = os.Pipe(); err != nil {
		l.t.Fatal(err)
	}
	defer l.in.Close()
	defer l.out.Close()
	runner, err := NewRunner()
	if err != nil {
		l.t.Fatal(err)
	}
	logger := l.open(runner, words...)
	ended := make(chan error)
	go func() { ended <- runner.Run(logger) }()
	for deadline := time.Now().Add(2 * time.Minute); !done(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Error("what should happen takes too long")
			break
		}
	}
	runner.Stop()
	if err := <-ended; err != nil {
		l.t.Error(err)
	}
	logger.Close()
}

// finished lists the finished files of the folder main, oldest first.
func (l *testLog) finished() []string {
	l.t.Helper()
	entries, err := os.ReadDir(filepath.Join(l.root, "main"))
	if err != nil {
		l.t.Fatal(err)
	}
	return names(entries)
}

// uncompressed returns all that is in the folder main.
func (l *testLog) uncompressed() string {
	l.t.Helper()
	var all strings.Builder
	for _, name := range append(l.finished(), "current") {
		path := filepath.Join(l.root, "main", name)
		if strings.HasSuffix(name, ".gz") {
			all.Write(gunzipped(l.t, path))
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			l.t.Fatal(err)
		}
		all.Write(content)
	}
	return all.String()
}

// TestZstdIsRefused: a script that needs a program which is not there is refused
// before anything is made.
func TestZstdIsRefused(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	root := t.TempDir()
	script, err := ParseScript([]string{"zzstd", filepath.Join(root, "main")})
	if err != nil {
		t.Fatal(err)
	}
	logger, err := Open(Config{Script: script, Plain: true})
	if err == nil {
		logger.Close()
	}
	if start := new(StartError); !errors.As(err, &start) || !strings.Contains(err.Error(), zstdProgram) {
		t.Errorf("started: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(root, "main")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}
