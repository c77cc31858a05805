package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"scgikit/generate"
	"scgikit/internal/appfile"
)

func newSchemaCmd(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "write the JSON schema of the description, for editors",
		Long: `Writes the JSON schema (draft-07) of the description. Editors with a YAML
language server complete and check with it, given a first line such as

  # yaml-language-server: $schema=./scgikit.schema.json

The schema can not hold every rule; scgikit validate does.`,
		Example: "  scgikit schema > scgikit.schema.json",
		GroupID: groupDescribe,
		Args:    wants(0, 0),
		RunE: func(*cobra.Command, []string) error {
			text, err := appfile.Schema(generate.OptionTypes())
			if err != nil {
				return err
			}
			return e.result(json.RawMessage(text), func(w io.Writer) error {
				_, err := w.Write(text)
				return err
			})
		},
	}
}
