package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func newConfigCmd(e *env) *cobra.Command {
	view := &cobra.Command{
		Use:     "view",
		Short:   "show every setting and where it comes from",
		Example: "  scgikit config view\n  SCGIKIT_OUT_DIR=conf scgikit config view -o json",
		Args:    wants(0, 0),
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
		Args:        wants(0, 0),
		Annotations: map[string]string{settingsOptional: "yes"},
		RunE: func(*cobra.Command, []string) error {
			files := e.settingsFiles()
			return e.result(map[string]any{"files": files}, func(w io.Writer) error {
				var rows [][]string
				for _, f := range files {
					state := "absent"
					if f.Exists {
						state = "read"
					}
					rows = append(rows, []string{f.Role, state, f.Path})
				}
				_, err := io.WriteString(w, columns("", rows))
				return err
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
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, v := range values {
		shown := fmt.Sprint(v.Value)
		if list, ok := v.Value.([]string); ok {
			shown = strings.Join(list, ",")
		}
		rows = append(rows, []string{v.Key, cmp.Or(shown, "-"), v.Origin})
	}
	_, err := io.WriteString(w, columns("", rows))
	return err
}
