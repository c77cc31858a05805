package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/internal/appfile"
	"scgikit/internal/deploy"
	"scgikit/internal/diag"
	"scgikit/internal/inetdconf"
	"scgikit/internal/verify"
)

func newCheckCmd(e *env) *cobra.Command {
	var flags renderFlags
	var noParsers bool
	var require []string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "fail unless deploy/ is as rendered and real parsers accept it",
		Long: `The gate for CI and for commits: every committed file must be the one that
generate would write, and the real programs must accept them all: nginx -t,
lighttpd -tt, apache2 -t, haproxy -c and caddy validate on a copy in a private
folder, without root and without touching the machine, systemd-analyze verify
and security for units, sh -n for scripts, s6-rc-compile where it is there, and readers
of our own for inetd.conf, xinetd, launchd, service folders, service scripts and the
definitions of s6-rc. What a program that is not on this machine would have checked is
named, and is an error with --require.

Exit code: 0 for no differences, 1 for some, 8 if a parser rejects, 2 for any
other error.

A step for CI, and for .git/hooks/pre-commit:

  scgikit validate --strict && scgikit check --require nginx`,
		Example: "  scgikit check\n  scgikit check --require nginx,lighttpd",
		GroupID: groupReview,
		Args:    wants(0, 0),
		PreRunE: exclusive("no-parsers", "require"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range require {
				if err := knownTarget(name); err != nil {
					return fmt.Errorf("--require: %w", err)
				}
			}
			return strictly(e.check(cmd.Context(), &flags, noParsers, require))
		},
	}
	flags.add(cmd, e)
	cmd.Flags().BoolVar(&noParsers, "no-parsers", false, "only compare the files")
	cmd.Flags().StringSliceVar(&require, "require", nil, "`TARGETS` whose program must be there, with commas between")
	// This fails only for a flag that does not exist or has a function already.
	_ = cmd.RegisterFlagCompletionFunc("require", targetArgs())
	return cmd
}

// checkJSON is the result of check.
type checkJSON struct {
	OK          bool         `json:"ok"`
	Differences []difference `json:"differences"`
	Parsers     []parserJSON `json:"parsers"`
	Skipped     []skipped    `json:"skipped"`
	Problems    diag.List    `json:"problems"`
}

type parserJSON struct {
	Target     string          `json:"target"`
	Checker    string          `json:"checker"`
	Program    string          `json:"program,omitempty"`
	Outcome    string          `json:"outcome"`
	Files      int             `json:"files"`
	Why        string          `json:"why,omitempty"`
	Complaints []complaintJSON `json:"complaints"`
}

type complaintJSON struct {
	Path    string `json:"path"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
}

func (e *env) check(ctx context.Context, flags *renderFlags, noParsers bool, require []string) error {
	list, r, err := e.compare(ctx, flags, nil)
	if err != nil {
		return err
	}
	out := checkJSON{
		Differences: list, Parsers: []parserJSON{},
		Skipped: append([]skipped{}, r.skipped...), Problems: append(diag.List{}, r.list...),
	}
	rejected, absent := 0, []string{}
	if !noParsers {
		results, err := verify.Check(ctx, r.set, e.verifyOptions(r.project))
		if err != nil {
			return err
		}
		for i := range results {
			result := &results[i]
			out.Parsers = append(out.Parsers, e.parserOf(result))
			if result.Outcome == verify.Rejected {
				rejected++
			}
			if result.Outcome == verify.NotChecked && slices.Contains(require, result.Target) {
				absent = append(absent, result.Target+" ("+result.Why+")")
			}
		}
	}
	out.OK = len(list) == 0 && rejected == 0 && len(absent) == 0
	if err := e.result(out, func(w io.Writer) error { return writeCheck(w, &out) }); err != nil {
		return err
	}
	return e.verdict(&out, rejected, absent)
}

// verdict says what check found, in words and as an exit code. A parser that
// rejects weighs most: generating again does not mend it.
func (e *env) verdict(out *checkJSON, rejected int, absent []string) error {
	var parts []string
	code := exitOK
	if len(out.Differences) > 0 {
		e.hintDifferences(out.Differences)
		parts, code = append(parts, plural(len(out.Differences), "difference")), exitFailed
	}
	if len(absent) > 0 {
		parts, code = append(parts, "not checked though required: "+strings.Join(absent, ", ")), exitUsage
	}
	if rejected > 0 {
		parts, code = append(parts, plural(rejected, "rejection")), exitRejected
	}
	if code == exitOK {
		e.say("check: the files are as rendered%s", acceptedBy(out.Parsers))
		return nil
	}
	// Said here: the result is on stdout already, and report adds nothing to it.
	message := "check: " + strings.Join(parts, ", ")
	e.talk("%s", message)
	return &failure{code: code, told: true, err: errors.New(message)}
}

// hintDifferences says what to do about files that are not as rendered. Those
// that a person wrote are not overwritten, so that generating again would fail.
func (e *env) hintDifferences(list []difference) {
	byHand := func(d difference) bool {
		return slices.Contains([]string{deploy.Edited.String(), deploy.OrphanEdited.String(), deploy.Foreign.String()}, d.State)
	}
	if slices.ContainsFunc(list, byHand) {
		e.hint("put what was edited into the description or a template, then run scgikit generate --force")
	}
	if slices.ContainsFunc(list, func(d difference) bool { return !byHand(d) }) {
		e.hint("run scgikit generate (with --prune for orphans) and commit the result")
	}
}

func acceptedBy(parsers []parserJSON) string {
	var names []string
	for _, p := range parsers {
		if p.Outcome == verify.Accepted.String() {
			names = append(names, p.Checker)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return ", and accepted by " + strings.Join(slices.Compact(names), ", ")
}

func (e *env) parserOf(r *verify.Result) parserJSON {
	p := parserJSON{
		Target: r.Target, Checker: r.Checker, Program: r.Program, Outcome: r.Outcome.String(), Files: r.Files,
		Why: r.Why, Complaints: []complaintJSON{},
	}
	for _, c := range r.Complaints {
		// Messages name files as in the set; the reader has them below --out-dir.
		message := visible(c.Message)
		where := c.Path
		if where != "" {
			where = path.Join(e.settings.OutDir, c.Path)
			message = strings.ReplaceAll(message, c.Path, where)
		}
		p.Complaints = append(p.Complaints, complaintJSON{Path: where, Line: c.Line, Message: message})
	}
	return p
}

func writeCheck(w io.Writer, out *checkJSON) error {
	for _, d := range out.Differences {
		line := fmt.Sprintf("%-13s  %s", d.State, d.Path)
		if d.Why != "" {
			line += " (" + d.Why + ")"
		}
		fmt.Fprintln(w, line)
	}
	for _, p := range out.Parsers {
		fmt.Fprintf(w, "%-13s  %s: %s, %s", p.Outcome, p.Target, p.Checker, plural(p.Files, "file"))
		if p.Why != "" {
			fmt.Fprintf(w, " (%s)", p.Why)
		}
		fmt.Fprintln(w)
		for _, c := range p.Complaints {
			at := c.Path
			if c.Line > 0 {
				at = fmt.Sprintf("%s:%d", c.Path, c.Line)
			}
			if at != "" {
				at += ": "
			}
			fmt.Fprintf(w, "  %s%s\n", at, c.Message)
		}
	}
	return nil
}

// verifyOptions tells the readers what stands in the descriptions alone.
func (e *env) verifyOptions(project *appfile.Project) *verify.Options {
	o := &verify.Options{
		Programs: e.settings.Validators,
		Stubs:    make(map[string][]string),
		Hosts:    make(map[string]string),
		Dialects: make(map[string]inetdconf.Dialect),
		Exposure: make(map[string]int),
	}
	for _, a := range project.Apps {
		for target, file := range map[string]string{"nginx": a.HTTP.Extra.Nginx, "lighttpd": a.HTTP.Extra.Lighttpd, "apache": a.HTTP.Extra.Apache} {
			if file != "" && !slices.Contains(o.Stubs[target], file) {
				o.Stubs[target] = append(o.Stubs[target], file)
			}
		}
		o.Exposure[a.Name] = map[appfile.Hardening]int{appfile.HardenStandard: 25, appfile.HardenStrict: 10}[a.Security.Hardening]
		hosts := slices.Sorted(slices.Values(a.HTTP.Host))
		o.Hosts[a.Name] = cmp.Or(strings.Join(hosts, " "), "any")
		for _, f := range a.Resolved() {
			switch f.Path {
			case "options.inetd.dialect":
				o.Dialects[a.Name] = inetdconf.Dialect(f.Value)
			case "options.apache.ajp_secret":
				if f.Value != "" && !slices.Contains(o.Stubs["apache"], f.Value) {
					o.Stubs["apache"] = append(o.Stubs["apache"], f.Value)
				}
			}
		}
	}
	return o
}
