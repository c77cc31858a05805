package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newManCmd(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "write the man pages to a folder",
		Long: `Writes a man page for every command, and one for every topic of "scgikit help",
to a folder, which is made where it is missing. The pages hold no date, so that
equal programs write equal pages.`,
		Example:     "  scgikit man /tmp/man && man -l /tmp/man/scgikit.1",
		GroupID:     groupMachine,
		Args:        wants(1, 1),
		Annotations: map[string]string{settingsOptional: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := e.path(args[0])
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			written, err := writeManPages(dir, cmd.Root())
			if err != nil {
				return err
			}
			return e.result(map[string]any{"dir": args[0], "files": written}, func(w io.Writer) error {
				for _, name := range written {
					fmt.Fprintln(w, filepath.Join(args[0], name))
				}
				return nil
			})
		},
	}
}

// writeManPages writes a page for cmd and all below it, and for every topic,
// and returns the names of the files in order.
func writeManPages(dir string, root *cobra.Command) ([]string, error) {
	root.InitDefaultHelpCmd()
	var written []string
	write := func(name, text string) error {
		written = append(written, name)
		return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
	}
	var walk func(*cobra.Command) error
	walk = func(c *cobra.Command) error {
		if err := write(strings.ReplaceAll(c.CommandPath(), " ", "-")+".1", manPage(c)); err != nil {
			return err
		}
		for _, sub := range c.Commands() {
			if err := walk(sub); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(root); err != nil {
		return nil, err
	}
	for _, t := range topics() {
		text := manHead("scgikit-"+t.name, 7, t.short) + ".SH DESCRIPTION\n" + roffBlock(t.text())
		if err := write("scgikit-"+t.name+".7", text); err != nil {
			return nil, err
		}
	}
	return written, nil
}

// manPage returns the page of a command in the man macros.
//
// Source: man-pages(7) for the order of the sections, groff_man(7) for the macros.
func manPage(c *cobra.Command) string {
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	var b strings.Builder
	b.WriteString(manHead(name, 1, c.Short))
	b.WriteString(".SH SYNOPSIS\n.B " + roff(usageLine(c)) + "\n")
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n" + roffBlock(c.Example))
	}
	about := c.Long
	if about == "" {
		about = upperFirst(c.Short) + "."
	}
	b.WriteString(".SH DESCRIPTION\n" + roffBlock(about))
	manFlags(&b, "OPTIONS", c.NonInheritedFlags())
	manFlags(&b, "OPTIONS OF EVERY COMMAND", c.InheritedFlags())
	b.WriteString(".SH EXIT STATUS\nSee\n.BR scgikit\\-exit\\-codes (7).\n.SH SEE ALSO\n")
	see := []string{`.BR scgikit\-files (7)`}
	if c.HasParent() {
		see = append(see, ".BR "+roff(strings.ReplaceAll(c.Parent().CommandPath(), " ", "-"))+" (1)")
	}
	for _, sub := range c.Commands() {
		see = append(see, ".BR "+roff(strings.ReplaceAll(sub.CommandPath(), " ", "-"))+" (1)")
	}
	b.WriteString(strings.Join(see, ",\n") + "\n")
	return b.String()
}

func manHead(name string, section int, short string) string {
	return fmt.Sprintf(".TH %q %d \"\" scgikit\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), section, roff(name), roff(short))
}

func manFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	b.WriteString(".SH " + title + "\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		word := "--" + f.Name
		if f.Shorthand != "" {
			word = "-" + f.Shorthand + ", " + word
		}
		value, usage := pflag.UnquoteUsage(f)
		if value != "" {
			word += " " + value
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(word), roff(usage))
	})
}

// roff escapes text: "\" starts an escape, "-" would become a hyphen, and a
// "." or "'" at the start of a line is a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// roffBlock keeps the lines of a text as they are: the help texts are written
// for a terminal, and hold lists and examples.
func roffBlock(text string) string {
	return ".nf\n" + roff(strings.Trim(text, "\n")) + "\n.fi\n"
}
