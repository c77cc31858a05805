package importer

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// serviceNames are the files of a service folder that are read, or that the
// supervisor keeps there.
func serviceNames() []string {
	return []string{
		"run", "finish", "check", "reload", "control", "env", "log", "down", "supervise", "event", "timeout-kill", "notification-fd", "down-signal", "start-timeout",
		"reload-signal", "after", "restart",
	}
}

// logNames are those of its folder for the log.
func logNames() []string {
	return []string{"run", "supervise", "event", "config", "main", "current", "dir"}
}

// follows reports whether a file of s6 says what follows from other fields.
func (d *draft) follows(file string) bool {
	text, _ := d.r.optional(file)
	switch path.Base(file) {
	case "timeout-finish":
		return strings.TrimSpace(text) == "0"
	case "max-death-tally":
		return strings.TrimSpace(text) == cmp.Or(d.first("run.restart.burst"), "5")
	}
	return false
}

// others tells of the files of a service folder that no description has, and no
// generated folder.
func (d *draft) others(dir string) {
	const most = 20
	for _, folder := range []struct {
		dir   string
		known []string
	}{{dir, serviceNames()}, {path.Join(dir, "log"), logNames()}} {
		names, err := d.r.entries(folder.dir)
		if err != nil {
			continue // there is no log
		}
		names = slices.DeleteFunc(names, func(name string) bool {
			small := name == "timeout-finish" || name == "max-death-tally"
			return slices.Contains(folder.known, name) || small && d.follows(path.Join(folder.dir, name))
		})
		for i, name := range names {
			if i == most {
				d.lost(d.r.at(folder.dir, 0), "%d more files that are not imported", len(names)-most)
				break
			}
			d.lost(d.r.at(path.Join(folder.dir, name), 0), "the file is not imported, and a generated folder has none of it")
		}
	}
}
