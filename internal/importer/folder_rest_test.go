package importer_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"scgikit/generate"
	"scgikit/internal/importer"
)

// TestNothingIsLeftOutInSilence imports set-ups with files and lines that no
// description has: each is named.
func TestNothingIsLeftOutInSilence(t *testing.T) {
	t.Parallel()
	const run = "#!/bin/sh\nexec 2>&1\nexec chpst -u www /srv/a -c ./conf\n"
	for _, tt := range []struct {
		name  string
		kind  importer.Kind
		path  string
		files map[string]string
		said  []string
		not   string
	}{
		{
			"files of a service folder", importer.Runit, "sv/a",
			map[string]string{"sv/a/run": run, "sv/a/conf": "x", "sv/a/data/x": "", "sv/a/.hidden": "", "sv/a/supervise/ok": "", "sv/a/log/run": "#!/bin/sh\nexec svlogd -tt ./main\n", "sv/a/log/finish": ""},
			[]string{"sv/a/conf: lost: the file is not imported", "sv/a/data: lost: the file is not imported", "sv/a/log/finish: lost: the file is not imported"},
			"supervise: lost",
		},
		{
			"what a logger has of its own", importer.Runit, "sv/a",
			map[string]string{
				"sv/a/run":     run,
				"sv/a/log/run": "#!/bin/sh\numask 077\nexport V=1\nexec chpst -u log:adm -o 20 -n 5 -C /x svlogd -ttt /var/log/a\n",
			},
			[]string{
				"log/run:2: lost: run.umask of the logger", "log/run:4: lost: run.env.V of the logger", "log/run:4: lost: run.limits.nofile of the logger", "log/run:4: lost: run.nice of the logger",
				"log/run:4: lost: run.directory of the logger", "log/run:4: lost: the groups of log:adm",
			},
			"run.user:",
		},
		{
			"what a check has of its own", importer.Runit, "sv/a",
			map[string]string{"sv/a/run": run, "sv/a/check": "#!/bin/sh\nexec chpst -u nobody /bin/check\n"},
			[]string{"check:2: lost: run.user of this script"},
			"refused",
		},
		{
			"files of s6", importer.S6, "sv/a",
			map[string]string{"sv/a/run": run, "sv/a/timeout-finish": "3000\n", "sv/a/max-death-tally": "5\n"},
			[]string{"sv/a/timeout-finish: lost"},
			"max-death-tally",
		},
		{
			"settings of foreman", importer.Procfile, "p",
			map[string]string{"p/Procfile": "web: ./srv $PORT\n", "p/.foreman": "# c\nport: 3000\nconcurrency: web=2\n"},
			[]string{"PORT is 3000", "p/.foreman:3: lost: concurrency: web=2: no description has that of foreman"},
			"foreman:2",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := fstest.MapFS{}
			for name, text := range tt.files {
				m[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o755}
			}
			result, err := importer.Read(t.Context(), tt.kind, m, tt.path, tt.path, &importer.Options{Targets: generate.OptionTypes()})
			if err != nil || len(result.Apps) != 1 {
				t.Fatal(err, result)
			}
			said := ""
			for _, n := range result.Notes {
				said += n.String() + "\n"
			}
			for _, want := range tt.said {
				if !strings.Contains(said, want) {
					t.Errorf("nothing says %q:\n%s", want, said)
				}
			}
			if text := result.Apps[0].Text; strings.Contains(text, "nofile") || strings.Contains(text, "nice:") || strings.Contains(text, "/x") {
				t.Errorf("what is the logger's is the program's:\n%s", text)
			}
			if strings.Contains(said, tt.not) {
				t.Errorf("it says %q:\n%s", tt.not, said)
			}
		})
	}
}
