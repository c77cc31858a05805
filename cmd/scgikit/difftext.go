package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"scgikit/internal/deploy"
	"scgikit/internal/fileset"
)

// difference is one file that is not as rendered.
type difference struct {
	Path    string   `json:"path"`
	State   string   `json:"state"`
	Target  string   `json:"target"`
	Apps    []string `json:"apps"`
	Added   int      `json:"added"`
	Removed int      `json:"removed"`
	Diff    string   `json:"diff"`
	Why     string   `json:"why,omitempty"` // of a foreign file

	Written string `json:"written,omitempty"` // with --installed: what was installed against what is there
	Wanted  string `json:"wanted,omitempty"`  // with --installed: what is there against what is wanted
}

// differences returns what is not as rendered, the manifest last.
func differences(folder *deploy.Folder, plan *deploy.Plan) ([]difference, error) {
	out := []difference{}
	for i := range plan.Changes {
		if c := &plan.Changes[i]; c.State != deploy.Same {
			out = append(out, differenceOf(folder, c))
		}
	}
	now, after, err := plan.Manifest()
	if err != nil || bytes.Equal(now, after) {
		return out, err
	}
	c := deploy.Change{Path: deploy.ManifestName, State: deploy.Stale, Old: now, New: after, OldMode: 0o644, NewMode: 0o644, Apps: []string{}}
	if now == nil {
		c.State = deploy.New
	}
	return append(out, differenceOf(folder, &c)), nil
}

func differenceOf(folder *deploy.Folder, c *deploy.Change) difference {
	d := difference{Path: folder.Path(c.Path), State: c.State.String(), Target: c.Target, Apps: append([]string{}, c.Apps...), Why: c.Why}
	old, now := "a/"+strings.TrimPrefix(d.Path, "/"), "b/"+strings.TrimPrefix(d.Path, "/")
	var head string
	switch c.State {
	case deploy.New, deploy.Missing:
		old = "/dev/null"
		head = fmt.Sprintf("new file mode 100%03o\n", c.NewMode)
	case deploy.Orphan, deploy.OrphanEdited:
		now = "/dev/null"
		head = fmt.Sprintf("deleted file mode 100%03o\n", c.OldMode)
	case deploy.Stale, deploy.Edited, deploy.Foreign:
		if c.OldMode != c.NewMode && c.Kind == fileset.Regular && c.OldMode != 0 {
			head = fmt.Sprintf("old mode 100%03o\nnew mode 100%03o\n", c.OldMode, c.NewMode)
		}
	case deploy.Same:
	}
	if c.Kind == fileset.Symlink {
		d.Diff = fmt.Sprintf("diff %s %s\nsymbolic link to %s\n", visible(old), visible(now), visible(c.Link))
		return d
	}
	body := diff.Diff(old, c.Old, now, c.New)
	first, rest, _ := bytes.Cut(body, []byte("\n"))
	if body == nil {
		first = fmt.Appendf(nil, "diff %s %s", old, now)
	}
	d.Diff = visible(string(first) + "\n" + head + string(rest))
	d.Added, d.Removed = countLines(d.Diff)
	return d
}

func countLines(text string) (added, removed int) {
	inHunk := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "@@"):
			inHunk = true
		case inHunk && line[0] == '+':
			added++
		case inHunk && line[0] == '-':
			removed++
		}
	}
	return added, removed
}

// writeDiff writes a unified diff, in colour where the reader can see it.
func writeDiff(w io.Writer, text string, color bool) {
	if !color {
		fmt.Fprint(w, text)
		return
	}
	inHunk := false
	for line := range strings.Lines(text) {
		style := ""
		switch {
		case strings.HasPrefix(line, "@@"):
			inHunk, style = true, "36"
		case !inHunk:
			style = "1"
		case line[0] == '+':
			style = "32"
		case line[0] == '-':
			style = "31"
		}
		body, end := strings.CutSuffix(line, "\n")
		if style != "" {
			body = "\x1b[" + style + "m" + body + "\x1b[m"
		}
		fmt.Fprint(w, body)
		if end {
			fmt.Fprintln(w)
		}
	}
}
