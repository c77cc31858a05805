package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/layout"
)

func newFmtCmd(e *env) *cobra.Command {
	var o fmtOptions
	cmd := &cobra.Command{
		Use:   "fmt [PATH…]",
		Short: "lay out descriptions: order of keys and indentation",
		Long: `Writes descriptions in their canonical form: the keys in the order of "scgikit
explain", two blanks for each level, one blank line at most. Comments stay with
what they stand above, and the first one at the top of the file; values are kept as
they were written, and so is the order of names that are yours, such as those of
run.env.

Without a flag the result goes to stdout, as with gofmt. With -l or --diff the exit
code is 1 where a file is laid out otherwise, so that they do for CI. A PATH is a
description, a folder of them, or - for the standard input.`,
		Example: "  scgikit fmt -w\n  scgikit fmt --diff apps/blog.yaml",
		GroupID: groupDescribe,
		RunE: func(cmd *cobra.Command, args []string) error {
			sources, err := e.sources(cmd.Context(), args)
			if err != nil {
				return err
			}
			return e.fmt(sources, &o)
		},
	}
	cmd.Flags().BoolVarP(&o.write, "write", "w", false, "write the result to the file")
	cmd.Flags().BoolVar(&o.diff, "diff", false, "show what would change")
	cmd.Flags().BoolVarP(&o.list, "list", "l", false, "name the files that are laid out otherwise")
	return cmd
}

// fmtOptions are the flags of fmt.
type fmtOptions struct{ write, diff, list bool }

// laidOut is a source and its canonical form.
type laidOut struct {
	appfile.Source
	text []byte
}

// laidOutJSON is what -o json says of a file.
type laidOutJSON struct {
	Path    string `json:"path"`
	Changed bool   `json:"changed"`
	Written bool   `json:"written,omitempty"`
	Text    string `json:"text,omitempty"` // of what is not written
}

// fmt lays out every source before it writes any.
func (e *env) fmt(sources []appfile.Source, o *fmtOptions) error {
	var out []laidOut
	for i := range sources {
		text, list, err := layout.Format(sources[i].Name, sources[i].Data, generate.OptionTypes())
		switch {
		case list.HasErrors():
			return list
		case err != nil:
			return failf(exitRefused, "", "%s: %w", sources[i].Name, err)
		case o.write && sources[i].Name == "-":
			return usagef("leave -w out", "the standard input can not be written to")
		}
		out = append(out, laidOut{sources[i], text})
	}
	result := []laidOutJSON{}
	changed := 0
	for _, f := range out {
		j := laidOutJSON{Path: f.Name, Changed: !bytes.Equal(f.Data, f.text)}
		if j.Changed {
			changed++
		}
		if o.write && j.Changed {
			if err := e.overwrite(f.Name, f.Data, f.text); err != nil {
				return err
			}
			j.Written = true
		} else if !o.list && !o.write {
			j.Text = string(f.text)
		}
		result = append(result, j)
	}
	color := e.useColor(e.stdout)
	err := e.styled(map[string]any{"files": result}, func(w io.Writer) error { return showLaidOut(w, out, o, color) })
	if err == nil && changed > 0 && !o.write && (o.list || o.diff) {
		return &failure{code: exitFailed, told: true, err: errors.New(plural(changed, "file") + " to be laid out")}
	}
	return err
}

// showLaidOut writes what the flags ask for: names, differences, or the text.
func showLaidOut(w io.Writer, files []laidOut, o *fmtOptions, color bool) error {
	for _, f := range files {
		same := bytes.Equal(f.Data, f.text)
		var err error
		if o.list && !same {
			_, err = fmt.Fprintln(w, f.Name)
		}
		if o.diff && !same {
			writeDiff(w, string(diff.Diff("a/"+f.Name, f.Data, "b/"+f.Name, f.text)), color)
		}
		if !o.list && !o.diff && !o.write {
			_, err = w.Write(f.text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overwrite puts the text of a description in the place of the one that was read.
// The new file has the old one's mode and owner, and takes its place in one step;
// of a link, the file that it leads to is replaced.
func (e *env) overwrite(name string, was, text []byte) error {
	file, err := filepath.EvalSymlinks(e.path(name))
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	now, err := os.ReadFile(file)
	if err == nil && bytes.Equal(now, text) {
		return nil // under another name it was laid out a moment ago
	}
	if err != nil || !bytes.Equal(now, was) {
		return failf(exitRefused, "run it again", "%s: it was changed while it was laid out", name)
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".fmt-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // it is gone once it is renamed
	_, err = temp.Write(text)
	for _, step := range []func() error{
		func() error { return keepOwner(temp, info) },
		func() error { return temp.Chmod(info.Mode().Perm()) },
		temp.Sync,
	} {
		if err == nil {
			err = step()
		}
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(temp.Name(), file)
}

// keepOwner gives a new file the owner and group of the one that it replaces.
func keepOwner(f *os.File, was fs.FileInfo) error {
	want, ok := was.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if have, ok := info.Sys().(*syscall.Stat_t); ok && have.Uid == want.Uid && have.Gid == want.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
