package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"scgikit/generate"
)

// topic is a text of help that belongs to no single command.
type topic struct {
	name  string
	short string
	text  func() string
}

// topics returns every topic, sorted by name.
func topics() []topic {
	return []topic{
		{"environment", "the variables scgikit reads", environmentTopic},
		{"exit-codes", "what the process ends with", exitCodesTopic},
		{"files", "the files scgikit reads and writes", filesTopic},
		{"logging", "how logs are written, rotated and read", loggingTopic},
		{"security", "what scgikit does not do", securityTopic},
		{"targets", "the programs scgikit writes configuration for", targetsTopic},
	}
}

func topicNames() []string {
	var out []string
	for _, t := range topics() {
		out = append(out, t.name)
	}
	return out
}

func newHelpCmd(e *env) *cobra.Command {
	return &cobra.Command{
		Use:         "help [COMMAND|TOPIC]",
		Short:       "help on a command or a topic",
		Long:        "Shows the help of a command, or a text on one of the topics\n" + strings.Join(topicNames(), ", ") + ".",
		Example:     "  scgikit help generate\n  scgikit help exit-codes",
		GroupID:     groupMachine,
		Annotations: map[string]string{settingsOptional: "yes"},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			shown := slices.DeleteFunc(slices.Clone(cmd.Root().Commands()), func(c *cobra.Command) bool { return !listed(c) })
			return append(names(shown), topicNames()...), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Root().Help()
			}
			for _, t := range topics() {
				if len(args) == 1 && t.name == args[0] {
					text := t.text()
					return e.result(map[string]string{"topic": t.name, "text": text}, func(w io.Writer) error {
						_, err := io.WriteString(w, text)
						return err
					})
				}
			}
			found, rest, err := cmd.Root().Find(args)
			if err != nil || found == cmd.Root() || len(rest) > 0 {
				hint := "scgikit -h lists the commands; topics: " + strings.Join(topicNames(), ", ")
				return usagef(hint, "there is no command or topic %q", strings.Join(args, " "))
			}
			return found.Help()
		},
	}
}

// table writes rows of cells as indented columns.
func table(rows [][]string) string { return columns("  ", rows) }

// columns writes rows of cells as columns, each line behind an indent and
// without blanks at its end.
func columns(indent string, rows [][]string) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // writing to a Builder does not fail
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(indent + strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

func exitCodesTopic() string {
	var rows [][]string
	for _, row := range exitCodes() {
		rows = append(rows, []string{fmt.Sprint(int(row.Code)), row.Kind, row.Meaning})
	}
	return "Exit codes. The word is \"kind\" in the errors of -o json:\n\n" + table(rows) +
		"\nWhat run scripts start, scgi-run, has those of daemontools: 100 where the command line\n" +
		"is wrong, and trying again is of no use, and 111 where the machine is in trouble.\n"
}

func environmentTopic() string {
	rows := [][]string{
		{"NO_COLOR", "any value: no escape sequences"},
		{"TERM", "dumb or empty: no escape sequences"},
		{"XDG_CONFIG_HOME, HOME", "where the user's settings and templates are"},
		{"XDG_STATE_HOME, HOME", "where dev keeps logs; its apps get all of its variables"},
		{"TZ", "the time zone of logs"},
		{"PATH", "where check finds sh and web servers, and dev scgi-run"},
	}
	for _, s := range settingsList() {
		rows = append(rows, []string{s.variable(), s.Doc})
	}
	return `Variables. An empty one counts as not set; other SCGIKIT_* variables are not
read. None reaches a description, but for those that its vars_from_env names:

` + table(rows)
}

func filesTopic() string {
	var rows [][]string
	for _, s := range settingsList() {
		mark := " "
		if s.Machine {
			mark = "*"
		}
		rows = append(rows, []string{mark + " " + s.Key, s.Doc})
	}
	return `Read:
  scgikit.yaml                 the description of one app
  apps/NAME.yaml               the descriptions of several, where there is no scgikit.yaml
  apps/NAME.PROFILE.yaml       what --profile PROFILE changes in apps/NAME.yaml
  templates/TARGET/NAME.tmpl   templates that replace built-in ones, see: scgikit eject -h
  $XDG_CONFIG_HOME/scgikit/templates/TARGET/NAME.tmpl
                               the same, of the user; used where the project has none
  .scgikit.yaml                settings of the project
  $XDG_CONFIG_HOME/scgikit/config.yaml
                               settings of the user
  /etc/scgikit/config.yaml     settings of the machine

Written:
  /var/lib/scgikit/receipts.json
                               what is installed; beside it, what rollback needs. Of a
                               user's own Homebrew: PREFIX/var/scgikit/receipts.json
  deploy/TARGET/…              generated files, for review and for your repository
  $XDG_STATE_HOME/scgikit/dev/PROJECT/NAME.log
                               what the apps of dev write; --log-dir chooses another folder
  deploy/.scgikit-manifest.json
                               every generated file with mode, owner and digest. Empty
                               folders, and links that lead out of deploy/, stand in it
                               alone: a repository can not hold them

A good .gitattributes has the line
  deploy/** linguist-generated=true text eol=lf

Settings, weakest first: default, machine, user, project, SCGIKIT_* variable, flag.
The project's file holds none with a * and no folder outside of the project:

` + columns("", rows)
}

func loggingTopic() string {
	rows := [][]string{
		{"log.timestamp", "tai64n, iso (UTC) or none"},
		{"log.max_size, keep", "when the file is rotated, and how many are kept"},
		{"log.rotate_after", "it is rotated at this age, too"},
		{"log.max_total, max_age", "when rotated files are removed"},
		{"log.compress", "gzip or zstd, of rotated files"},
		{"log.filter, processor", "what is kept, and what is made of a rotated file"},
	}
	files := [][]string{
		{"current", "the log of now"},
		{"@TIME.s", "rotated, complete; .gz or .zst behind it: compressed"},
		{"@TIME.u", "cut off, because its logger was killed, or not processed"},
		{"lock", "held by the logger"},
	}
	return `Generated service folders write logs with multilog, or with scgi-run multilog where
the description asks for what multilog does not know. The fields:

` + table(rows) + `
The files of a log folder; TIME is 24 digits of TAI64N, and sorts:

` + table(files) + `
Reading them:
  scgikit logs APP             rotated and compressed files, too, with times as people read them
  scgikit logs -f APP          goes on with what comes

"scgi-run help multilog" has the language of the logger's command line, which is multilog's.
`
}

func targetsTopic() string {
	var rows, sources [][]string
	for _, t := range generate.Targets() {
		rows = append(rows, []string{t.Name, t.Kind.String(), t.Summary})
		sources = append(sources, []string{t.Name, t.Source})
	}
	return "Targets, as generate and diff take them; \"all\" is every one that an app fits:\n\n" + table(rows) +
		"\nTheir documentation:\n\n" + table(sources) +
		"\n\"scgikit explain --matrix\" shows what becomes of each field under each target.\n"
}

func securityTopic() string {
	return `What this version keeps:

  - Every value is written by the quoting function of its syntax, or refused by name.
  - No shell runs on your text. check starts sh -n, nginx -t, lighttpd -tt,
    apache2 -t, haproxy -c and caddy validate on copies in a private folder;
    install tests the
    complete configuration as well, and then tells the servers.
  - generate writes in --out-dir (and eject in the folder of templates) alone. A link
    there that leads outside is refused, as is a file that it did not make, and
    one that was changed by hand; --force overrides the last two.
  - install and uninstall write what their plan shows, and their records below
    /var/lib/scgikit. A folder that another user could change is refused, a file that
    scgikit did not install is never replaced, and what goes wrong is undone. Records
    are believed where nobody else could have written them.
  - Equal descriptions give equal bytes: no date, host, user, path or version is
    in a generated file.
  - A secret is a reference to a file in the description, and is never read.
  - A project's .scgikit.yaml can not name a program to run or a place on the machine.
  - logs follows no link in a log folder, and on a terminal shows control characters
    of a log as what they are.
  - It opens no network connection and no port, but for dev and request, which do
    what their names say.
`
}
