package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// showHelp writes the help of a command: what to type first, because that is
// what most people look for. It runs before the settings are read, so that a
// broken file of settings does not take the help away.
func (e *env) showHelp(cmd *cobra.Command, _ []string) {
	e.settings.Output, e.settings.Color = e.flags.output, e.flags.color
	text := helpOf(cmd)
	// stdout itself is broken where this fails; nobody is left to tell.
	_ = e.result(map[string]string{"command": cmd.CommandPath(), "help": text}, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

// helpOf returns the help text of a command.
func helpOf(cmd *cobra.Command) string {
	var b strings.Builder
	if cmd.Example != "" {
		b.WriteString("Example:\n" + strings.TrimRight(cmd.Example, "\n") + "\n\n")
	}
	about := cmd.Long
	if about == "" {
		about = upperFirst(cmd.Short) + "."
	}
	b.WriteString(strings.TrimSpace(about) + "\n\n")
	fmt.Fprintf(&b, "Usage:\n  %s\n", usageLine(cmd))
	commandList(&b, cmd)
	if flags := cmd.NonInheritedFlags(); cmd.HasParent() && flags.HasAvailableFlags() {
		b.WriteString("\nFlags:\n" + flagList(flags))
	}
	if cmd.HasParent() {
		b.WriteString("\nFlags of every command:\n" + flagList(cmd.InheritedFlags()))
	} else {
		b.WriteString("\nFlags of every command:\n" + flagList(cmd.PersistentFlags()))
		fmt.Fprintf(&b, "\n\"scgikit COMMAND -h\" says more about a command, \"scgikit help TOPIC\" about\n%s.\n", strings.Join(topicNames(), ", "))
	}
	return b.String()
}

func usageLine(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return "scgikit COMMAND [ARG…] [FLAG…]"
	}
	line := strings.TrimSuffix(cmd.UseLine(), " [flags]")
	return line + " [FLAG…]"
}

// commandList writes the commands below cmd, by group where it has groups.
func commandList(b *strings.Builder, cmd *cobra.Command) {
	width := 0
	for _, c := range cmd.Commands() {
		if listed(c) {
			width = max(width, len(c.Name()))
		}
	}
	if width == 0 {
		return
	}
	list := func(title, group string) {
		first := true
		for _, c := range cmd.Commands() {
			if !listed(c) || c.GroupID != group {
				continue
			}
			if first {
				b.WriteString("\n" + title + "\n")
				first = false
			}
			fmt.Fprintf(b, "  %-*s  %s\n", width, c.Name(), c.Short)
		}
	}
	for _, g := range cmd.Groups() {
		list(g.Title, g.ID)
	}
	list("Commands:", "")
}

// listed reports whether help names a command: all but hidden ones. Cobra
// leaves out its help command, which is the way to the topics here.
func listed(c *cobra.Command) bool {
	return c.IsAvailableCommand() || (c.Name() == "help" && !c.Hidden)
}

// flagList is pflag's list with sentences that fit 100 columns.
func flagList(flags *pflag.FlagSet) string { return flags.FlagUsagesWrapped(100) }

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
