package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/importer"
	"scgikit/internal/inetdconf"
)

// initFlags are the flags of init.
type initFlags struct {
	from   string
	app    string
	values map[string]*string // by the name of the question
	stdout bool
	force  bool
}

// question is one of init's: its flag, and what is asked on a terminal.
type question struct {
	flag    string
	field   string
	ask     string
	example string   // of the flag's value
	types   []string // of the app; all, where there is none
	words   bool     // a list of words
	must    bool     // a description can not be without it
	preset  string   // what an empty answer means; "" is to leave the field out
	found   bool     // it is asked of what --from finds as well
}

// questions returns what init asks, in this order.
func questions() []question {
	return []question{
		{flag: "type", field: "type", ask: "What is it: server (it listens by itself), cgi or wsgi", example: "TYPE", must: true, preset: "cgi"},
		{flag: "command", field: "run.command", ask: "Program and arguments", example: "WORDS", types: []string{"server"}, words: true, must: true},
		{flag: "protocol", field: "protocol", ask: "What the web server speaks to it: scgi, fastcgi, uwsgi, http or ajp", example: "PROTOCOL", types: []string{"server"}, preset: "scgi"},
		{flag: "script", field: "cgi.script", ask: "The script; empty for a folder of them", example: "PATH", types: []string{"cgi"}},
		{flag: "scripts", field: "cgi.directory", ask: "The folder of scripts, with a final slash", example: "DIR", types: []string{"cgi"}, must: true},
		{flag: "module", field: "wsgi.module", ask: "Module and callable, such as shop.wsgi:application", example: "MODULE:CALLABLE", types: []string{"wsgi"}, must: true},
		{flag: "python", field: "wsgi.python", ask: "Its Python, such as that of a virtual environment; empty for /usr/bin/python3", example: "PROGRAM", types: []string{"wsgi"}},
		{flag: "directory", field: "run.directory", ask: "Its working folder", example: "DIR", types: []string{"server", "wsgi"}},
		{flag: "user", field: "run.user", ask: "The user that runs it", example: "USER", must: true, preset: "www-data", found: true},
		{flag: "listen", field: "listen", ask: "Where it listens: host:port or unix:/path", example: "ADDRESS", must: true, preset: "127.0.0.1:8040", found: true},
		{flag: "listen-group", field: "listen.group", ask: "The web server's group, which may connect", example: "GROUP", preset: "www-data", found: true},
		{flag: "host", field: "http.host", ask: "Host names, if not all", example: "NAMES", words: true, found: true},
		{flag: "mount", field: "http.mount", ask: "Its URL path on the web server", example: "PATH", must: true, found: true},
		{flag: "targets", field: "targets", ask: "What is to be generated, such as: nginx daemontools", example: "TARGETS", words: true, found: true},
		{flag: "dialect", field: "options.inetd.dialect", ask: "The inetd that reads its line: freebsd, netbsd, openbsd (and Debian's), inetutils or busybox", example: "PROGRAM", must: true, found: true},
	}
}

func newInitCmd(e *env) *cobra.Command {
	f := initFlags{values: make(map[string]*string)}
	cmd := &cobra.Command{
		Use:   "init [NAME]",
		Short: "write a description: questions, flags, or what a folder holds",
		Long: `Writes a description to scgikit.yaml, or to apps/NAME.yaml where there is a folder
apps. On a terminal it asks for what no flag says; elsewhere, and with --no-input,
what is missing becomes a placeholder, and is told of. Nothing is written that
validate or generate would refuse.

--from DIR looks for what a program is started by: manage.py of Django, wsgi.py or
another module with a WSGI callable, cgit.cgi, a cgi-bin or a folder of .cgi files,
a Procfile. It reads, and runs nothing. Of several apps it asks which, or --app says
it. Flags win over what is found. Set-ups that run already are for scgikit import.

--set PATH=VALUE writes any other field.`,
		Example: `  scgikit init wiki --type cgi --scripts /srv/wiki/cgi-bin/ --mount /wiki/ --user www --stdout

  mkdir -p /tmp/svc/hello
  echo 'from wsgiref.simple_server import demo_app as application' > /tmp/svc/hello/wsgi.py
  scgikit init --from /tmp/svc/hello --stdout`,
		GroupID: groupDescribe,
		Args:    wants(0, 1),
		PreRunE: exclusive("script", "scripts"),
		RunE: func(cmd *cobra.Command, args []string) error {
			i := &interview{env: e, answers: make(map[string]string), from: f.from, app: f.app, flagged: cmd.Flags().Changed, named: len(args) > 0}
			if len(args) > 0 {
				i.name = args[0]
			}
			for _, q := range questions() {
				if cmd.Flags().Changed(q.flag) {
					i.answers[q.flag] = *f.values[q.flag]
				}
			}
			return i.run(cmd.Context(), &f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.from, "from", "", "look in `DIR` for a program")
	flags.StringVar(&f.app, "app", "", "the `APP` of several in DIR, as they are listed")
	for _, q := range questions() {
		text := strings.ToLower(q.ask[:1]) + q.ask[1:]
		f.values[q.flag] = flags.String(q.flag, "", text+": `"+q.example+"`")
	}
	// These fail only for a flag that does not exist or has a function already.
	for flag, words := range map[string][]string{
		"type": appfile.Type("").Values(), "protocol": appfile.Protocol("").Values(), "dialect": inetdconf.Dialect("").Values(), "targets": targetNames(),
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	flags.BoolVar(&f.stdout, "stdout", false, "write to the standard output")
	flags.BoolVar(&f.force, "force", false, "overwrite what is there")
	return cmd
}

// interview is one run of init: what is known so far.
type interview struct {
	env     *env
	name    string
	named   bool // on the command line
	from    string
	app     string
	answers map[string]string // by flag
	flagged func(string) bool // whether a flag is given
	in      *bufio.Reader
	taken   []int              // ports
	free    func(string) error // whether an app may be written
}

func (i *interview) run(ctx context.Context, f *initFlags) error {
	if err := i.wrongFlag(); err != nil {
		return err
	}
	result, err := i.result(ctx)
	if err != nil {
		return err
	}
	if err := i.wrong(result); err != nil {
		return err
	}
	if isTerminal(i.env.stdin) && !i.env.settings.NoInput {
		i.in = bufio.NewReader(i.env.stdin)
		i.free = func(name string) error { return i.isFree(name, f) }
		if err := i.free(i.name); err != nil && (i.name != "" || i.file("") == i.file("x")) {
			return err // before any question
		}
		if result, err = i.askAll(ctx, result); err != nil {
			return err
		}
	}
	if len(result.Choices) > 0 {
		return usagef("--app takes one of: "+choices(result), "%s holds several apps, and --app names none of them", i.from)
	}
	if i.name == "" && i.from == "" {
		return usagef("scgikit init blog --type cgi …", "init needs the name of the app, or --from DIR")
	}
	i.env.showNotes(result.Notes)
	if len(result.Apps) == 0 {
		if result.Lacks != "" {
			return failf(exitFailed, "name it with --type and the flags of that type", "%s: %s", i.from, result.Lacks)
		}
		hint := "give what is missing as flags: see scgikit init -h"
		if slices.ContainsFunc(result.Notes, refusedWhole) {
			hint = "" // the note has one
		}
		return failf(exitInvalid, hint, "no description comes of it")
	}
	files, err := i.files(result.Apps, f)
	if err != nil {
		return err
	}
	list, err := i.generated(result)
	if err != nil {
		return err
	}
	if list.HasErrors() {
		return i.refused(list)
	}
	return i.write(result, files, f)
}

// refusedWhole reports whether a note is of an app that flags for single fields do not
// mend.
func refusedWhole(n importer.Note) bool { return n.Class == importer.Refused && n.Field == "" }

func choices(result *importer.Result) string {
	const most = 20
	var out []string
	for n, c := range result.Choices {
		if n == most {
			out = append(out, fmt.Sprintf("and %d more", len(result.Choices)-most))
			break
		}
		out = append(out, c.ID)
	}
	return strings.Join(out, ", ")
}

// result makes the description of what is known.
func (i *interview) result(ctx context.Context) (*importer.Result, error) {
	o := &importer.Options{Name: i.name, App: i.app, Type: i.kind(), Targets: generate.OptionTypes(), Ports: i.ports()}
	if _, given := i.answers["type"]; !given && o.Type != "" {
		o.Answers = append(o.Answers, importer.Answer{Field: "type", Words: []string{o.Type}, Flag: "type"})
	}
	for _, q := range questions() {
		v := i.answers[q.flag]
		if v == "" {
			continue
		}
		a := importer.Answer{Field: q.field, Words: []string{v}, List: q.words, Flag: q.flag}
		if q.words {
			words, err := importer.Words(v)
			if err != nil {
				return nil, usagef("", "--%s: %w", q.flag, err)
			}
			if len(words) == 0 {
				continue
			}
			a.Words = words
		}
		o.Answers = append(o.Answers, a)
	}
	for _, set := range i.env.flags.sets {
		field, value, _ := strings.Cut(set, "=")
		o.Answers = append(o.Answers, importer.Answer{Field: field, Words: []string{value}, YAML: true, Flag: "set " + field})
	}
	if i.from == "" {
		return importer.New("scgikit init", o), nil
	}
	whole, err := filepath.Abs(i.env.path(i.from))
	if err != nil {
		return nil, err
	}
	inRoot := strings.TrimPrefix(filepath.ToSlash(whole), "/")
	if inRoot == "" {
		inRoot = "."
	}
	return importer.Read(ctx, importer.Project, os.DirFS("/"), inRoot, i.from, o)
}

// kind is the type of the app, as far as flags and answers say it.
func (i *interview) kind() string {
	if kind := i.answers["type"]; kind != "" {
		return kind
	}
	for _, q := range questions() {
		if len(q.types) == 1 && q.flag != "protocol" && i.answers[q.flag] != "" {
			return q.types[0]
		}
	}
	return ""
}

// write puts the descriptions where they belong.
func (i *interview) write(result *importer.Result, files []string, f *initFlags) error {
	for n, file := range files {
		if err := i.env.writeDescription(file, result.Apps[n].Text, f.force); err != nil {
			return err
		}
	}
	return i.env.result(importJSON{Apps: result.Apps, Files: files, Notes: result.Notes}, func(w io.Writer) error {
		return showImported(w, result.Apps, files)
	})
}

// files returns where each description goes; with --stdout there is none. None of them
// is there yet.
func (i *interview) files(apps []importer.Description, f *initFlags) ([]string, error) {
	files := []string{}
	if f.stdout {
		return files, nil
	}
	for _, a := range apps {
		if err := i.isFree(a.Name, f); err != nil {
			return nil, err
		}
		files = append(files, i.file(a.Name))
	}
	return files, nil
}

// isFree returns an error where the description of an app would overwrite a file.
func (i *interview) isFree(name string, f *initFlags) error {
	const single = "scgikit.yaml"
	file := i.file(name)
	if f.stdout {
		return nil
	}
	if _, err := os.Lstat(i.env.path(single)); err == nil && file != single {
		return failf(exitRefused, "mv "+single+" "+filepath.Join(i.env.settings.AppsDir, "NAME.yaml")+", with its name for NAME",
			"%s is there: a project has that, or %s", single, filepath.Join(i.env.settings.AppsDir, "*.yaml"))
	}
	if _, err := os.Lstat(i.env.path(file)); err == nil && !f.force {
		return failf(exitRefused, "--force overwrites it; a second app belongs in "+filepath.Join(i.env.settings.AppsDir, "NAME.yaml"), "%s is there already", file)
	}
	return nil
}

// file is where the description of an app belongs.
func (i *interview) file(name string) string {
	dir := i.env.settings.AppsDir
	if info, err := os.Stat(i.env.path(dir)); err == nil && info.IsDir() {
		return filepath.Join(dir, name+".yaml")
	}
	return "scgikit.yaml"
}

// values are the words of an answer.
func (i *interview) values(flag string) []string {
	words, _ := importer.Words(i.answers[flag])
	return words
}
