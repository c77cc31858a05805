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
	"scgikit/internal/importer"
)

// initFlags are the flags of init.
type initFlags struct {
	from   string
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
		{flag: "directory", field: "run.directory", ask: "Its working folder", example: "DIR", types: []string{"server", "wsgi"}},
		{flag: "user", field: "run.user", ask: "The user that runs it", example: "USER", must: true, preset: "www-data"},
		{flag: "listen", field: "listen", ask: "Where it listens: host:port or unix:/path", example: "ADDRESS", must: true, preset: "127.0.0.1:8040"},
		{flag: "listen-group", field: "listen.group", ask: "The web server's group, which may connect", example: "GROUP"},
		{flag: "mount", field: "http.mount", ask: "Its URL path on the web server", example: "PATH", must: true},
		{flag: "host", field: "http.host", ask: "Host names, if not all", example: "NAMES", words: true},
		{flag: "targets", field: "targets", ask: "What is to be generated, such as: nginx daemontools", example: "TARGETS", words: true},
	}
}

func newInitCmd(e *env) *cobra.Command {
	f := initFlags{values: make(map[string]*string)}
	cmd := &cobra.Command{
		Use:   "init [NAME]",
		Short: "write a description: questions, flags, or what a folder holds",
		Long: `Writes a description to scgikit.yaml, or to apps/NAME.yaml where there is a folder
apps. On a terminal it asks for what no flag says; elsewhere, and with --no-input,
what is missing becomes a placeholder, and is told of.

--from DIR looks for what a program is started by: manage.py of Django, wsgi.py or
another module with a WSGI callable, cgit.cgi, a cgi-bin or a folder of .cgi files,
a Procfile. Flags win over what is found. Set-ups that run already are for
scgikit import.`,
		Example: `  scgikit init wiki --type cgi --scripts /srv/wiki/cgi-bin/ --mount /wiki/ --user www --stdout

  mkdir -p /tmp/svc/hello
  echo 'application = None' > /tmp/svc/hello/wsgi.py
  scgikit init --from /tmp/svc/hello --stdout`,
		GroupID: groupDescribe,
		Args:    wants(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return e.init(cmd.Context(), name, &f, func(flag string) bool { return cmd.Flags().Changed(flag) })
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.from, "from", "", "look in `DIR` for a program")
	for _, q := range questions() {
		text := strings.ToLower(q.ask[:1]) + q.ask[1:]
		f.values[q.flag] = flags.String(q.flag, "", text+": `"+q.example+"`")
	}
	flags.BoolVar(&f.stdout, "stdout", false, "write to the standard output")
	flags.BoolVar(&f.force, "force", false, "overwrite what is there")
	return cmd
}

// interview is one run of init: what is known so far.
type interview struct {
	env     *env
	name    string
	from    string
	answers map[string]string // by flag
	in      *bufio.Reader
}

func (e *env) init(ctx context.Context, name string, f *initFlags, given func(string) bool) error {
	i := &interview{env: e, name: name, from: f.from, answers: make(map[string]string)}
	for _, q := range questions() {
		if given(q.flag) {
			i.answers[q.flag] = *f.values[q.flag]
		}
	}
	if err := i.wrongFlag(); err != nil {
		return err
	}
	if isTerminal(e.stdin) && !e.settings.NoInput {
		i.in = bufio.NewReader(e.stdin)
		if err := i.askAll(ctx); err != nil {
			return err
		}
	}
	if i.name == "" && i.from == "" {
		return usagef("scgikit init blog --type cgi …", "init needs the name of the app, or --from DIR")
	}
	result, err := i.result(ctx)
	if err != nil {
		return err
	}
	e.showNotes(result.Notes)
	if len(result.Apps) == 0 {
		hint := "give what is missing as flags: see scgikit init -h"
		if i.from != "" && len(result.Notes) == 0 {
			return failf(exitFailed, "name it with --type and the flags of that type", "%s: no manage.py, no module with a WSGI callable, no cgit.cgi, no cgi-bin and no Procfile", i.from)
		}
		return failf(exitInvalid, hint, "no description comes of it")
	}
	return i.write(result, f)
}

// wrongFlag refuses flags that are for another type of app.
func (i *interview) wrongFlag() error {
	if v, ok := i.answers["listen"]; ok && v == "" {
		return usagef("--listen 127.0.0.1:8040, or unix:/run/scgikit/blog.sock", "--listen is empty")
	}
	kind, ok := i.answers["type"]
	if !ok {
		return nil
	}
	for _, q := range questions() {
		if _, given := i.answers[q.flag]; given && len(q.types) > 0 && !slices.Contains(q.types, kind) {
			return usagef("", "--%s is for an app of type %s, and --type says %s", q.flag, strings.Join(q.types, " or "), kind)
		}
	}
	return nil
}

// result makes the description of what is known.
func (i *interview) result(ctx context.Context) (*importer.Result, error) {
	o := &importer.Options{Name: i.name, Targets: generate.OptionTypes(), Listens: map[string]string{}}
	if v := i.answers["listen"]; v != "" {
		o.Listens[""] = v
	}
	for _, q := range questions() {
		v, ok := i.answers[q.flag]
		if !ok || v == "" || q.flag == "listen" {
			continue
		}
		a := importer.Answer{Field: q.field, Words: []string{v}, List: q.words}
		if q.words {
			words, err := importer.Words(v)
			if err != nil {
				return nil, usagef("", "--%s: %w", q.flag, err)
			}
			a.Words = words
		}
		o.Answers = append(o.Answers, a)
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

// askAll asks for what no flag says and, with --from, the folder does not.
func (i *interview) askAll(ctx context.Context) error {
	found := ""
	if i.from != "" {
		result, err := i.result(ctx)
		if err != nil {
			return err
		}
		if len(result.Apps) > 0 {
			found = result.Apps[0].Text
		}
	}
	if i.name == "" {
		preset := ""
		if i.from != "" {
			preset = filepath.Base(i.env.path(i.from))
		}
		if err := i.ask(ctx, "Name of the app", preset, func(v string) (string, bool) { i.name = v; return i.complaint(ctx, "name") }, true); err != nil {
			return err
		}
	}
	for _, q := range questions() {
		_, given := i.answers[q.flag]
		if given || found != "" && !slices.Contains([]string{"user", "listen", "mount", "targets"}, q.flag) || !i.wanted(&q) {
			continue
		}
		preset := q.preset
		if q.flag == "mount" {
			preset = "/" + i.name + "/"
		}
		err := i.ask(ctx, q.ask, preset, func(v string) (string, bool) {
			i.answers[q.flag] = v
			if v == "" {
				return "", true
			}
			return i.complaint(ctx, q.field)
		}, q.must)
		if err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether a question is one for this app.
func (i *interview) wanted(q *question) bool {
	switch {
	case len(q.types) > 0 && !slices.Contains(q.types, i.answers["type"]):
		return false
	case q.flag == "scripts":
		return i.answers["script"] == ""
	case q.flag == "listen-group":
		return strings.HasPrefix(i.answers["listen"], "unix:") || strings.HasPrefix(i.answers["listen"], "/")
	}
	return true
}

// complaint returns what is wrong with a field of what is known so far.
func (i *interview) complaint(ctx context.Context, field string) (string, bool) {
	result, err := i.result(ctx)
	if err != nil {
		return err.Error(), false
	}
	for _, n := range result.Notes {
		if (n.Class == importer.Lost || n.Class == importer.Refused || field == "name") && (n.Field == field || strings.HasPrefix(n.Field, field+".") || strings.HasPrefix(n.Field, field+"[")) {
			return n.Message, false
		}
	}
	return "", true
}

// ask asks until the answer is taken, or the input ends.
func (i *interview) ask(ctx context.Context, text, preset string, take func(string) (string, bool), must bool) error {
	for {
		shown := ""
		if preset != "" {
			shown = " [" + preset + "]"
		}
		fmt.Fprintf(i.env.stderr, "%s%s: ", visible(text), visible(shown))
		line, err := i.line(ctx)
		if err != nil {
			return err
		}
		if line = strings.TrimSpace(line); line == "" {
			line = preset
		}
		if line == "" && must {
			continue
		}
		complaint, ok := take(line)
		if ok {
			return nil
		}
		fmt.Fprintf(i.env.stderr, "  %s\n", visible(complaint))
	}
}

// line reads a line, until the context ends.
func (i *interview) line(ctx context.Context) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := i.in.ReadString('\n')
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			fmt.Fprintln(i.env.stderr)
			return "", usagef("every answer is a flag as well: scgikit init -h", "the answers ended before the questions")
		}
		return r.text, nil
	case <-ctx.Done():
		fmt.Fprintln(i.env.stderr)
		return "", ctx.Err()
	}
}

// write puts the descriptions where they belong.
func (i *interview) write(result *importer.Result, f *initFlags) error {
	files := []string{}
	if !f.stdout {
		var err error
		if files, err = i.files(result.Apps, f.force); err != nil {
			return err
		}
		for n, file := range files {
			if err := i.env.writeDescription(file, result.Apps[n].Text, f.force); err != nil {
				return err
			}
		}
	}
	return i.env.result(importJSON{Apps: result.Apps, Files: files, Notes: result.Notes}, func(w io.Writer) error {
		return showImported(w, result.Apps, files)
	})
}

// files returns where each description goes. None of them is there yet.
func (i *interview) files(apps []importer.Description, force bool) ([]string, error) {
	dir := i.env.settings.AppsDir
	info, err := os.Stat(i.env.path(dir))
	many := err == nil && info.IsDir() || len(apps) > 1
	var files []string
	for _, a := range apps {
		file := "scgikit.yaml"
		if many {
			file = filepath.Join(dir, a.Name+".yaml")
		}
		if _, err := os.Lstat(i.env.path(file)); err == nil && !force {
			return nil, failf(exitRefused, "--force overwrites it; a second app belongs in "+filepath.Join(dir, "NAME.yaml"), "%s is there already", file)
		}
		files = append(files, file)
	}
	return files, nil
}
