package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/internal/deploy"
	"scgikit/internal/diag"
	"scgikit/templates"
)

func newEjectCmd(e *env) *cobra.Command {
	var force bool
	var dir string
	cmd := &cobra.Command{
		Use:   "eject [TARGET/NAME]",
		Short: "copy a built-in template to the project, to change it there",
		Long: `Copies a built-in template to the project's folder of templates, where it takes
the built-in one's place from then on. Without an argument, the templates are
listed. A template prints values through q (the target's quoting), qsh (shell)
and n (numbers) only.

Templates are looked for in the project (--templates), then in the user's
$XDG_CONFIG_HOME/scgikit/templates, then among the built-in ones.`,
		Example: "  scgikit eject\n  scgikit eject nginx/location.conf.tmpl",
		GroupID: groupReview,
		Args:    wants(0, 1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return templateNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return e.listTemplates()
			}
			return e.eject(args[0], force)
		},
	}
	cmd.Flags().StringVar(&dir, "templates", "templates", "`DIR` to copy to")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite what is there")
	return cmd
}

// templateNames returns every built-in template, sorted.
func templateNames() []string {
	var out []string
	// The files are part of the program; walking them does not fail.
	_ = fs.WalkDir(templates.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".tmpl") {
			out = append(out, name)
		}
		return err
	})
	return out
}

func (e *env) listTemplates() error {
	list := templateNames()
	return e.result(map[string]any{"templates": list}, func(w io.Writer) error {
		for _, name := range list {
			fmt.Fprintln(w, name)
		}
		return nil
	})
}

func (e *env) eject(name string, force bool) error {
	if !strings.HasSuffix(name, ".tmpl") {
		name += ".tmpl"
	}
	text, err := templates.FS.ReadFile(name)
	if err != nil {
		hint := "scgikit eject lists them"
		if near := diag.Nearest(name, templateNames()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return usagef(hint, "there is no built-in template %q", name)
	}
	root, err := e.templatesRoot()
	if err != nil {
		return escapeRefused(e.settings.TemplatesDir, err)
	}
	defer root.Close()
	shown := filepath.ToSlash(filepath.Join(e.settings.TemplatesDir, filepath.FromSlash(name)))
	if err := putTemplate(root, name, text, force); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return failf(exitRefused, "--force overwrites it", "%s is there already", shown)
		}
		return escapeRefused(shown, err)
	}
	return e.result(map[string]string{"template": name, "path": shown}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "create     %s\n", shown)
		return err
	})
}

// templatesRoot opens the folder of templates, and makes it where it is missing.
func (e *env) templatesRoot() (*os.Root, error) {
	dir := e.settings.TemplatesDir
	if !filepath.IsLocal(dir) {
		if err := os.MkdirAll(e.path(dir), 0o755); err != nil {
			return nil, err
		}
		return os.OpenRoot(e.path(dir))
	}
	base, err := os.OpenRoot(e.folder())
	if err != nil {
		return nil, err
	}
	defer base.Close()
	if err := base.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return base.OpenRoot(dir)
}

func putTemplate(root *os.Root, name string, text []byte, force bool) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if force {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// escapeRefused makes the error of a link that leads outside a refusal.
func escapeRefused(name string, err error) error {
	if deploy.LeadsOutside(err) {
		return failf(exitRefused, "remove the link, or name the folder by its whole path", "%s: a symbolic link there leads outside", name)
	}
	return err
}
