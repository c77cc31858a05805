package importer_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
	"scgikit/internal/importer"
	"scgikit/internal/inetdconf"
)

// differs lists what a round trip changes, and why, by target and path: the
// words of a note in the documentation, docs/import.md.
var differs = map[string]string{
	// No file says who owns the folder that guards a socket outside of /run.
	"inetd/files.socket": "the folder of the socket",
	"inetd/files.conf":   "a comment about that folder",
}

// descriptions returns the examples, and what the golden files of starters are
// made from.
func descriptions(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../../examples/*/scgikit.yaml", "../../generate/testdata/apps/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// TestRoundTrip renders every description, imports what was rendered, renders
// that, and requires the same files.
func TestRoundTrip(t *testing.T) {
	w := new(world)
	trips := make(map[string]int)
	for _, file := range descriptions(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		project := load(string(data))
		if project == nil {
			continue // a description that is refused on purpose
		}
		for _, kind := range []string{"inetd", "xinetd", "daemontools", "runit", "s6", "systemd"} {
			set := w.rendered(t, kind, project)
			if set == nil {
				continue
			}
			trips[kind]++
			t.Run(kind+"/"+strings.TrimPrefix(strings.ReplaceAll(file, "../", ""), "generate/testdata/"), func(t *testing.T) {
				again := w.trip(t, kind, project, set)
				compare(t, kind, set, again)
			})
		}
	}
	for kind, least := range map[string]int{"inetd": 10, "xinetd": 6, "daemontools": 12, "runit": 12, "s6": 12, "systemd": 5} {
		if trips[kind] < least {
			t.Errorf("%d round trips of %s, not %d", trips[kind], kind, least)
		}
	}
}

func load(texts ...string) *appfile.Project {
	loader := &appfile.Loader{Options: generate.OptionTypes()}
	for _, target := range generate.Targets() {
		loader.Targets = append(loader.Targets, target.Name)
	}
	var sources []appfile.Source
	for i, text := range texts {
		sources = append(sources, appfile.Source{Name: fmt.Sprintf("app%d.yaml", i), Data: []byte(text)})
	}
	project, _ := loader.Load(sources)
	return project
}

// world keeps what is costly to make anew.
type world struct{ renderer generate.Renderer }

// rendered returns the files of the apps that fit a target, or nil.
func (w *world) rendered(t *testing.T, kind string, project *appfile.Project) *fileset.Set {
	t.Helper()
	target, ok := generate.Lookup(kind)
	if !ok {
		t.Fatal(kind)
	}
	var apps []*appfile.App
	for _, a := range project.Apps {
		if target.Fits(a) == "" {
			apps = append(apps, a)
		}
	}
	if len(apps) == 0 {
		return nil
	}
	set, _ := w.renderer.Render(target, project, apps)
	return set
}

// disk is a file system with the files of a set below deploy/.
func disk(set *fileset.Set) fstest.MapFS {
	m := fstest.MapFS{}
	for _, f := range set.Files() {
		file := &fstest.MapFile{Mode: f.Mode, Data: f.Data}
		switch f.Kind {
		case fileset.Dir:
			file.Mode |= fs.ModeDir
		case fileset.Symlink:
			file.Mode, file.Data = fs.ModeSymlink|0o777, []byte(f.Link)
		case fileset.Regular:
		}
		m["deploy/"+f.Path] = file
	}
	return m
}

// trip imports what was rendered and renders it again.
func (w *world) trip(t *testing.T, kind string, project *appfile.Project, set *fileset.Set) *fileset.Set {
	t.Helper()
	m := disk(set)
	var texts []string
	read := func(name string, dialect inetdconf.Dialect) {
		o := &importer.Options{Dialect: dialect, Targets: generate.OptionTypes()}
		result, err := importer.Read(t.Context(), importer.Kind(kind), m, name, name, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range result.Notes {
			t.Log(n)
			if n.Class == importer.Refused {
				t.Errorf("refused: %v", n)
			}
		}
		for _, a := range result.Apps {
			texts = append(texts, a.Text)
		}
	}
	if kind == "inetd" {
		for _, a := range project.Apps {
			if m["deploy/inetd/"+a.Name+".conf"] != nil {
				read("deploy/inetd/"+a.Name+".conf", dialectOf(a))
			}
		}
	} else {
		read("deploy/"+kind, "")
	}
	again := load(texts...)
	if again == nil {
		t.Fatalf("the descriptions are not valid:\n%s", strings.Join(texts, "\n---\n"))
	}
	out := w.rendered(t, kind, again)
	if out == nil {
		target, _ := generate.Lookup(kind)
		_, list := w.renderer.Render(target, again, again.Apps)
		t.Fatalf("the target refuses what was imported from it:\n%v\n%s", list.Error(), strings.Join(texts, "\n---\n"))
	}
	return out
}

func dialectOf(a *appfile.App) inetdconf.Dialect {
	for _, d := range inetdconf.Dialect("").Values() {
		if strings.Contains(string(a.Canonical()), `"`+d+`"`) {
			return inetdconf.Dialect(d)
		}
	}
	return ""
}

// body is a file without what a header says of its source.
func body(f fileset.File) string {
	var kept []string
	for line := range strings.Lines(string(f.Data)) {
		if !strings.HasPrefix(line, "# Code generated by scgikit from ") && !strings.HasPrefix(line, "# scgikit: app=") {
			kept = append(kept, line)
		}
	}
	return fmt.Sprintf("%s %04o %s:%s -> %s\n%s", f.Kind, f.Mode, f.User, f.Group, f.Link, strings.Join(kept, ""))
}

func compare(t *testing.T, kind string, want, got *fileset.Set) {
	t.Helper()
	var names []string
	for _, f := range slices.Concat(want.Files(), got.Files()) {
		names = append(names, f.Path)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		key := kind + "/" + path.Base(name)
		a, inWant := want.Get(name)
		b, inGot := got.Get(name)
		switch {
		case differs[key] != "":
		case !inWant:
			t.Errorf("%s is new:\n%s", name, body(b))
		case !inGot:
			t.Errorf("%s is gone", name)
		case body(a) != body(b):
			t.Errorf("%s:\n%s", name, changed(body(a), body(b)))
		}
	}
}

// changed returns the lines that differ.
func changed(a, b string) string {
	var out []string
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for _, line := range x {
		if !slices.Contains(y, line) {
			out = append(out, "-"+line)
		}
	}
	for _, line := range y {
		if !slices.Contains(x, line) {
			out = append(out, "+"+line)
		}
	}
	if len(out) == 0 {
		return "the order differs:\n" + a + "\nand\n" + b
	}
	return strings.Join(out, "\n")
}

// awkward are values that have gone wrong in one syntax or another.
func awkward() []string {
	return []string{
		"a b", " lead", "trail ", `a"b`, "a'b", `"`, "'", "a$b", "$host", "$$", "100$", "${HOME}", "${", "$1", "100%", "%{HOST}", "%h %20", "%2e", "a;b", ";", "{a}", "}", "a}b{",
		`a\b`, `ends\`, `\"`, `\n`, "a#b", "# c", "é", "日本", "\u00a0", "😀", "<b>", "a|b", "a&b", "*", "?x", "[a]", "~", "=x", "-x", "!x", "(x)", "`id`", "a,b", ":", "@x", "//", "{{ .Name }}",
		"on", "null", "0x1f", "1e3", "yes", "- x", "x: y", "x #y", "%i", "$MAINPID", "~root", "A=b", "\\x41", "a  b", "''", `""`, "$(id)", "&&", "exec", "0750", "1_000", "2001-01-01", ".5", "<<", "!!str", "&a", "|", ">",
	}
}

// TestAwkwardRoundTrip puts every awkward value into words, variables and folders.
func TestAwkwardRoundTrip(t *testing.T) {
	w := new(world)
	carried := make(map[string]int)
	for _, value := range awkward() {
		text, err := json.Marshal(strings.ReplaceAll(value, "$", "$$"))
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"daemontools", "runit", "systemd"} {
			project := load(fmt.Sprintf(`{apiVersion: scgikit/v1, name: app, type: server, listen: {tcp: "127.0.0.1:8040"}, http: {mount: /app/},
run: {command: [/bin/app, %[1]s, x], directory: %[2]s, user: app, env: {V: %[1]s}, secrets: {S: {file: %[2]s}}}}`, text, `"/srv/`+string(text[1:])))
			if project == nil {
				continue
			}
			if set := w.rendered(t, kind, project); set != nil {
				carried[kind]++
				t.Run(kind+"/"+value, func(t *testing.T) { compare(t, kind, set, w.trip(t, kind, project, set)) })
			}
		}
		for _, kind := range []string{"daemontools", "runit", "s6"} {
			project := load(fmt.Sprintf(`{apiVersion: scgikit/v1, name: app, type: cgi, listen: {unix: %[3]s, user: www, group: www-data}, http: {mount: /app/},
cgi: {script: %[2]s, arguments: [%[1]s, x]}, run: {user: app, nice: -3, env: {V: %[1]s}, env_file: %[2]s, secrets: {S: {file: %[2]s}}}}`,
				text, `"/srv/`+string(text[1:]), `"/run/app/`+string(text[1:len(text)-1])+`/socket"`))
			if project == nil { // a path that no socket takes
				project = load(fmt.Sprintf(`{apiVersion: scgikit/v1, name: app, type: cgi, listen: {tcp: "127.0.0.1:80"}, http: {mount: /app/},
cgi: {script: %[2]s, arguments: [%[1]s, x]}, run: {user: app, env: {V: %[1]s}, env_file: %[2]s}}`, text, `"/srv/`+string(text[1:])))
			}
			if project == nil {
				continue
			}
			if set := w.rendered(t, kind, project); set != nil {
				carried["listen "+kind]++
				t.Run("listen "+kind+"/"+value, func(t *testing.T) { compare(t, kind, set, w.trip(t, kind, project, set)) })
			}
		}
		project := load(fmt.Sprintf(`{apiVersion: scgikit/v1, name: app, type: cgi, listen: {tcp: "127.0.0.1:8040"}, http: {mount: /app/},
cgi: {script: %[2]s, arguments: [%[1]s, x]}, run: {user: app, env: {V: %[1]s}, secrets: {S: {file: %[2]s}}}}`, text, `"/srv/`+string(text[1:])))
		if project != nil {
			if set := w.rendered(t, "xinetd", project); set != nil {
				carried["xinetd"]++
				t.Run("xinetd/"+value, func(t *testing.T) { compare(t, "xinetd", set, w.trip(t, "xinetd", project, set)) })
			}
		}
		for _, dialect := range inetdconf.Dialect("").Values() {
			project := load(fmt.Sprintf(`{apiVersion: scgikit/v1, name: app, type: cgi, listen: {tcp: "127.0.0.1:8040"}, http: {mount: /app/},
cgi: {script: %[2]s, arguments: [%[1]s, x]}, run: {user: app, env: {V: %[1]s}}, security: {allow_public_listen: true}, options: {inetd: {dialect: %[3]s, service: app}}}`,
				text, `"/srv/`+string(text[1:]), dialect))
			if project == nil {
				continue
			}
			if set := w.rendered(t, "inetd", project); set != nil {
				carried["inetd"]++
				t.Run(dialect+"/"+value, func(t *testing.T) { compare(t, "inetd", set, w.trip(t, "inetd", project, set)) })
			}
		}
	}
	for kind, least := range map[string]int{"daemontools": 60, "runit": 60, "systemd": 60, "inetd": 300, "xinetd": 60, "listen daemontools": 60, "listen runit": 60, "listen s6": 60} {
		if carried[kind] < least {
			t.Errorf("%d values went through %s, not %d", carried[kind], kind, least)
		}
	}
}
