package verify

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/fileset"
	"scgikit/internal/webserver"
)

// checkWeb asks a web server about all files of its target together. Files
// that go into a server block of nginx are asked about once for each set of
// hosts: two apps at one mount are right on two hosts, and twice the same
// location in one block.
func checkWeb(ctx context.Context, p webserver.Program, files []fileset.File, o *Options) ([]Result, error) {
	base := Result{Target: string(p), Checker: string(p), Files: countRegular(files)}
	binary, ok := findProgram(o, p)
	if !ok {
		base.Outcome, base.Why = NotChecked, string(p)+" not found"
		if o.Programs[string(p)] != "" {
			base.Why = binary + " not found"
		}
		return []Result{base}, nil
	}
	base.Program = binary
	var all []Result
	for _, group := range hostGroups(p, files, o) {
		r := base
		r.Files = countRegular(group)
		if err := askWeb(ctx, p, group, o, &r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return []Result{merged(base, all)}, nil
}

// hostGroups returns the files to ask about at a time.
func hostGroups(p webserver.Program, files []fileset.File, o *Options) [][]fileset.File {
	if p != webserver.Nginx {
		return [][]fileset.File{files}
	}
	var hosts []string
	hostOf := func(f *fileset.File) (string, bool) {
		if f.Place != webserver.PlaceServer || len(f.Apps) == 0 {
			return "", false
		}
		return o.Hosts[f.Apps[0]], true
	}
	for i := range files {
		if host, ok := hostOf(&files[i]); ok && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	if len(hosts) < 2 {
		return [][]fileset.File{files}
	}
	slices.Sort(hosts)
	out := make([][]fileset.File, len(hosts))
	for i, host := range hosts {
		for j := range files {
			if h, ok := hostOf(&files[j]); !ok || h == host {
				out[i] = append(out[i], files[j])
			}
		}
	}
	return out
}

// merged makes one result of those for several sets of hosts.
func merged(base Result, all []Result) Result {
	for _, r := range all {
		if r.Outcome == Rejected || (r.Outcome == NotChecked && base.Outcome == Accepted) {
			base.Outcome = r.Outcome
		}
		if r.Why != "" {
			base.Why = r.Why
		}
		for _, c := range r.Complaints {
			if !slices.Contains(base.Complaints, c) {
				base.Complaints = append(base.Complaints, c)
			}
		}
	}
	return base
}

// askWeb writes the files into a folder of its own and asks the program. A
// module that this machine's program lacks is nothing against the files: the
// apps that need it are left out, and the rest is asked about again.
func askWeb(ctx context.Context, p webserver.Program, files []fileset.File, o *Options, r *Result) error {
	for {
		text, rejected, err := askOnce(ctx, p, files, o, r.Program)
		if err != nil {
			return err
		}
		if !rejected {
			return nil
		}
		complaints := complaintsOf(text)
		apps, why := missingModule(complaints, files)
		if len(apps) == 0 {
			r.Outcome, r.Complaints = Rejected, complaints
			return nil
		}
		r.Outcome, r.Why = NotChecked, why
		files = slices.DeleteFunc(slices.Clone(files), func(f fileset.File) bool {
			return slices.ContainsFunc(f.Apps, func(a string) bool { return slices.Contains(apps, a) })
		})
	}
}

func askOnce(ctx context.Context, p webserver.Program, files []fileset.File, o *Options, binary string) (text string, rejected bool, err error) {
	dir, err := os.MkdirTemp(webserver.TempDir(), "scgikit-check-")
	if err != nil {
		return "", false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// A name in a message is the real one where the folder is a link.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", false, err
	}
	site := &webserver.Site{Program: p, Binary: binary, Dir: dir, Files: files, Stubs: o.Stubs[string(p)]}
	if err := site.Write(); err != nil {
		return "", false, err
	}
	text, err = site.Check(ctx)
	if ctx.Err() != nil {
		return "", false, ctx.Err()
	}
	if err != nil && text == "" {
		return "", false, err // the program did not run at all
	}
	text = strings.ReplaceAll(text, filepath.Join(dir, "files")+"/", "")
	return strings.ReplaceAll(text, dir+"/", "check's own "), err != nil, nil
}

// missingModule returns the apps of a file that says it needs a module, as the
// generated files for Apache do with an Error directive, and what it said; no
// apps where nothing says so.
func missingModule(complaints []Complaint, files []fileset.File) (apps []string, why string) {
	said := ""
	for _, c := range complaints {
		if m := needsModule.FindStringSubmatch(c.Message); m != nil {
			said = m[1]
		}
	}
	if said == "" {
		return nil, ""
	}
	for _, c := range complaints {
		i := slices.IndexFunc(files, func(f fileset.File) bool { return f.Path == c.Path })
		if c.Path != "" && i >= 0 {
			return files[i].Apps, said + ", which this " + files[i].Target + " lacks"
		}
	}
	return nil, ""
}

var needsModule = regexp.MustCompile(`scgikit: (\S+ needs mod_\w+)`)

// The places in messages of nginx ("… in PATH:3"), Lighttpd ("source: PATH
// line: 3 pos: 1"), Apache ("Syntax error on line 3 of PATH:"), HAProxy
// ("parsing [PATH:3]") and Caddy ("PATH:3 - Error during parsing", or "PATH:3:").
var places = []*regexp.Regexp{
	regexp.MustCompile(` in (?P<path>\S.*):(?P<line>\d+)$`),
	regexp.MustCompile(`source: (?P<path>.*) line: (?P<line>\d+)`),
	regexp.MustCompile(`on line (?P<line>\d+) of (?P<path>.*?):`),
	regexp.MustCompile(`parsing \[(?P<path>.*):(?P<line>\d+)\]`),
	regexp.MustCompile(`(?:^Error: .*?|: )(?P<path>[^ :]+):(?P<line>\d+)(?: - |:)`),
}

// complaintsOf reads what a program printed.
func complaintsOf(text string) []Complaint {
	var out []Complaint
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		c := Complaint{Message: line}
		for _, place := range places {
			if m := place.FindStringSubmatch(line); m != nil {
				c.Path = m[place.SubexpIndex("path")]
				c.Line, _ = strconv.Atoi(m[place.SubexpIndex("line")]) // digits; one too many is no line
				break
			}
		}
		out = append(out, c)
	}
	return out
}

func countRegular(files []fileset.File) int {
	n := 0
	for i := range files {
		if files[i].Kind == fileset.Regular {
			n++
		}
	}
	return n
}
