package verify

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"scgikit/internal/fileset"
)

// checkServices looks at service folders as svscan, supervise and envdir do:
// each folder with a file "run", its "log", its "env", and the files with one
// value that s6-supervise reads.
//
// Sources: https://cr.yp.to/daemontools/supervise.html, svscan.html, envdir.html.
func checkServices(set *fileset.Set) []Result {
	var out []Result
	for _, target := range targetsOf(set) {
		r := Result{Target: target, Checker: "service folders"}
		files := filesOf(set, target)
		for i := range files {
			if path.Base(files[i].Path) == "run" && files[i].Kind == fileset.Regular && !isDefinition(&files[i]) {
				r.Files++
				r.Complaints = append(r.Complaints, serviceComplaints(files, &files[i])...)
			}
		}
		if r.Files == 0 {
			continue
		}
		if len(r.Complaints) > 0 {
			r.Outcome = Rejected
		}
		out = append(out, r)
	}
	return out
}

// serviceComplaints looks at one service, given its file "run" among the files
// of its target, which are sorted by path.
func serviceComplaints(files []fileset.File, run *fileset.File) []Complaint {
	var out []Complaint
	complain := func(name, message string) { out = append(out, Complaint{Path: name, Message: message}) }
	if run.Mode&0o100 == 0 {
		complain(run.Path, "can not be executed, so supervise would try for ever")
	}
	if !bytes.HasPrefix(run.Data, []byte("#!/")) {
		complain(run.Path, "does not begin with the path of an interpreter")
	}
	dir := path.Dir(run.Path)
	if strings.HasPrefix(path.Base(dir), ".") {
		complain(run.Path, "stands in a folder whose name begins with a dot, which svscan leaves out")
	}
	hasLog, hasLogRun := false, false
	first, _ := slices.BinarySearchFunc(files, dir+"/", func(f fileset.File, p string) int { return strings.Compare(f.Path, p) })
	for _, f := range files[first:] {
		below, ok := strings.CutPrefix(f.Path, dir+"/")
		if !ok {
			break
		}
		hasLog = hasLog || below == "log" || strings.HasPrefix(below, "log/")
		hasLogRun = hasLogRun || below == "log/run"
		if name, ok := strings.CutPrefix(below, "env/"); ok && f.Kind == fileset.Regular {
			if message := envComplaint(name, f.Data); message != "" {
				complain(f.Path, message)
			}
		}
		if f.Kind == fileset.Regular && !isDefinition(&f) {
			if message := smallFileComplaint(below, f.Data); message != "" {
				complain(f.Path, message)
			}
		}
	}
	if hasLog && !hasLogRun {
		complain(path.Join(dir, "log"), "has no run, so svscan would start a logger that does not exist")
	}
	return out
}

// envComplaint says what envdir would not give back of a file: it takes the
// first line, without the blanks at its end, with NUL bytes as line ends.
func envComplaint(name string, data []byte) string {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	switch {
	case strings.HasPrefix(name, "."), strings.ContainsAny(name, "=/"):
		return "envdir takes no variable of this name"
	case len(rest) > 0:
		return "envdir reads the first line alone"
	case !bytes.Equal(bytes.TrimRight(line, " \t"), line):
		return "envdir cuts the blanks at the end"
	}
	return ""
}
