package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// The groups of the help screen.
const (
	groupDescribe = "describe"
	groupReview   = "review"
	groupApply    = "apply"
	groupRun      = "run"
	groupMachine  = "machine"
)

// settingsOptional marks commands that work although the settings have errors:
// they say where settings stand, or have nothing to do with them.
const settingsOptional = "settings-optional"

// newRootCmd returns the whole command line. It does no work: help must come at once.
func newRootCmd(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "scgikit",
		Short: "one description of a small web program, every configuration",
		Long: `scgikit reads the description of a small web program (CGI, WSGI, SCGI) and
writes the configuration of everything around it: web server, super-server or
supervisor, and log. The files go to a folder of your repository, for review.`,
		Example: `  scgikit validate
  scgikit generate nginx daemontools
  scgikit check`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return e.prepare(cmd)
		},
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	e.addGlobalFlags(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if !cmd.HasParent() {
			// "scgikit generat --prune" is about the command, not the flag.
			if words := cmd.Flags().Args(); len(words) > 0 {
				return unknownCommand(cmd, words[0])
			}
		}
		return usagef("see: "+cmd.CommandPath()+" -h", "%w", err)
	})
	root.SetHelpFunc(e.showHelp)
	root.AddGroup(
		&cobra.Group{ID: groupDescribe, Title: "Describe an app:"},
		&cobra.Group{ID: groupReview, Title: "Review what is generated:"},
		&cobra.Group{ID: groupApply, Title: "Apply it to a machine:"},
		&cobra.Group{ID: groupRun, Title: "Run it:"},
		&cobra.Group{ID: groupMachine, Title: "The tool and the machine:"},
	)
	root.SetHelpCommand(newHelpCmd(e))
	root.AddCommand(commands(e)...)
	return root
}

// commands returns every command, in the order of the help screen.
func commands(e *env) []*cobra.Command {
	list := []*cobra.Command{
		newImportCmd(e),
		newInitCmd(e),
		newValidateCmd(e),
		newExplainCmd(e),
		newFmtCmd(e),
		newSchemaCmd(e),
		newGenerateCmd(e),
		newCheckCmd(e),
		newDiffCmd(e),
		newEjectCmd(e),
		newInstallCmd(e),
		newUninstallCmd(e),
		newInstalledCmd(e),
		newRollbackCmd(e),
		newDevCmd(e),
		newRequestCmd(e),
		newStatusCmd(e),
		newStartCmd(e),
		newStopCmd(e),
		newRestartCmd(e),
		newReloadCmd(e),
		newSignalCmd(e),
		newLogsCmd(e),
		newSuperviseCmd(),
		newDoctorCmd(e),
		newServiceCmd(e),
		newConfigCmd(e),
		newCompletionCmd(e),
		newManCmd(e),
		newVersionCmd(e),
		newZstdFilterCmd(e),
	}
	for _, h := range handovers() {
		list = append(list, newHandoverCmd(h[0], h[1]))
	}
	return list
}

func (e *env) addGlobalFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVarP(&e.flags.dir, "chdir", "C", "", "start in `DIR`")
	flags.StringArrayVarP(&e.flags.files, "file", "f", nil, "description `PATH` to read, - is stdin; default scgikit.yaml, else apps/*.yaml; repeatable")
	flags.StringVar(&e.flags.profile, "profile", "", "profile `NAME` of the description to apply")
	flags.StringArrayVar(&e.flags.sets, "set", nil, "set a field: `PATH=VALUE`; repeatable")
	flags.StringVarP(&e.flags.output, "output", "o", "text", "`FORM` of the result: text, json or yaml")
	flags.StringVar(&e.flags.color, "color", "auto", "escape sequences, `WHEN`: auto, always or never")
	flags.BoolVarP(&e.flags.quiet, "quiet", "q", false, "only results and errors")
	flags.BoolVarP(&e.flags.verbose, "verbose", "v", false, "say more on stderr")
	flags.BoolVar(&e.flags.noInput, "no-input", false, "never ask")
	flags.StringVar(&e.flags.config, "config", "", "`FILE` of settings in place of the user's")
	flags.BoolP("help", "h", false, "show help")
	fixed := func(words ...string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return words, cobra.ShellCompDirectiveNoFileComp
		}
	}
	// These fail only for a flag that does not exist or has a function already.
	_ = root.RegisterFlagCompletionFunc("output", fixed(outputFormats...))
	_ = root.RegisterFlagCompletionFunc("color", fixed(colorWords...))
}

// prepare runs before every command.
func (e *env) prepare(cmd *cobra.Command) error {
	if e.flags.quiet && e.flags.verbose {
		return usagef("give one of them", "-q and -v contradict each other")
	}
	if err := e.checkFolder(); err != nil {
		return err
	}
	err := e.loadSettings(cmd)
	if err == nil || cmd.Annotations[settingsOptional] == "" {
		return err
	}
	e.settings.Output, e.settings.Color = e.flags.output, e.flags.color
	return nil
}

func unknownCommand(cmd *cobra.Command, word string) error {
	hint := "scgikit -h lists the commands"
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef(hint, "there is no command %q", word)
}

// groupOf returns a command that only holds others.
func groupOf(c *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("see: "+cmd.CommandPath()+" -h", "%s needs one of: %s", cmd.Name(), strings.Join(names(subs), ", "))
		}
		return usagef("see: "+cmd.CommandPath()+" -h", "%s has no %q, only: %s", cmd.Name(), args[0], strings.Join(names(subs), ", "))
	}
	c.RunE = func(*cobra.Command, []string) error { return nil }
	c.AddCommand(subs...)
	return c
}

func names(cmds []*cobra.Command) []string {
	var out []string
	for _, c := range cmds {
		out = append(out, c.Name())
	}
	return out
}
