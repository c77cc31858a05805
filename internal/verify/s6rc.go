package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"scgikit/internal/fileset"
)

// compileTime ends an s6-rc-compile that hangs.
const compileTime = 60 * time.Second

// checkCompile shows source definitions to s6-rc-compile, where this machine has
// it; checkDefinitions reads all that it reads and more, but is not it. Nothing
// that they say is run.
func checkCompile(ctx context.Context, files []fileset.File, o *Options) (out []Result, err error) {
	given := o.Programs[s6rcTarget]
	name := given
	if name == "" {
		name = "s6-rc-compile"
	}
	base := Result{Target: s6rcTarget, Checker: "s6-rc-compile"}
	program, lookErr := exec.LookPath(name)
	switch {
	case lookErr != nil && given == "":
		return nil, nil
	case lookErr != nil:
		base.Outcome, base.Why = NotChecked, given+" not found"
		return []Result{base}, nil
	}
	base.Program = program
	dir, err := os.MkdirTemp("", "scgikit-check-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source := filepath.Join(dir, "source")
	for i := range files {
		f := &files[i]
		if !isDefinition(f) {
			continue
		}
		if f.Kind == fileset.Regular && strings.HasSuffix(f.Path, "/type") {
			base.Files++
		}
		if err := writeDefinition(filepath.Join(source, filepath.FromSlash(inSource(f))), f); err != nil {
			return nil, err
		}
	}
	if base.Files == 0 {
		return nil, nil
	}
	others := filepath.Join(dir, "others")
	if err := writeOthers(others, elsewhere(files)); err != nil {
		return nil, err
	}
	text, rejected, err := compile(ctx, program, dir, "compiled", "source", "others")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			base.Complaints = append(base.Complaints, definitionComplaint(line, files))
		}
	}
	if rejected && len(base.Complaints) == 0 {
		base.Complaints = append(base.Complaints, Complaint{Message: "s6-rc-compile ends with an error, and no message"})
	}
	if len(base.Complaints) > 0 {
		base.Outcome = Rejected
	}
	return []Result{base}, nil
}

func writeDefinition(name string, f *fileset.File) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	switch f.Kind {
	case fileset.Dir:
		return os.MkdirAll(name, 0o700)
	case fileset.Symlink:
		return os.Symlink(f.Link, name)
	case fileset.Regular:
	}
	return os.WriteFile(name, f.Data, 0o600)
}

// writeOthers defines services that other source folders define, as bundles
// with nothing in them. One more keeps s6-rc-compile from saying that there are
// none.
func writeOthers(dir string, names []string) error {
	for _, name := range append(slices.Clone(names), "scgikit check") {
		if err := os.MkdirAll(filepath.Join(dir, name, "contents.d"), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name, "type"), []byte("bundle\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// compile returns what s6-rc-compile prints, and whether it ended with an error.
func compile(ctx context.Context, program, dir string, args ...string) (text string, rejected bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, compileTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	apart(cmd)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", false, fmt.Errorf("s6-rc-compile: %w", ctx.Err())
	}
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		return "", false, fmt.Errorf("s6-rc-compile: %w", err)
	}
	return string(bytes.ToValidUTF8(out, []byte("?"))), err != nil, nil
}

// definitionComplaint reads a message: "s6-rc-compile: fatal: invalid
// source/blog.srv/type: must be …". It names the longest path that the message
// has in it.
func definitionComplaint(line string, files []fileset.File) Complaint {
	c := Complaint{Message: strings.TrimPrefix(line, "s6-rc-compile: ")}
	for i := range files {
		below := "source/" + inSource(&files[i])
		if strings.Contains(c.Message, below) && len(files[i].Path) > len(c.Path) {
			c.Path = files[i].Path
		}
	}
	if c.Path != "" {
		c.Message = strings.ReplaceAll(c.Message, "source/", s6rcTarget+"/")
	}
	return c
}
