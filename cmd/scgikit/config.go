package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newConfigCmd(e *env) *cobra.Command {
	view := &cobra.Command{
		Use:     "view",
		Short:   "show every setting and where it comes from",
		Example: "  scgikit config view\n  SCGIKIT_OUT_DIR=conf scgikit config view -o json",
		Args:    plainArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			values := e.settings.values
			return e.result(map[string]any{"settings": values}, func(w io.Writer) error {
				return writeSettings(w, values)
			})
		},
	}
	path := &cobra.Command{
		Use:         "path",
		Short:       "show the files that settings are read from, the strongest last",
		Example:     "  scgikit config path",
		Args:        plainArgs(cobra.NoArgs),
		Annotations: map[string]string{settingsOptional: "yes"},
		RunE: func(*cobra.Command, []string) error {
			files := e.settingsFiles()
			return e.result(map[string]any{"files": files}, func(w io.Writer) error {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				for _, f := range files {
					state := "absent"
					if f.Exists {
						state = "read"
					}
					fmt.Fprintf(t, "%s\t%s\t%s\n", f.Role, state, f.Path)
				}
				return t.Flush()
			})
		},
	}
	return groupOf(&cobra.Command{
		Use:   "config",
		Short: "show the tool's own settings",
		Long: `Shows the settings of the tool itself. They say where files are and how results
look, and never reach a generated file. "scgikit help files" lists them.`,
		Example: "  scgikit config view",
		GroupID: groupMachine,
	}, view, path)
}

func writeSettings(w io.Writer, values []settingValue) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SETTING\tVALUE\tFROM")
	for _, v := range values {
		shown := fmt.Sprint(v.Value)
		if list, ok := v.Value.([]string); ok {
			shown = strings.Join(list, ",")
		}
		if shown == "" {
			shown = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", v.Key, shown, v.Origin)
	}
	return t.Flush()
}
