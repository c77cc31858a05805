package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func newVersionCmd(e *env) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "show the version",
		Long:    "Shows the version of this program, as the Go tool recorded it when it was built.",
		Example: "  scgikit version -o json",
		GroupID: groupMachine, Args: wants(0, 0),
		Annotations: map[string]string{settingsOptional: "yes"},
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			return e.result(v, func(w io.Writer) error {
				revision := ""
				if v.Revision != "" {
					revision = " " + v.Revision
				}
				if v.Modified {
					revision += " (modified)"
				}
				_, err := fmt.Fprintf(w, "scgikit %s%s %s %s/%s\n", v.Version, revision, v.Go, v.OS, v.Arch)
				return err
			})
		},
	}
}

func readVersion() versionInfo {
	v := versionInfo{Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
