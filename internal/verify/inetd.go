package verify

import (
	"fmt"
	"slices"

	"scgikit/internal/fileset"
	"scgikit/internal/inetdconf"
)

// inetdPlace is the place of a file with a line for inetd.
const inetdPlace = "inetd.conf"

// checkInetd reads the lines as the inetd of each app's dialect does, all of
// one dialect as one file. No inetd has a test of its own.
func checkInetd(files []fileset.File, o *Options) []Result {
	var out []Result
	for _, name := range inetdconf.Dialect("").Values() {
		dialect := inetdconf.Dialect(name)
		r := Result{Target: "inetd", Checker: "inetd.conf (" + name + ")"}
		var text []byte
		var starts []int // the first line of each file, from 1
		var paths []string
		lines := 0
		for i := range files {
			f := &files[i]
			if f.Place != inetdPlace || f.Kind != fileset.Regular || len(f.Apps) == 0 || o.Dialects[f.Apps[0]] != dialect {
				continue
			}
			starts, paths = append(starts, lines+1), append(paths, f.Path)
			text = append(text, f.Data...)
			lines += countLines(f.Data)
		}
		if len(paths) == 0 {
			continue
		}
		r.Files = len(paths)
		entries, problems := inetdconf.Parse(dialect, string(text))
		at := func(line int) (string, int) {
			i, found := slices.BinarySearch(starts, line)
			if !found {
				i--
			}
			if i < 0 {
				return "", 0
			}
			return paths[i], line - starts[i] + 1
		}
		for _, p := range problems {
			path, line := at(p.Line)
			r.Complaints = append(r.Complaints, Complaint{Path: path, Line: line, Message: p.Message})
		}
		seen := make(map[string]int)
		for _, e := range entries {
			path, _ := at(e.Line)
			seen[path]++
		}
		for _, path := range paths {
			if seen[path] != 1 {
				r.Complaints = append(r.Complaints, Complaint{Path: path, Message: fmt.Sprintf("inetd reads %d services in it, not one", seen[path])})
			}
		}
		if len(r.Complaints) > 0 {
			r.Outcome = Rejected
		}
		out = append(out, r)
	}
	return out
}

func countLines(data []byte) int {
	n := 0
	for _, b := range data {
		if b == '\n' {
			n++
		}
	}
	return n
}
