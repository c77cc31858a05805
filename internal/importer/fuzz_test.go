package importer_test

import (
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"scgikit/generate"
	"scgikit/internal/importer"
	"scgikit/internal/inetdconf"
)

// fuzzFile feeds raw text to a reader as one file of a set-up. It must not panic
// or hang; what it gives must be valid, and what it says must be lines that a
// terminal shows.
func fuzzFile(f *testing.F, kind importer.Kind, root, file string, more fstest.MapFS, o importer.Options) {
	f.Helper()
	fixtures, err := filepath.Glob("testdata/" + string(kind) + "/*.txtar")
	if err != nil || len(fixtures) == 0 {
		f.Fatal(kind, err)
	}
	for _, fixture := range fixtures {
		_, m := archive(f, fixture)
		for name, part := range m {
			if filepath.Ext(name) == filepath.Ext(file) || filepath.Base(name) == filepath.Base(file) {
				f.Add(string(part.Data))
			}
		}
	}
	f.Add("\x00")
	f.Add(strings.Repeat("(", 1000))
	f.Add("#!/bin/sh\nexec 'a\\\n\"$(")
	f.Add("[Service]\nExecStart=\"\\x4 %\n[")
	o.Targets = generate.OptionTypes()
	f.Fuzz(func(t *testing.T, text string) {
		m := fstest.MapFS{file: {Data: []byte(text), Mode: 0o755}}
		maps.Copy(m, more)
		result, err := importer.Read(t.Context(), kind, m, root, "set-up", &o)
		if err != nil {
			return
		}
		for _, a := range result.Apps {
			if load(a.Text) == nil {
				t.Errorf("this is not valid:\n%s", a.Text)
			}
		}
		for _, n := range result.Notes {
			if strings.ContainsFunc(n.String()+n.Hint, func(c rune) bool { return c < ' ' || c >= 0x7f && c <= 0x9f }) {
				t.Errorf("the note %q obeys no rule", n)
			}
		}
	})
}

func FuzzInetd(f *testing.F) {
	fuzzFile(f, importer.Inetd, "inetd.conf", "inetd.conf", nil, importer.Options{Dialect: inetdconf.OpenBSD})
}

func FuzzXinetd(f *testing.F) {
	fuzzFile(f, importer.Xinetd, "etc/xinetd.conf", "etc/xinetd.conf", nil, importer.Options{})
}

func FuzzRunScript(f *testing.F) {
	env := fstest.MapFS{"svc/app/env/A": {Data: []byte("b"), Mode: 0o644}}
	fuzzFile(f, importer.Daemontools, "svc/app", "svc/app/run", env, importer.Options{})
}

func FuzzLogScript(f *testing.F) {
	run := fstest.MapFS{"svc/app/run": {Data: []byte("#!/bin/sh\nexec chpst -u www /bin/app\n"), Mode: 0o755}}
	fuzzFile(f, importer.Runit, "svc/app", "svc/app/log/run", run, importer.Options{})
}

func FuzzSmallFiles(f *testing.F) {
	run := fstest.MapFS{"svc/app/run": {Data: []byte("#!/bin/sh\nexec chpst -u www /bin/app\n"), Mode: 0o755}}
	fuzzFile(f, importer.Runit, "svc/app", "svc/app/restart", run, importer.Options{})
}

func FuzzProcfile(f *testing.F) {
	fuzzFile(f, importer.Procfile, "Procfile", "Procfile", fstest.MapFS{".env": {Data: []byte("A=b\n")}}, importer.Options{SecretsDir: "/etc/s"})
}

func FuzzUnit(f *testing.F) {
	fuzzFile(f, importer.Systemd, "app.service", "app.service", nil, importer.Options{})
}

func FuzzSupervisord(f *testing.F) {
	fuzzFile(f, importer.Supervisord, "supervisord.conf", "supervisord.conf", nil, importer.Options{})
}

// TestHostileTrees reads set-ups that are made to go wrong.
func TestHostileTrees(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 2<<20)
	many := fstest.MapFS{}
	for i := range 40 {
		many["etc/xinetd.conf."+strings.Repeat("x", i)] = &fstest.MapFile{Data: []byte("include /etc/xinetd.conf." + strings.Repeat("x", i+1) + "\n")}
	}
	many["etc/xinetd.conf"] = &fstest.MapFile{Data: []byte("include /etc/xinetd.conf.\n")}
	tests := []struct {
		name string
		kind importer.Kind
		root string
		m    fstest.MapFS
		want string // in the error or in a note
	}{
		{"huge", importer.Inetd, "inetd.conf", fstest.MapFS{"inetd.conf": {Data: []byte(big)}}, "more than 1048576 bytes"},
		{"NUL", importer.Procfile, "Procfile", fstest.MapFS{"Procfile": {Data: []byte("web: a\x00b")}}, "has a NUL byte"},
		{"huge run", importer.Runit, "svc", fstest.MapFS{"svc/a/run": {Data: []byte(big), Mode: 0o755}}, "more than 1048576 bytes"},
		{"binary run", importer.Runit, "svc", fstest.MapFS{"svc/a/run": {Data: []byte("\x7fELF\x00"), Mode: 0o755}}, "has a NUL byte"},
		{"run is a folder", importer.Runit, "svc", fstest.MapFS{"svc/a/run/x": {}}, "is no regular file"},
		{"run is a link to nothing", importer.Runit, "svc", fstest.MapFS{"svc/a/run": {Data: []byte("/nosuch"), Mode: fs.ModeSymlink}}, "without run is no service"},
		{"a pipe", importer.Systemd, "a.service", fstest.MapFS{"a.service": {Mode: fs.ModeNamedPipe}}, "is no regular file"},
		{"includes itself", importer.Xinetd, "etc/xinetd.conf", fstest.MapFS{"etc/xinetd.conf": {Data: []byte("include /etc/xinetd.conf\n")}}, "a second time"},
		{"includes for ever", importer.Xinetd, "etc/xinetd.conf", many, "too deeply"},
		{"includes everything", importer.Supervisord, "s.conf", fstest.MapFS{"s.conf": {Data: []byte("[include]\nfiles=*.conf /../../etc/passwd\n[program:x]\ncommand=/bin/x\nuser=u\n")}}, "no file matches"},
		{"a name of escapes", importer.Runit, "svc", fstest.MapFS{"svc/\x1b[2J/run": {Data: []byte("#!/bin/sh\nexec chpst -u w /bin/a\n"), Mode: 0o755}}, `\x1b[2J`},
		{"a line of YAML in a name", importer.Runit, "svc", fstest.MapFS{"svc/a\nname: evil/run": {Data: []byte("#!/bin/sh\nexec chpst -u w /bin/a\n"), Mode: 0o755}}, `a\x0aname: evil`},
		{"invalid UTF-8", importer.Runit, "svc", fstest.MapFS{"svc/a/run": {Data: []byte("#!/bin/sh\nexec chpst -u w /bin/a '\xff'\n"), Mode: 0o755}}, "is not UTF-8"},
		{"a bad user", importer.Runit, "svc", fstest.MapFS{"svc/a/run": {Data: []byte("#!/bin/sh\nexec chpst -u 'a b' /bin/a\n"), Mode: 0o755}}, "[bad-user]"},
		{"a bad variable", importer.Runit, "svc", fstest.MapFS{
			"svc/a/run": {Data: []byte("#!/bin/sh\nexec chpst -u w -e ./env /bin/a\n"), Mode: 0o755}, "svc/a/env/X.Y": {Data: []byte("1"), Mode: 0o600}, "svc/a/env/N": {Data: []byte("a\x00b"), Mode: 0o644},
		}, "holds a control character"},
		{
			"variables of a unit that grow", importer.Systemd, "a.service",
			fstest.MapFS{"a.service": {Data: []byte("[Service]\nUser=w\nEnvironment=A=" + big[:50000] + "\nExecStart=/a " + strings.Repeat("${A} ", 100000) + "\n")}},
			"its variables come to more than 131072 bytes",
		},
		{
			"variables of supervisord that grow", importer.Supervisord, "s.conf",
			fstest.MapFS{"s.conf": {Data: []byte("[supervisord]\nenvironment=A=\"" + big[:50000] + "\"\n[program:p]\ncommand=/a " + strings.Repeat("%(ENV_A)s", 80000) + "\n")}},
			"longer than 131072 bytes",
		},
		{"a long value", importer.Systemd, "a.service", fstest.MapFS{"a.service": {Data: []byte("[Unit]\nDocumentation=" + big[:200000] + "\n[Service]\nUser=w\nExecStart=/a\n")}}, "bytes more)"},
		{"no folder", importer.Runit, "nosuch", fstest.MapFS{"svc": {Mode: fs.ModeDir}}, "file does not exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var said []string
			result, err := importer.Read(t.Context(), tt.kind, tt.m, tt.root, tt.root, &importer.Options{Dialect: inetdconf.OpenBSD, Targets: generate.OptionTypes()})
			if err != nil {
				said = append(said, err.Error())
			} else {
				for _, n := range result.Notes {
					said = append(said, n.String())
				}
				for _, a := range result.Apps {
					if load(a.Text) == nil {
						t.Errorf("this is not valid:\n%s", a.Text)
					}
				}
			}
			if text := strings.Join(said, "\n"); !strings.Contains(text, tt.want) || strings.Contains(text, "\x1b") {
				t.Errorf("it says %q, without %q", text, tt.want)
			}
		})
	}
}
