//go:build linux

package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// input is a file of lines.
type input struct {
	name     string
	path     string
	lines    int64
	bytes    int64
	selected selected // the lines that the selection chooses
}

// selected is a part of an input.
type selected struct{ lines, bytes int64 }

// makeInput writes lines from next until there are size bytes.
func (b *bench) makeInput(name string, size int64, next func(*rand.Rand) string) (input, error) {
	in := input{name: name, path: filepath.Join(b.scratch, strings.ReplaceAll(name, " ", "-"))}
	file, err := os.Create(in.path)
	if err != nil {
		return in, err
	}
	source := rand.New(rand.NewPCG(b.seed, 1)) //nolint:gosec // lines that are the same in every run
	w := bufio.NewWriterSize(file, 1<<20)
	for in.bytes < size {
		line := next(source)
		n := int64(len(line))
		in.lines, in.bytes = in.lines+1, in.bytes+n
		if strings.Contains(line, selectionWord) {
			in.selected = selected{in.selected.lines + 1, in.selected.bytes + n}
		}
		if _, err := w.WriteString(line); err != nil {
			return in, err
		}
	}
	if err := w.Flush(); err != nil {
		return in, err
	}
	return in, file.Close()
}

// want is how many bytes a logger must have written of the input.
func (in input) want(l logger) int64 {
	if l.selects {
		return in.selected.bytes + in.selected.lines*l.stamp
	}
	return in.bytes + in.lines*l.stamp
}

// accessLine makes a line of an access log in the common format; the mean is
// 108 bytes, and one in ten is a POST.
func accessLine(r *rand.Rand) string {
	method := "GET"
	if r.IntN(10) == 0 {
		method = "POST"
	}
	return fmt.Sprintf("%d.%d.%d.%d - - [22/Nov/2026:%02d:%02d:%02d +0000] \"%s /%s HTTP/1.1\" %d %d\n",
		1+r.IntN(223), r.IntN(256), r.IntN(256), 1+r.IntN(254), r.IntN(24), r.IntN(60), r.IntN(60),
		method, path(r), 200+100*r.IntN(4), 200+r.IntN(60000))
}

// path makes a path of words, such as "static/app/img/header-17.png?v=3".
func path(r *rand.Rand) string {
	words := []string{"static", "app", "img", "blog", "2026", "api", "v1", "items", "users", "search"}
	var b strings.Builder
	for range 2 + r.IntN(4) {
		b.WriteString(words[r.IntN(len(words))] + "/")
	}
	fmt.Fprintf(&b, "page-%d.html?v=%d", r.IntN(1000), r.IntN(10))
	return b.String()
}

// shortLine makes a line of 16 bytes, the newline among them.
func shortLine(r *rand.Rand) string { return fmt.Sprintf("event %09d\n", r.IntN(1e9)) }

// longLine makes a line of 16 KiB.
func longLine(r *rand.Rand) string {
	var b strings.Builder
	for b.Len() < 16<<10 {
		fmt.Fprintf(&b, "%016x ", r.Uint64())
	}
	return b.String()[:16<<10-1] + "\n"
}
