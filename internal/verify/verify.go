// Package verify shows rendered files to the programs that will read them: the
// web servers' own tests, sh -n, s6-rc-compile, and readers of our own for what has
// no test, or is tested where its program is missing.
// It starts no service, needs no privilege and touches nothing of the machine.
package verify

import (
	"cmp"
	"context"
	"os/exec"
	"slices"

	"scgikit/internal/fileset"
	"scgikit/internal/inetdconf"
	"scgikit/internal/webserver"
)

// Outcome is what a reader said.
type Outcome uint8

// The outcomes.
const (
	Accepted Outcome = iota
	Rejected
	NotChecked // the program is not on this machine, or lacks a module
)

// String returns "accepted", "rejected" or "not checked".
func (o Outcome) String() string {
	switch o {
	case Accepted:
		return "accepted"
	case Rejected:
		return "rejected"
	case NotChecked:
		return "not checked"
	}
	return "unknown"
}

// Result is what one reader said of the files of one target.
type Result struct {
	Target     string
	Checker    string // "nginx", "sh -n", "inetd.conf (openbsd)", "service folders"
	Program    string // path of the program; "" for a reader of our own
	Outcome    Outcome
	Files      int
	Why        string // of NotChecked
	Complaints []Complaint
}

// Complaint is one thing that a reader said about a file.
type Complaint struct {
	Path    string // in the set; "" where it named none
	Line    int    // 0 where it named none
	Message string
}

// Options is what the files themselves do not say.
type Options struct {
	Programs map[string]string            // path of a target's program; the one in PATH where it is empty
	Stubs    map[string][]string          // for each target, files of the machine that its files include
	Hosts    map[string]string            // for each app, a word for its set of hosts
	Dialects map[string]inetdconf.Dialect // for each app, the inetd that reads its line
	Exposure map[string]int               // for each app, tenths that systemd-analyze security may give it; 0 for any
}

// Check shows a set to every reader that has files in it. The results are
// sorted by target. The error is for what went wrong around a reader; what a
// reader says stands in its result.
func Check(ctx context.Context, set *fileset.Set, o *Options) ([]Result, error) {
	var out []Result
	for _, p := range webserver.Programs() {
		files := filesOf(set, string(p))
		if len(files) == 0 {
			continue
		}
		r, err := checkWeb(ctx, p, files, o)
		if err != nil {
			return nil, err
		}
		out = append(out, r...)
	}
	out = append(out, checkInetd(filesOf(set, "inetd"), o)...)
	out = append(out, checkXinetd(filesOf(set, "xinetd"))...)
	units, err := checkSystemd(ctx, filesOf(set, "systemd"), o)
	if err != nil {
		return nil, err
	}
	out = append(out, units...)
	out = append(out, checkLaunchd(filesOf(set, "launchd"))...)
	out = append(out, checkServices(set)...)
	out = append(out, checkDefinitions(filesOf(set, s6rcTarget))...)
	compiled, err := checkCompile(ctx, filesOf(set, s6rcTarget), o)
	if err != nil {
		return nil, err
	}
	out = append(out, compiled...)
	out = append(out, checkInits(set)...)
	scripts, err := checkScripts(ctx, set)
	if err != nil {
		return nil, err
	}
	out = append(out, scripts...)
	slices.SortStableFunc(out, func(a, b Result) int { return cmp.Compare(a.Target, b.Target) })
	return out, nil
}

// filesOf returns the files of one target, sorted by path.
func filesOf(set *fileset.Set, target string) []fileset.File {
	return set.Filter(func(f fileset.File) bool { return f.Target == target }).Files()
}

// targetsOf returns the targets of a set, sorted.
func targetsOf(set *fileset.Set) []string {
	var out []string
	for _, f := range set.Files() {
		out = append(out, f.Target)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// findProgram returns the path of a program, from the options or PATH.
func findProgram(o *Options, p webserver.Program) (string, bool) {
	if file := o.Programs[string(p)]; file != "" {
		found, err := exec.LookPath(file)
		return cmp.Or(found, file), err == nil
	}
	return webserver.Find(p)
}
