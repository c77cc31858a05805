package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/generate"
	"scgikit/internal/importer"
	"scgikit/internal/inetdconf"
)

// importFlags are the flags of import.
type importFlags struct {
	dialect                string
	mounts, listens, users []string
	name                   string
	env                    []string
	secretsDir             string
	out                    string
	force, strict          bool
}

func newImportCmd(e *env) *cobra.Command {
	var f importFlags
	kinds := importer.Kind("").Values()
	cmd := &cobra.Command{
		Use:   "import KIND PATH",
		Short: "read an existing set-up into a description",
		Long: `Reads a set-up that exists into descriptions, and says line by line what they
can not carry. KIND is one of
  inetd        inetd.conf, as the inetd of --dialect reads it
  xinetd       xinetd.conf, a file of xinetd.d, or that folder
  daemontools  a service folder, or a folder of them
  runit        the same for runsvdir
  s6           the same for s6-svscan
  procfile     a Procfile, with the .env beside it
  systemd      a .service, .socket or instance, or a folder of them, with drop-ins
  supervisord  supervisord.conf, with what it includes

Nothing is changed but what --out names. What a description needs and the set-up
does not say is a placeholder, and told of. The messages are on standard error:
  lost      the set-up says it, and the description can not
  assumed   the description needs it, and the set-up does not say it
  secret    a value that looks like a secret would stand in the description
  skipped   no service: a comment, one that is off, one that is built in
  refused   a service that is not imported, and why`,
		Example: "  scgikit import daemontools deploy/daemontools/blog --mount /blog/",
		GroupID: groupDescribe,
		Args:    wants(2, 2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return kinds, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(kinds, args[0]) {
				return usagef("KIND is one of: "+strings.Join(kinds, ", "), "there is no kind %q", args[0])
			}
			return e.importSetup(cmd.Context(), importer.Kind(args[0]), args[1], &f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.dialect, "dialect", "", "inetd: the `PROGRAM` that reads the file: "+strings.Join(inetdconf.Dialect("").Values(), ", "))
	flags.StringArrayVar(&f.mounts, "mount", nil, "where the web server has the app: `[NAME=]PATH`; repeatable")
	flags.StringArrayVar(&f.listens, "listen", nil, "where the program listens: `[NAME=]ADDRESS`, host:port or unix:/path; repeatable")
	flags.StringArrayVar(&f.users, "user", nil, "the user where the set-up names none: `[NAME=]USER`; repeatable")
	flags.StringVar(&f.name, "name", "", "`NAME` of the app, where there is one alone")
	flags.StringArrayVar(&f.env, "env", nil, "supervisord: `NAME=VALUE` for %(ENV_NAME)s; repeatable")
	flags.StringVar(&f.secretsDir, "secrets-dir", "", "variables that look like secrets become references to files in `DIR`, or DIR/APP of several")
	flags.StringVar(&f.out, "out", "", "`FILE` to write, or a folder that gets NAME.yaml for each app; default is standard output")
	flags.BoolVar(&f.force, "force", false, "overwrite files that are there")
	flags.BoolVar(&f.strict, "strict", false, "fail where anything is lost or refused")
	return cmd
}

// appValue is a value that may be for one app alone.
var appValue = regexp.MustCompile(`^([a-z][a-z0-9-]*)=`)

// byApp reads the values of a flag that may be repeated for several apps.
func byApp(flag string, values []string) (map[string]string, error) {
	out := make(map[string]string)
	for _, v := range values {
		name, value := "", v
		if m := appValue.FindStringSubmatch(v); m != nil {
			name, value = m[1], v[len(m[0]):]
		}
		if value == "" {
			return nil, usagef("", "--%s %q says nothing", flag, v)
		}
		if before, said := out[name]; said && before != value {
			return nil, usagef("", "--%s says %s and %s of the same app", flag, before, value)
		}
		out[name] = value
	}
	return out, nil
}

// options makes the importer's options of the flags.
func (f *importFlags) options() (*importer.Options, error) {
	o := &importer.Options{
		Dialect: inetdconf.Dialect(f.dialect), Name: f.name, SecretsDir: f.secretsDir, Env: make(map[string]string), Targets: generate.OptionTypes(),
	}
	for _, flag := range []struct {
		name   string
		values []string
		into   *map[string]string
	}{{"mount", f.mounts, &o.Mounts}, {"listen", f.listens, &o.Listens}, {"user", f.users, &o.Users}} {
		var err error
		if *flag.into, err = byApp(flag.name, flag.values); err != nil {
			return nil, err
		}
	}
	for _, pair := range f.env {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usagef("", "--env %q is no NAME=VALUE", pair)
		}
		o.Env[name] = value
	}
	return o, nil
}

func (e *env) importSetup(ctx context.Context, kind importer.Kind, name string, f *importFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	dialects := inetdconf.Dialect("").Values()
	switch {
	case kind == importer.Inetd && !slices.Contains(dialects, f.dialect):
		return usagef("--dialect takes "+strings.Join(dialects, ", "), "inetd needs --dialect: each inetd reads the same lines in another way")
	case kind != importer.Inetd && f.dialect != "":
		return usagef("", "--dialect is for inetd")
	case kind != importer.Supervisord && len(f.env) > 0:
		return usagef("", "--env is for supervisord, whose files have %%(ENV_NAME)s")
	}
	whole, err := filepath.Abs(e.path(name))
	if err != nil {
		return err
	}
	inRoot := strings.TrimPrefix(filepath.ToSlash(whole), "/")
	if inRoot == "" {
		inRoot = "."
	}
	result, err := importer.Read(ctx, kind, os.DirFS("/"), inRoot, name, o)
	if err != nil {
		return err
	}
	if o.Name != "" && len(result.Apps) > 1 {
		o.Name = "" // for the names that they have without it
		if result, err = importer.Read(ctx, kind, os.DirFS("/"), inRoot, name, o); err != nil {
			return err
		}
		o.Name = f.name
	}
	e.showNotes(result.Notes)
	if err := knownApps(result, o); err != nil {
		return err
	}
	if len(result.Apps) == 0 {
		return e.nothingImported(name, result)
	}
	files, err := e.writeImported(result.Apps, f)
	if err != nil {
		return err
	}
	if err := e.result(importJSON{Apps: result.Apps, Files: files, Notes: result.Notes}, func(w io.Writer) error {
		return showImported(w, result.Apps, files)
	}); err != nil {
		return err
	}
	e.say("%s: %s", plural(len(result.Apps), "app"), countNotes(result.Notes))
	if f.strict && slices.ContainsFunc(result.Notes, func(n importer.Note) bool { return n.Class == importer.Lost || n.Class == importer.Refused }) {
		return failf(exitInvalid, "", "not everything is imported; --strict takes nothing less")
	}
	return nil
}

// importJSON is the result with -o json; its keys only grow.
type importJSON struct {
	Apps  []importer.Description `json:"apps"`
	Files []string               `json:"files"` // what --out has written
	Notes []importer.Note        `json:"notes"`
}

// showNotes tells what a person has to know. With -q only the services that are
// not there are told of.
func (e *env) showNotes(notes []importer.Note) {
	last := ""
	for _, n := range notes {
		if n.String() == last {
			continue // the same of another app
		}
		last = n.String()
		if e.settings.LogLevel == "error" && n.Class != importer.Refused {
			continue
		}
		fmt.Fprintln(e.stderr, visible(n.String()))
		if n.Hint != "" {
			fmt.Fprintln(e.stderr, visible("    hint: "+n.Hint))
		}
	}
}

func countNotes(notes []importer.Note) string {
	var parts []string
	for _, class := range []importer.Class{importer.Lost, importer.Assumed, importer.Secret, importer.Skipped, importer.Refused} {
		n := 0
		for i := range notes {
			if notes[i].Class == class {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class))
		}
	}
	if len(parts) == 0 {
		return "nothing lost"
	}
	return strings.Join(parts, ", ")
}

// knownApps refuses flags for an app that is not there, and those of one app where
// there are several.
func knownApps(result *importer.Result, o *importer.Options) error {
	var known []string
	for _, a := range result.Apps {
		known = append(known, a.Name)
	}
	for _, flag := range []struct {
		name   string
		values map[string]string
	}{{"mount", o.Mounts}, {"listen", o.Listens}, {"user", o.Users}} {
		for _, name := range slices.Sorted(maps.Keys(flag.values)) {
			refused := func(n importer.Note) bool { return n.Class == importer.Refused && n.App == name }
			switch {
			case name == "" || slices.Contains(known, name):
			case slices.ContainsFunc(result.Notes, refused):
				return usagef("the message about it says why; leave the flag out, and the others are imported", "--%s names the app %q, which is refused", flag.name, name)
			default:
				return usagef("the apps are: "+strings.Join(known, ", "), "--%s names the app %q, which is not there", flag.name, name)
			}
		}
		own := len(flag.values)
		if value, forAll := flag.values[""]; forAll && flag.name != "user" && len(known)-(own-1) > 1 {
			return usagef("--"+flag.name+" NAME=… for each; the apps are: "+strings.Join(known, ", "), "--%s %s would be that of %d apps", flag.name, value, len(known)-(own-1))
		}
	}
	if o.Name != "" && len(known) > 1 {
		return usagef("import one of them, or rename them in their files; the apps are: "+strings.Join(known, ", "), "--name %s is for one app, and there are %d", o.Name, len(known))
	}
	return nil
}

// nothingImported fails, with the notes in the result.
func (e *env) nothingImported(name string, result *importer.Result) error {
	if e.settings.Output != "text" {
		if err := e.result(importJSON{Apps: result.Apps, Files: []string{}, Notes: result.Notes}, nil); err != nil {
			return err
		}
	}
	return failf(exitFailed, "", "%s: there is nothing to import: %s", name, countNotes(result.Notes))
}

func showImported(w io.Writer, apps []importer.Description, files []string) error {
	for _, file := range files {
		if _, err := fmt.Fprintf(w, "create     %s\n", file); err != nil {
			return err
		}
	}
	if len(files) > 0 {
		return nil
	}
	for i, a := range apps {
		if i > 0 {
			a.Text = "---\n" + a.Text
		}
		if _, err := io.WriteString(w, a.Text); err != nil {
			return err
		}
	}
	return nil
}

// writeImported writes what --out asks for, and returns the files. Nothing is
// written where one of them is there.
func (e *env) writeImported(apps []importer.Description, f *importFlags) ([]string, error) {
	files := []string{}
	if f.out == "" {
		return files, nil
	}
	info, err := os.Stat(e.path(f.out))
	folder := err == nil && info.IsDir() || strings.HasSuffix(f.out, "/") || len(apps) > 1
	for _, a := range apps {
		file := f.out
		if folder {
			file = filepath.Join(f.out, a.Name+".yaml")
		}
		if _, err := os.Lstat(e.path(file)); err == nil && !f.force {
			return nil, failf(exitRefused, "--force overwrites it", "%s is there already", file)
		}
		files = append(files, file)
	}
	for i, file := range files {
		if err := e.writeDescription(file, apps[i].Text, f.force); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// writeDescription makes a file. One that is there is replaced in one step by force;
// a link is replaced, and not followed.
func (e *env) writeDescription(name, text string, force bool) error {
	where := e.path(name)
	if err := os.MkdirAll(filepath.Dir(where), 0o755); err != nil {
		return err
	}
	path := where
	if force { // what is there stays until the new one is whole
		path = filepath.Join(filepath.Dir(where), ".scgikit-new-"+filepath.Base(where))
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil && force {
		err = os.Rename(path, where)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
