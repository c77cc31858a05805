package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFollowKilled follows scgi-run multilog while it is killed again and again
// under load. It takes back what it had not finished, and a follower shows every
// line once all the same.
func TestFollowKilled(t *testing.T) {
	t.Parallel()
	const lines, kills = 150_000, 25
	words := loggers(t)["scgi-run"]
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	if err := os.Mkdir(log, 0o700); err != nil {
		t.Fatal(err)
	}
	f := follow(t, "--dir", log, "-n", "all", "--raw")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// Files that hold more than a batch, so that no line is rotated away unread.
	words[slices.Index(words, "s4096")] = "s300000"
	start := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Dir, cmd.Stdin, cmd.Stderr = dir, r, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	logger := start()
	go func() {
		defer w.Close()
		b := bufio.NewWriterSize(w, 60_000)
		defer b.Flush()
		for i := range lines {
			fmt.Fprintf(b, "%d %s\n", i, strings.Repeat("x", i%97))
		}
	}()
	for i := range lines {
		if line := f.next(); len(strings.Fields(line)) < 2 || strings.Fields(line)[1] != fmt.Sprint(i) {
			t.Fatalf("line %d is %q", i, line)
		}
		if i%(lines/kills) == lines/kills/2 {
			if err := logger.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = logger.Wait() // it was killed
			logger = start()
		}
	}
	if err := logger.Wait(); err != nil {
		t.Error(err)
	}
	f.end()
	for line := range f.lines {
		t.Errorf("%q comes as well", line)
	}
}

// TestFollowPruned follows loggers that keep next to nothing: what is removed
// before it can be read is missed, which is told once, but nothing comes twice or
// out of order, and the last line comes.
func TestFollowPruned(t *testing.T) {
	t.Parallel()
	const lines = 3_000
	for name, words := range loggers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "log"), 0o700); err != nil {
				t.Fatal(err)
			}
			f := follow(t, "--dir", filepath.Join(dir, "log"), "-n", "all", "--raw")
			words[slices.Index(words, "n5000")] = "n3"
			cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
			var input strings.Builder
			for i := range lines {
				fmt.Fprintf(&input, "%d %s\n", i, strings.Repeat("x", i%97))
			}
			cmd.Dir, cmd.Stdin, cmd.Stderr = dir, strings.NewReader(input.String()), os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			told := 0
			for last, number := -1, -1; number < lines-1; last = number {
				line := f.next()
				if strings.HasSuffix(line, ": files were removed before they were read") {
					told++
					line = f.next()
				}
				if _, err := fmt.Sscan(line[strings.IndexByte(line, ' ')+1:], &number); err != nil || number <= last {
					t.Fatalf("%q comes behind line %d", line, last)
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			f.end()
			if told > 1 {
				t.Errorf("told %d times that lines were missed", told)
			}
		})
	}
}
