package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"scgikit/internal/fileset"
)

// scriptTime ends a shell that hangs; nothing waits for it.
const scriptTime = 10 * time.Second

// checkScripts shows every script to "sh -n", which reads and does not run it.
func checkScripts(ctx context.Context, set *fileset.Set) ([]Result, error) {
	shell, lookErr := exec.LookPath("sh")
	var out []Result
	for _, target := range targetsOf(set) {
		r := Result{Target: target, Checker: "sh -n", Program: shell}
		for _, f := range filesOf(set, target) {
			if f.Kind != fileset.Regular || !isShellScript(f.Data) {
				continue
			}
			r.Files++
			if lookErr != nil {
				continue
			}
			complaints, err := askShell(ctx, shell, &f)
			if err != nil {
				return nil, err
			}
			r.Complaints = append(r.Complaints, complaints...)
		}
		switch {
		case r.Files == 0:
			continue
		case lookErr != nil:
			r.Outcome, r.Why = NotChecked, "sh not found"
		case len(r.Complaints) > 0:
			r.Outcome = Rejected
		}
		out = append(out, r)
	}
	return out, nil
}

func isShellScript(data []byte) bool {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return string(line) == "#!/bin/sh" || strings.HasPrefix(string(line), "#!/bin/sh ") || string(line) == openrcShebang
}

// apart has a program run in a process group of its own. A terminal's Ctrl-C ends a
// whole group: what a program says that it ended is no verdict.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// shellLine is the place in a message: "sh: 3: Syntax error …" of dash,
// "sh: line 3: syntax error …" of bash, "sh: <stdin>[3]: …" of ksh.
var shellLine = regexp.MustCompile(`^\S+?:? (?:line |<stdin>\[)?(\d+)\]?: (.*)$`)

// askShell gives a script on standard input, so that no copy of it is needed.
func askShell(ctx context.Context, shell string, f *fileset.File) ([]Complaint, error) {
	ctx, cancel := context.WithTimeout(ctx, scriptTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell, "-n")
	cmd.Stdin = bytes.NewReader(f.Data)
	cmd.Env = []string{"LC_ALL=C"} // no ENV file of the user
	apart(cmd)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("sh -n: %s: %w", f.Path, ctx.Err())
	}
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		return nil, fmt.Errorf("sh -n: %w", err)
	}
	var out []Complaint
	for line := range strings.Lines(strings.TrimSpace(stderr.String())) {
		c := Complaint{Path: f.Path, Message: strings.TrimSpace(line)}
		if m := shellLine.FindStringSubmatch(c.Message); m != nil {
			c.Line, _ = strconv.Atoi(m[1]) // digits; one too many is no line
			c.Message = m[2]
		}
		out = append(out, c)
	}
	if err != nil && len(out) == 0 {
		out = append(out, Complaint{Path: f.Path, Message: err.Error()})
	}
	return out, nil
}
