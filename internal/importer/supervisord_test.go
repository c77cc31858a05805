package importer_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"scgikit/generate"
	"scgikit/internal/importer"
)

// TestSupervisordProcesses reads programs with several processes: they are one app
// with instances, or refused by name.
func TestSupervisordProcesses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string // in the only description
		note       string
	}{
		{
			"ports", "command=/usr/bin/gunicorn -b 127.0.0.1:80%(process_num)02d app:app\nprocess_name=%(program_name)s_%(process_num)02d\nnumprocs=3\nnumprocs_start=40\n",
			[]string{"name: web\n", "instances: 3\n", `"127.0.0.1:${port}", app:app]`, "tcp: 127.0.0.1:8040"},
			"run.instances: numprocs=3",
		},
		{
			"a port in a word", "command=/srv/web --port=80%(process_num)02d --log=/l/%(process_num)d\nprocess_name=w%(process_num)s\nnumprocs=%(ENV_N)s\nnumprocs_start=1\n",
			[]string{"instances: 2\n", `"--port=${port}", "--log=/l/${instance}"]`, "tcp: 127.0.0.1:8001"},
			"8001 counts up in the command",
		},
		{
			"sockets", "command=/srv/web --socket=/run/web/web-%(process_num)d.sock\nprocess_name=w%(process_num)s\nnumprocs=2\nnumprocs_start=1\nenvironment=N=\"%(process_num)d\"\n",
			[]string{"instances: 2\n", `--socket=/run/web/web-${instance}.sock`, `"N": "${instance}"`, "unix: /run/web/web.sock"},
			"",
		},
		{"a group", "command=/srv/web %(group_name)s\n[group:site]\nprograms=web, api\n", []string{"command: [/srv/web, site]"}, "the group site"},
		{"counts from 0", "command=/srv/web -n %(process_num)d\nprocess_name=w%(process_num)s\nnumprocs=3\n", nil, `run.command has "0" in one and "1" in another, and ${instance} counts from 1`},
		{"no number in the name", "command=/srv/web\nnumprocs=3\n", nil, "numprocs=3 without %(process_num) in process_name="},
		{"too many", "command=/srv/web\nprocess_name=%(process_num)d\nnumprocs=65\n", nil, "at most 64 instances"},
		{"none", "command=/srv/web\nnumprocs=0\n", nil, "supervisord starts no process of web"},
		{"one that goes by another name", "command=/srv/web\nprocess_name=x\n", []string{"name: web\n"}, "the process is called x there"},
		{
			"what supervisord has for all", "command=/srv/web\n[supervisord]\nminfds=65536\nminprocs=300\ndirectory=/srv\nstrip_ansi=true\nnocleanup=true\n[supervisorctl]\nserverurl=x\n",
			[]string{"nofile: 65536", "directory: /srv"},
			"minprocs=300",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := fstest.MapFS{"s.conf": {Data: []byte("[program:web]\nuser=www\n" + tt.text)}}
			result, err := importer.Read(t.Context(), importer.Supervisord, m, "s.conf", "s.conf", &importer.Options{Targets: generate.OptionTypes(), Env: map[string]string{"N": "2"}})
			if err != nil {
				t.Fatal(err)
			}
			var notes []string
			for _, n := range result.Notes {
				notes = append(notes, n.String())
			}
			said := strings.Join(notes, "\n")
			if !strings.Contains(said, tt.note) {
				t.Errorf("nothing says %q:\n%s", tt.note, said)
			}
			if len(tt.want) == 0 != (len(result.Apps) == 0) || len(result.Apps) > 1 {
				t.Fatalf("%d apps:\n%s", len(result.Apps), said)
			}
			for _, want := range tt.want {
				if !strings.Contains(result.Apps[0].Text, want) {
					t.Errorf("it is without %q:\n%s", want, result.Apps[0].Text)
				}
			}
		})
	}
}
