package lineage_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/lineage"
	"scgikit/internal/need"
)

// read returns a project of description files.
func read(t *testing.T, files ...string) (*lineage.Project, *appfile.Project) {
	t.Helper()
	p := &lineage.Project{Loader: appfile.Loader{Options: generate.OptionTypes()}, Renderer: new(generate.Renderer)}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p.Sources = append(p.Sources, appfile.Source{Name: filepath.Base(file), Data: data})
	}
	project, list := p.Loader.Load(p.Sources)
	if list.HasErrors() {
		return p, nil
	}
	return p, project
}

// origins are those of all apps that fit a target, or nil where it refuses one.
func origins(t *testing.T, p *lineage.Project, project *appfile.Project, target *generate.Target) *lineage.Origins {
	t.Helper()
	apps := slices.DeleteFunc(slices.Clone(project.Apps), func(a *appfile.App) bool { return target.Fits(a) != "" })
	if len(apps) == 0 {
		return nil
	}
	o, err := lineage.Of(p, target, project, apps, apps)
	if err != nil {
		return nil
	}
	return o
}

// always are values that the generator decides by itself: modules that every app
// needs, what starts a script, how a definition of s6-rc is one and how long a logger
// of its may take, the descriptor that a listener of s6 says on that it listens, what
// several apps have to agree on, fields that no app is to believe, and of scgi-run that
// keeps running where it stands, how it is told to load an app anew, and how it ends.
var always = regexp.MustCompile(`^server\.modules \+= |^\s*<IfModule !(alias|proxy|proxy_scgi)_module>$|^# Started (as root )?by |^longrun$|^3$|^10000$|map_reg\(|http-request del-header |header_up -|` +
	`^cd / \|\| exit 111$|^WorkingDirectory=/$|^\t<string>/</string>$|^Type=exec$|^\tpassenv +=|` +
	`^\t\tkill -TERM "\$child" |^KillSignal=SIGTERM$|^SuccessExitStatus=15$|^\tkill -HUP | --signal HUP | -s "HUP" `)

// TestEveryLine requires, for the examples and every target that takes them, and for
// descriptions of golden files and the targets that these are for, a field behind every line in which a value is printed.
func TestEveryLine(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/scgikit.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	names := []string{"starter-everything", "starter-openbsd", "starter-freebsd-port", "starter-freebsd-socket", "starter-netbsd", "starter-xinetd", "starter-launchd", "gateway", "vhost"}
	if need.Thorough() {
		names = append(names, "starter-inits", "starter-uwsgi", "starter-listeners", "starter-systemd", "starter-s6-rc", "protocols")
	}
	for _, name := range names {
		files = append(files, "../../generate/testdata/apps/"+name+".yaml")
	}
	rendered := make(map[string]int)
	for _, file := range files {
		p, project := read(t, file)
		if project == nil {
			continue
		}
		first, _, _ := strings.Cut(string(p.Sources[0].Data), "\n")
		meant, isGolden := strings.CutPrefix(first, "# golden: ")
		for _, target := range generate.Targets() {
			if isGolden && !slices.Contains(strings.Fields(meant), target.Name) {
				continue // another description has the same lines for it
			}
			o := origins(t, p, project, target)
			if o == nil {
				continue
			}
			for _, f := range o.Set.Files() {
				for i, line := range o.Lines[f.Path] {
					text := strings.Split(string(f.Data), "\n")[i]
					value := line.Kind == generate.LineValue || line.Kind == generate.LineRaw
					if value && len(line.Fields) == 0 && len(o.There[f.Path]) == 0 && !always.MatchString(text) {
						t.Errorf("%s: %s:%d has no field: %s", file, f.Path, i+1, text)
					}
				}
			}
			rendered[target.Name]++
		}
	}
	for _, target := range generate.Targets() {
		if rendered[target.Name] == 0 {
			t.Errorf("no description is rendered for %s", target.Name)
		}
	}
}

// TestLines holds lines of one description to fields that were found by hand.
func TestLines(t *testing.T) {
	const text = `apiVersion: scgikit/v1
name: wiki
type: cgi
run:
  user: wiki
  env: {LANG: C.UTF-8, TITLE: "it's"}
  secrets: {KEY: {file: /etc/key}}
  limits: {memory: 512MiB}
cgi: {script: /srv/wiki.cgi, arguments: [one, two]}
listen: {unix: /run/wiki/socket, group: www}
http: {mount: /wiki, max_body: 2MiB}
options: {inetd: {dialect: openbsd}}
`
	p := &lineage.Project{
		Sources: []appfile.Source{{Name: "wiki.yaml", Data: []byte(text)}}, Renderer: new(generate.Renderer),
		Loader: appfile.Loader{Options: generate.OptionTypes()},
	}
	project, list := p.Loader.Load(p.Sources)
	if list.HasErrors() {
		t.Fatal(list)
	}
	for target, lines := range map[string]map[string]string{
		"systemd": {
			"Description=wiki, socket":                    "name description",
			"ListenStream=/run/wiki/socket":               "listen.unix",
			"SocketGroup=www":                             "listen.group listen.unix",
			"SocketMode=0660":                             "listen.unix listen.mode",
			"SocketUser=wiki":                             "run.user listen.unix listen.user",
			"TimeoutStopSec=10s":                          "cgi.handoff run.mode run.stop_timeout",
			"UMask=0027":                                  "run.umask",
			"LoadCredential=KEY:/etc/key":                 "run.secrets.KEY.file",
			"export KEY":                                  "run.secrets.KEY.file",
			"TriggerLimitIntervalSec=0":                   "",
			"[Socket]":                                    "",
			`ExecStart="/usr/local/libexec/scgikit/wiki"`: "cgi.handoff name options.systemd.wrapper_dir run.mode run.secrets.KEY.file",
		},
		"nginx": {"client_max_body_size 2m;": "http.max_body"},
		"inetd": {
			"/run/wiki/socket stream unix nowait": "name listen.unix options.inetd.dialect run.user run.group options.inetd.wrapper_dir",
			"# - run.secrets":                     "run.secrets.KEY.file",
		},
	} {
		tg, _ := generate.Lookup(target)
		o, err := lineage.Of(p, tg, project, project.Apps, project.Apps)
		if err != nil {
			t.Fatal(err)
		}
		for start, want := range lines {
			got, found := fieldsOf(o, start)
			if !found {
				t.Errorf("%s has no line %s", target, start)
			}
			slices.Sort(got)
			words := strings.Fields(want)
			slices.Sort(words)
			if !slices.Equal(got, words) {
				t.Errorf("%s: %s is by %v, want %v", target, start, got, words)
			}
		}
	}
}

// fieldsOf returns the fields of the first line that begins with a text.
func fieldsOf(o *lineage.Origins, start string) (fields []string, found bool) {
	for _, f := range o.Set.Files() {
		for i, text := range strings.Split(string(f.Data), "\n") {
			if !strings.HasPrefix(strings.TrimSpace(text), start) {
				continue
			}
			for _, field := range o.Lines[f.Path][i].Fields {
				fields = append(fields, field.Path)
			}
			return fields, true
		}
	}
	return nil, false
}
