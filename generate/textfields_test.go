package generate_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
)

// textForms are how a value is tried in a field: the first is taken that the field
// takes.
var textForms = [...]string{"V", "/srv/V", "/srv/V/", "mod:V", "-V", "192.0.2.V", "127.0.0.1:V", "http://V"}

// textForm is the form of a field where a target is what asks for one.
var textForm = map[string]string{
	"options.haproxy.map": "/srv/V.map", "options.haproxy.bind": "127.0.0.1:V", "options.lighttpd.version": "1.4.V",
	"options.systemd.after": "V.service", "options.systemd.reload": "/srv/V", "options.systemd.extra": "Slice=V.slice",
	"options.haproxy.users": "$6$saltsalt$w9KQdgZ0Ki6LoC1UHsgXGBQaO4XJhW7upynW4LSaoTX6YuFX0KIqzhQcvdJFwTJS.I2sYmby8LApILDV7mV/",
	"options.caddy.users":   "$2b$04$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ/fW7zEJv8I8CV",
}

// textNowhere are fields that no target writes.
var textNowhere = map[string]string{
	"apiVersion": "has one value", "labels": "is of JSON output", "health.path": "is for verify and doctor", "health.expect": "is for verify and doctor",
	"targets": "has words of a list", "options": "has fields of its own", "options.s6-rc.after": "has names of apps", "vars": "is gone when a description is read", "vars_from_env": "is gone when a description is read",
	"container.image": "is for targets to come", "container.web_image": "is for targets to come", "container.resources": "is for targets to come",
	"container.service_type": "is for targets to come", "container.ingress_host": "is for targets to come",
	"hosts[].name": "is for targets to come", "hosts[].address": "is for targets to come", "hosts[].roles": "is for targets to come",
}

// textNeeds are settings without which a field is not taken, or has no effect.
var textNeeds = map[string]map[string]any{
	"listen.unix":                      {"listen.group": "www-data", "listen.tcp": nil},
	"listen.user":                      {"listen.unix": "/run/words/sock", "listen.tcp": nil, "listen.group": "www-data", "listen.mode": "0660"},
	"listen.group":                     {"listen.unix": "/run/words/sock", "listen.tcp": nil},
	"http.base_url":                    {"options.apache.module": "mod_scgi", "http.relative_redirects": "internal"},
	"options.apache.listen":            {"options.apache.as": "vhost"},
	"options.apache.root":              {"options.apache.as": "vhost"},
	"options.apache.ajp_secret":        {"protocol": "ajp"},
	"options.caddy.listen":             {"options.caddy.as": "site"},
	"options.caddy.root":               {"options.caddy.as": "site"},
	"options.haproxy.bind":             {"options.haproxy.as": "frontend"},
	"options.nginx.listen":             {"options.nginx.as": "server"},
	"options.nginx.root":               {"options.nginx.as": "server"},
	"options.inetd.service":            {"options.inetd.dialect": "freebsd", "security.allow_public_listen": true},
	"options.inetd.wrapper_dir":        {"run.env_file": "/etc/words"},
	"options.xinetd.wrapper_dir":       {"run.env_file": "/etc/words"},
	"options.systemd.wrapper_dir":      {"run.secrets": map[string]any{"KEY": map[string]any{"file": "/etc/key"}}},
	"options.daemontools.listener_dir": {"run.mode": "per-request", "options.daemontools.listener": "tcpserver"},
	"options.runit.listener_dir":       {"run.mode": "per-request", "options.runit.listener": "tcpserver"},
	"options.s6.listener_dir":          {"run.mode": "per-request", "options.s6.listener": "tcpserver"},
	"options.s6-rc.listener_dir":       {"run.mode": "per-request", "options.s6-rc.listener": "tcpserver"},
}

// textAwkward are values with a character each that some syntax takes for more
// than text.
var textAwkward = [...]string{
	"a b", `a"b'c`, "a${b}$c", "a%b%{c}", "a;b{c}", `a\b`, "#a", "é", "<a&b|c>", "*?[a]", "a,b:c", "a\nb",
}

// textBases are descriptions that the fields are set in.
func textBases() []map[string]any {
	base := func(kind, protocol string, more map[string]any) map[string]any {
		m := map[string]any{
			"apiVersion": "scgikit/v1", "name": "words", "type": kind, "protocol": protocol,
			"run": map[string]any{"user": "www"}, "listen": map[string]any{"tcp": "127.0.0.1:8067"}, "http": map[string]any{"mount": "/words/"},
			"options": map[string]any{"inetd": map[string]any{"dialect": "openbsd"}},
		}
		maps.Copy(m, more)
		return m
	}
	command := map[string]any{"user": "www", "command": []any{"/srv/x"}}
	return []map[string]any{
		base("server", "scgi", map[string]any{"run": command}),
		base("server", "fastcgi", map[string]any{"run": command}),
		base("cgi", "scgi", map[string]any{"cgi": map[string]any{"script": "/srv/x"}}),
		base("cgi", "scgi", map[string]any{"cgi": map[string]any{"directory": "/srv/x/"}}),
		base("wsgi", "scgi", map[string]any{"wsgi": map[string]any{"module": "a:b"}}),
	}
}

// withText returns the description with a value in a field, as JSON, which YAML
// reads.
func withText(base map[string]any, field appfile.Field, value string) string {
	copied := func(m map[string]any) map[string]any {
		c := make(map[string]any, len(m)+1)
		maps.Copy(c, m)
		return c
	}
	root := copied(base)
	for path, value := range textNeeds[field.Path] {
		section, key, nested := strings.Cut(path, ".")
		if !nested {
			root[section] = value
			continue
		}
		below, _ := root[section].(map[string]any)
		below = copied(below)
		root[section] = below
		if section == "options" {
			target, option, _ := strings.Cut(key, ".")
			options, _ := below[target].(map[string]any)
			options = copied(options)
			options[option] = value
			below[target] = options
		} else if below[key] = value; value == nil {
			delete(below, key)
		}
	}
	at := root
	keys := strings.Split(field.Path, ".")
	for i, key := range keys {
		last := i == len(keys)-1
		name, list := strings.CutSuffix(key, "[]")
		switch {
		case key == "*":
			below := map[string]any{}
			at["KEY"] = below
			at = below
		case list:
			below := map[string]any{"url": "/words/s/", "dir": "/srv/s/"}
			at[name] = []any{below}
			at = below
		case last && field.Type == "list":
			at[key] = []any{value}
		case last && field.Type == "map":
			at[key] = map[string]any{"KEY": value}
		case last:
			at[key] = value
		default:
			below, _ := at[name].(map[string]any)
			below = copied(below)
			at[name] = below
			at = below
		}
	}
	text, err := json.Marshal(root)
	if err != nil {
		panic(err) // maps and texts have a JSON form
	}
	return string(text)
}

// textCarrier is a field in a description and in a form that it takes, with the
// targets that write it to their files.
type textCarrier struct {
	field   appfile.Field
	base    map[string]any
	form    string
	targets []*generate.Target
}

func (c *textCarrier) load(text string) (*appfile.Project, diag.List) {
	return tryLoad(withText(c.base, c.field, strings.ReplaceAll(strings.Replace(c.form, "V", text, 1), "$", "$$")))
}

// textRenderer renders with one Renderer for each target, which reads its templates
// once.
type textRenderer map[*generate.Target]*generate.Renderer

func (r textRenderer) render(target *generate.Target, project *appfile.Project) (*fileset.Set, diag.List) {
	if r[target] == nil {
		r[target] = new(generate.Renderer)
	}
	return r[target].Render(target, project, project.Apps)
}

// textJudges are the tests that have the program itself, or the reader of its files,
// say what it makes of an awkward value.
var textJudges = []struct{ test, targets, fields string }{
	{"TestAwkwardValues", "nginx lighttpd apache", "http.params http.static[].dir http.static[].index http.extra.nginx http.extra.lighttpd http.extra.apache listen.unix"},
	{"TestAwkwardHeaders", "nginx lighttpd apache haproxy caddy", "http.hide_headers http.pass_headers"},
	{"TestAwkwardRoots", "nginx apache caddy", "options.nginx.root options.apache.root options.caddy.root options.apache.mount_point"},
	{"TestGatewayAwkward", "haproxy caddy", "http.params listen.unix"},
	{"TestGatewayAwkwardStatic", "caddy", "http.static[].dir http.static[].index"},
	{"TestDaemontoolsAwkward", "daemontools", "run.command run.directory run.env log.dir log.filter log.processor"},
	{"TestSettingsAwkward", "daemontools", "options.daemontools.check options.daemontools.reload options.daemontools.after"},
	{"TestFolderAwkward", "runit s6 s6-rc", "run.command run.directory run.env"},
	{"TestFolderAwkward", "runit", "log.filter log.processor"},
	{"TestListenerAwkward", "daemontools runit s6 s6-rc", "cgi.script cgi.arguments listen.unix run.env_file run.secrets.*.file options.TARGET.scgi_run options.TARGET.listener_dir"},
	{"TestInetdAwkward", "inetd", "cgi.script cgi.arguments run.env log.dir options.inetd.scgi_run"},
	{"TestXinetdAwkward", "xinetd", "cgi.script cgi.arguments run.env log.dir"},
	{"TestXinetdAwkwardFiles", "xinetd", "run.env_file run.secrets.*.file"},
	{"TestSystemdAwkward", "systemd", "description run.command run.directory run.env run.env_file listen.unix log.dir security.writable options.systemd.reload"},
	{"TestSystemdRequestAwkward", "systemd", "cgi.script cgi.arguments run.secrets.*.file options.systemd.scgi_run options.systemd.wrapper_dir"},
	{"TestInitAwkward", "openrc rcd sysv", "run.command run.directory run.env run.env_file run.secrets.*.file log.filter log.processor log.dir options.TARGET.scgi_run"},
	{"TestInitPaths", "openrc rcd sysv", "description options.TARGET.wrapper_dir"},
	{"TestLaunchdAwkward", "launchd", "cgi.script cgi.arguments run.directory options.launchd.scgi_run options.launchd.wrapper_dir"},
}

// textLike are fields that a template prints with others, as words of one list: what
// is proved of those is proved of them.
var textLike = map[string]string{
	"cgi.directory": "cgi.script", "wsgi.python": "cgi.arguments", "wsgi.path": "cgi.arguments",
}

// textByQuoting are fields, by target, whose awkward values no program has been asked
// for: that they go through the quoting of their syntax, and that this gives every
// value back, is all that TestTemplates and the fuzz tests of internal/quote prove.
var textByQuoting = map[string]string{
	"daemontools": "options.daemontools.bin_dir",
	"runit":       "log.dir options.runit.after options.runit.bin_dir options.runit.check options.runit.reload",
	"s6":          "log.dir log.filter log.processor options.s6.after options.s6.bin_dir options.s6.check options.s6.reload",
	"s6-rc":       "log.dir log.filter log.processor options.s6-rc.bin_dir options.s6-rc.needs",
	"systemd":     "security.chroot options.systemd.extra",
	"openrc":      "cgi.script cgi.arguments listen.unix",
	"rcd":         "cgi.script cgi.arguments listen.unix",
	"sysv":        "cgi.script cgi.arguments listen.unix",
	"launchd":     "run.command run.env run.env_file run.secrets.*.file log.dir log.filter log.processor",
	"inetd":       "run.directory run.env_file run.secrets.*.file options.inetd.wrapper_dir",
	"xinetd":      "run.directory options.xinetd.scgi_run options.xinetd.wrapper_dir",
	"apache":      "options.apache.ajp_secret",
	"haproxy":     "options.haproxy.root",
}

// judged returns every field and target that a test walks, as "field target".
func judged(t *testing.T) map[string]bool {
	t.Helper()
	tests := make(map[string]bool)
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`).FindAllStringSubmatch(string(text), -1) {
			tests[found[1]] = true
		}
	}
	pairs := make(map[string]bool)
	for _, j := range textJudges {
		if !tests[j.test] {
			t.Errorf("there is no %s", j.test)
		}
		for target := range strings.FieldsSeq(j.targets) {
			for field := range strings.FieldsSeq(strings.ReplaceAll(j.fields, "TARGET", target)) {
				pairs[field+" "+target] = true
			}
		}
	}
	return pairs
}

// textFields are the fields that take any text, or a text of some form.
func textFields() []appfile.Field {
	return slices.DeleteFunc(slices.Concat(appfile.Fields(), appfile.OptionFields(generate.OptionTypes())), func(f appfile.Field) bool {
		return !slices.Contains([]string{"string", "path", "list", "map"}, f.Type) || len(f.Enum) > 0
	})
}

// textCarriers finds those of a field: one for every target that writes it.
func textCarriers(r textRenderer, field appfile.Field) []*textCarrier {
	var all []*textCarrier
	found := make(map[*generate.Target]bool)
	for _, base := range textBases() {
		for _, pair := range [][2]string{{"ab", "cd"}, {"61", "71"}} {
			forms := textForms[:]
			if form, ok := textForm[field.Path]; ok {
				forms = []string{form}
			}
			for _, form := range forms {
				c := &textCarrier{field: field, base: base, form: form}
				one, problems := c.load(pair[0])
				if problems.HasErrors() {
					continue
				}
				other, _ := c.load(pair[1])
				for _, target := range generate.Targets() {
					if found[target] || strings.HasPrefix(field.Path, "options.") && !strings.HasPrefix(field.Path, "options."+target.Name+".") || target.Fits(one.Apps[0]) != "" {
						continue
					}
					first, _ := r.render(target, one)
					second, _ := r.render(target, other)
					if first != nil && second != nil && !bytes.Equal(withoutInputs(first.Txtar()), withoutInputs(second.Txtar())) {
						c.targets = append(c.targets, target)
						found[target] = true
					}
				}
				if len(c.targets) > 0 {
					all = append(all, c)
				}
				break
			}
		}
	}
	return all
}

// TestTextFields walks every field of the description that holds text, and every
// target that writes it. An awkward value is refused where it stands; or a test of
// textJudges has the target's own program say what it reads.
func TestTextFields(t *testing.T) {
	t.Parallel()
	r := make(textRenderer)
	pairs := make(map[string]bool)
	for _, field := range textFields() {
		carriers := textCarriers(r, field)
		if _, nowhere := textNowhere[field.Path]; nowhere != (len(carriers) == 0) {
			t.Errorf("%s: %d targets write it: textNeeds, textForm or textNowhere has to say how", field.Path, len(carriers))
		}
		path := strings.NewReplacer("[]", "[0]", "*", "KEY").Replace(field.Path)
		for _, c := range carriers {
			for _, awkward := range textAwkward {
				project, problems := c.load(awkward)
				if problems.HasErrors() {
					namesField(t, problems, path, awkward)
					continue
				}
				for _, target := range c.targets {
					if _, problems := r.render(target, project); problems.HasErrors() {
						namesField(t, problems, path, awkward)
						continue
					}
					pairs[field.Path+" "+target.Name] = true
				}
			}
		}
	}
	known := judged(t)
	left := make(map[string]bool)
	for target, fields := range textByQuoting {
		for field := range strings.FieldsSeq(fields) {
			left[field+" "+target] = true
		}
	}
	count := 0
	for _, pair := range slices.Sorted(maps.Keys(pairs)) {
		field, target, _ := strings.Cut(pair, " ")
		like := cmp.Or(textLike[field], field) + " " + target
		switch {
		case known[pair] && left[pair]:
			t.Errorf("%s: a test walks it, and textByQuoting has it", pair)
		case known[like]:
			count++
		case !left[like]:
			t.Errorf("%s: no test walks it with awkward values", pair)
		}
	}
	for pair := range left {
		if !pairs[pair] {
			t.Errorf("%s: textByQuoting has it, and no value is carried", pair)
		}
	}
	t.Logf("of %d pairs of field and target that carry awkward values, tests with the program walk %d", len(pairs), count)
}
