package appfile

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/diag"
)

const blogText = `apiVersion: scgikit/v1
name: blog
type: server
run:
  command: [/srv/blog/serve, --port, "${port}"]
  user: www
  instances: 2
  env:
    LANG: C.UTF-8
listen:
  tcp: 127.0.0.1:8040
http:
  mount: /blog
  static:
    - url: /blog/static/
      dir: /data/blog/static/
`

func mustLoad(tb testing.TB, l *Loader, sources ...Source) *Project {
	tb.Helper()
	p, list := l.Load(sources)
	if list.HasErrors() {
		var b strings.Builder
		if err := list.Show(&b); err != nil {
			tb.Fatal(err)
		}
		tb.Fatal(b.String())
	}
	return p
}

func blog(text string) Source { return Source{Name: "blog.yaml", Data: []byte(text)} }

func TestOrigins(t *testing.T) {
	a := mustLoad(t, &Loader{Sets: []string{"run.nice=5"}}, blog(blogText)).Apps[0]
	o := a.Origin("http.static[0].dir")
	if o.Kind != FromFile || o.Span.Line != 16 || o.Span.Column != 12 || o.Span.Width != len("/data/blog/static/") || o.Key.Column != 7 {
		t.Errorf("origin of a leaf: %+v", o)
	}
	if o := a.Instances[1].Origin("run.command[2]"); o.Span.Line != 5 || o.Span.Column != 38 || o.Span.Width != len(`"${port}"`) {
		t.Errorf("origin in the second instance: %+v", o)
	}
	if o := a.Origin("run.umask"); o.Kind != FromDefault || o.Span.Line != 5 {
		t.Errorf("origin of a default: %+v", o)
	}
	if o := a.Origin("run.nice"); o.Kind != FromSet || o.Span.String() != "--set run.nice=5" {
		t.Errorf("origin of a setting: %+v", o)
	}
	if !a.IsSet("http") || !a.IsSet("run.env.LANG") || a.IsSet("log") || a.IsSet("run.umask") {
		t.Error("IsSet")
	}
	want := []string{
		"apiVersion", "http.mount", "http.static[0].dir", "http.static[0].url", "listen.tcp", "name", "run.command[0]",
		"run.command[1]", "run.command[2]", "run.env.LANG", "run.instances", "run.nice", "run.user", "type",
	}
	if got := a.SetPaths(); !slices.Equal(got, want) {
		t.Errorf("SetPaths: %q", got)
	}
}

func TestSetPathsOfEmpty(t *testing.T) {
	a := mustLoad(t, new(Loader), blog(blogText+"cgi_: 1\n"[:0]+"log: {filter: []}\nlabels: {}\n")).Apps[0]
	for _, field := range []string{"log.filter", "labels"} {
		if !slices.Contains(a.SetPaths(), field) {
			t.Errorf("%s, set empty, is not among %q", field, a.SetPaths())
		}
	}
}

func TestFieldOf(t *testing.T) {
	fields := Fields()
	for path, want := range map[string]string{
		"run.env.LANG":             "run.env",
		"run.command[1]":           "run.command",
		"http.static[0].dir":       "http.static[].dir",
		"run.secrets.KEY.file":     "run.secrets.*.file",
		"options.inetd.dialect":    "options",
		"labels.example.org/a.b":   "labels",
		"http.host":                "http.host",
		"http.host[0]":             "http.host",
		"hosts[3].roles[1]":        "hosts[].roles",
		"run.limits.core":          "run.limits.core",
		"container.resources.cpu":  "container.resources",
		"vars.x":                   "vars",
		"log.filter[10]":           "log.filter",
		"security.writable[0]":     "security.writable",
		"http.timeouts.connect":    "http.timeouts.connect",
		"run.supplementary_groups": "run.supplementary_groups",
	} {
		if got := FieldOf(path); got != want {
			t.Errorf("FieldOf(%q) = %q, want %q", path, got, want)
		}
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.Path == want }) {
			t.Errorf("%q is not among Fields", want)
		}
	}
}

func TestFindString(t *testing.T) {
	a := mustLoad(t, new(Loader), blog(blogText)).Apps[0]
	for value, want := range map[string]string{
		"/data/blog/static/":     "http.static[0].dir",
		"C.UTF-8":                "run.env.LANG",
		"LANG":                   "run.env.LANG",
		"blog/static":            "http.static[0].url",
		"alias /srv/blog/serve;": "run.command[0]",
	} {
		if got, ok := a.FindString(value); !ok || got != want {
			t.Errorf("FindString(%q) = %q, %v, want %q", value, got, ok, want)
		}
	}
	if got, ok := a.FindString("\x01"); ok {
		t.Errorf("FindString of nothing: %q", got)
	}
}

func TestCanonical(t *testing.T) {
	one := mustLoad(t, new(Loader), blog(blogText)).Apps[0].Canonical()
	same := "# a comment\n" + strings.Replace(blogText, "mount: /blog", "mount: \"/blog/\"", 1) + "vars: {unused: x}\n"
	if two := mustLoad(t, new(Loader), blog(same)).Apps[0].Canonical(); string(one) != string(two) {
		t.Errorf("the same app in other words is another:\n%s\n%s", one, two)
	}
	for _, change := range []string{"run.nice=1", "run.env.LANG=de", "http.static[0].dir=/x/", `run.command[1]="--port "`, "run.instances=3"} {
		other := mustLoad(t, &Loader{Sets: []string{change}}, blog(blogText)).Apps[0].Canonical()
		if string(one) == string(other) {
			t.Errorf("%s changes nothing", change)
		}
	}
	// ${instance} in the first instance is "1", and still another app than "1".
	fixed := mustLoad(t, &Loader{Sets: []string{"run.command[1]=1"}}, blog(blogText)).Apps[0].Canonical()
	counted := mustLoad(t, &Loader{Sets: []string{"run.command[1]=${instance}"}}, blog(blogText)).Apps[0].Canonical()
	if string(fixed) == string(counted) {
		t.Error("a number and ${instance} are the same")
	}
	// A field with a default must not be in it, or every field that is added
	// would make the files of every app out of date.
	for _, field := range []string{"log.max_age: ", "log.max_total: ", "log.keep: ", "description: ", "options."} {
		if strings.Contains(string(one), field) {
			t.Errorf("%s is in\n%s", field, one)
		}
	}
	kept := mustLoad(t, &Loader{Sets: []string{"log.keep=9"}}, blog(blogText)).Apps[0].Canonical()
	if !strings.Contains(string(kept), "log.keep: ") {
		t.Errorf("a number that is no default is not in\n%s", kept)
	}
}

// TestEnvironment sets a variable for every field, and more, and expects the
// same app: nothing but vars_from_env lets the environment in.
func TestEnvironment(t *testing.T) {
	before := mustLoad(t, new(Loader), blog(blogText)).Apps[0].Canonical()
	count := 0
	for _, f := range Fields() {
		name := strings.ToUpper(strings.NewReplacer(".", "_", "[]", "", "*", "X").Replace(f.Path))
		for _, prefix := range []string{"SCGIKIT_", ""} {
			if prefix == "" && os.Getenv(name) != "" {
				continue
			}
			t.Setenv(prefix+name, "junk")
			count++
		}
	}
	after := mustLoad(t, &Loader{Env: os.LookupEnv}, blog(blogText)).Apps[0].Canonical()
	if string(before) != string(after) {
		t.Errorf("the environment changed the app:\n%s\n%s", before, after)
	}
	t.Logf("%d variables changed nothing", count)
}

// TestModes reads the forms of a mode: two are one, and the others refused at
// their place.
func TestModes(t *testing.T) {
	text := strings.Replace(blogText, "tcp: 127.0.0.1:8040", "unix: /run/b.sock\n  mode: MODE", 1)
	text = strings.Replace(text, "${port}", "80", 1)
	with := func(mode string) Source { return blog(strings.Replace(text, "MODE", mode, 1)) }
	for _, mode := range []string{"0660", `"0660"`, "'0660'"} {
		if got := mustLoad(t, new(Loader), with(mode)).Apps[0].Listen.Mode; got != 0o660 {
			t.Errorf("%s is %s", mode, got)
		}
	}
	for mode, hint := range map[string]string{
		"660": `write "0660"`, "0o660": `write "0660"`, "432": `write "0660"; 432 is its decimal form`, "384": `write "0600"; 384 is its decimal form`,
		"0999": `quote it and use digits 0-7, for example "0660"`, "-1": `quote it and use digits 0-7, for example "0660"`,
		`"rw-------"`: `write "0600"`, "01777": `write "0777"`, "600": `write "0600"`, "0x1b0": `quote it and use digits 0-7, for example "0660"`,
	} {
		_, list := new(Loader).Load([]Source{with(mode)})
		if len(list) != 1 || list[0].Code != "bad-mode" || list[0].Span.Line != 12 || list[0].Span.Column != 9 ||
			list[0].Span.Width != len(mode) || list[0].Hint != hint {
			t.Errorf("%s: %v, hint %q", mode, list, list[0].Hint)
		}
	}
}

func TestOptionsOfEveryTarget(t *testing.T) {
	l := &Loader{Options: testOptions()}
	a := mustLoad(t, l, blog(blogText)).Apps[0]
	got, ok := a.Options["inetd"].(*inetdOptions)
	if !ok || got.Limit != 6000 || got.Dialect != "" {
		t.Errorf("options that are not set: %#v", a.Options["inetd"])
	}
	b := mustLoad(t, l, blog(blogText+"options: {inetd: {dialect: netbsd, limit: 40}}\n")).Apps[0]
	if got, ok := b.Options["inetd"].(*inetdOptions); !ok || got.Limit != 40 || got.Dialect != "netbsd" {
		t.Errorf("options that are set: %#v", b.Options["inetd"])
	}
	if !b.IsSet("options.inetd.limit") || b.Origin("options.inetd.limit").Span.Column != 43 {
		t.Errorf("origin of an option: %+v", b.Origin("options.inetd.limit"))
	}
	if got := a.Options["inetd"].(*inetdOptions); got.Limit != 6000 {
		t.Error("two apps share their options")
	}
}

func TestProfileFile(t *testing.T) {
	src := Source{Name: "apps/blog.yaml", Data: []byte(blogText)}
	src.Profile = &Source{Name: "apps/blog.prod.yaml", Data: []byte("run: {user: prod, env: ~}\n")}
	a := mustLoad(t, &Loader{Profile: "prod"}, src).Apps[0]
	o := a.Origin("run.user")
	if a.Run.User != "prod" || len(a.Run.Env) != 0 || o.Kind != FromProfile || o.Span.File != "apps/blog.prod.yaml" || o.Span.Line != 1 {
		t.Errorf("user %s, env %v, origin %+v", a.Run.User, a.Run.Env, o)
	}
	for text, code := range map[string]string{
		"profiles: {x: {}}\n":   "bad-profile",
		"a: 1\n---\nb: 2\n":     "bad-profile",
		"run: {usr: x}\n":       "unknown-key",
		"run: [\n":              "syntax",
		"run: {user: \"\xff\"}": "bad-encoding",
	} {
		src.Profile.Data = []byte(text)
		_, list := (&Loader{Profile: "prod"}).Load([]Source{src})
		if len(list) == 0 || !slices.ContainsFunc(list, func(p *diag.Problem) bool { return p.Code == code && p.Span.File == "apps/blog.prod.yaml" }) {
			t.Errorf("%q: %v, want %s", text, list, code)
		}
	}
}

func TestSeveralSources(t *testing.T) {
	var sources []Source
	for i := range 3 {
		text := strings.NewReplacer("name: blog", fmt.Sprintf("name: b%d", 2-i), "8040", fmt.Sprint(8040+10*i), "/blog", fmt.Sprintf("/b%d", i)).Replace(blogText)
		sources = append(sources, Source{Name: fmt.Sprintf("apps/b%d.yaml", 2-i), Data: []byte(text)})
	}
	p := mustLoad(t, new(Loader), sources...)
	if len(p.Apps) != 3 || p.Apps[0].Name != "b0" || p.Apps[2].Name != "b2" || p.Apps[1].File != "b1.yaml" {
		t.Errorf("apps: %v", p.Apps)
	}
	sources[1].Data = []byte(strings.Replace(string(sources[1].Data), "8050", "8041", 1))
	_, list := new(Loader).Load(sources)
	if len(list) != 1 || list[0].Code != "duplicate-listener" || list[0].Span.File != "apps/b1.yaml" || list[0].Other.File != "apps/b2.yaml" {
		t.Errorf("%v", list)
	}
}

// TestSettingOfSeveral reports a mistake in a setting once, and not for each app.
func TestSettingOfSeveral(t *testing.T) {
	one, two := blog(blogText), blog(strings.NewReplacer("name: blog", "name: two", "8040", "9000", "/blog", "/two").Replace(blogText))
	_, list := (&Loader{Sets: []string{"run.usr=x", "run.nice=99"}}).Load([]Source{one, two})
	if len(list) != 2 {
		t.Errorf("%v", list)
	}
}

// TestLongValue shows of a long value no more than a person can read.
func TestLongValue(t *testing.T) {
	_, list := new(Loader).Load([]Source{blog("name: " + strings.Repeat("é", 100_000) + "\n" + strings.Repeat("k", 50_000) + ": 1")})
	for _, p := range list {
		if len(p.Error()) > 1000 {
			t.Errorf("a line of %d bytes", len(p.Error()))
		}
	}
}

// TestStdin gives the description from standard input the name of its file, so
// that headers, and so bytes, are the same.
func TestStdin(t *testing.T) {
	a := mustLoad(t, new(Loader), Source{Name: "-", Data: []byte(blogText)}).Apps[0]
	if a.File != "blog.yaml" || a.Instances[0].File != "blog.yaml" {
		t.Errorf("file %q", a.File)
	}
}

func BenchmarkLoad(b *testing.B) {
	l := &Loader{Options: testOptions()}
	for b.Loop() {
		mustLoad(b, l, blog(blogText))
	}
}

// BenchmarkLoadThousand reads 1,000 apps as one project.
func BenchmarkLoadThousand(b *testing.B) {
	var sources []Source
	for i := range 1000 {
		text := strings.NewReplacer("name: blog", fmt.Sprintf("name: b%d", i), "8040", fmt.Sprint(10000+2*i), "/blog", fmt.Sprintf("/b%d", i)).Replace(blogText)
		sources = append(sources, Source{Name: fmt.Sprintf("apps/b%d.yaml", i), Data: []byte(text)})
	}
	l := &Loader{Options: testOptions()}
	for b.Loop() {
		mustLoad(b, l, sources...)
	}
}

func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"ok", "err"} {
		entries, err := os.ReadDir("testdata/" + folder)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".yaml") {
				data, err := os.ReadFile("testdata/" + folder + "/" + e.Name())
				if err != nil {
					f.Fatal(err)
				}
				f.Add(data, "prod", "run.env.A=1")
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, profile, set string) {
		l := Loader{Options: testOptions(), Profile: profile, Sets: []string{set}, Env: func(n string) (string, bool) { return n, true }}
		for _, loader := range []Loader{{Options: l.Options}, l} {
			p, list := loader.Load([]Source{{Name: "f.yaml", Data: data}})
			if (p == nil) != list.HasErrors() {
				t.Fatal("a project and an error, or neither")
			}
			if err := list.Show(new(strings.Builder)); err != nil {
				t.Fatal(err)
			}
			if p != nil {
				checkSound(t, p)
			}
		}
	})
}

// checkSound checks what every accepted app promises.
func checkSound(t *testing.T, p *Project) {
	t.Helper()
	for _, a := range p.Apps {
		if !strings.HasSuffix(a.HTTP.Mount, "/") || len(a.Instances) != a.Run.Instances || a.Run.User == "" {
			t.Fatalf("mount %q, %d instances of %d, user %q", a.HTTP.Mount, len(a.Instances), a.Run.Instances, a.Run.User)
		}
		a.leaves(func(l leaf) {
			l.strings(func(path, value string) bool {
				if strings.ContainsFunc(value, Hidden) || strings.ContainsAny(value, "\t\n") {
					t.Fatalf("%s holds a control character: %q", path, value)
				}
				return true
			})
		})
		for _, path := range a.SetPaths() {
			if field := FieldOf(path); !slices.ContainsFunc(Fields(), func(f Field) bool { return f.Path == field }) {
				t.Fatalf("the path %q is of no field (%q)", path, field)
			}
		}
		a.Canonical()
		a.Resolved()
	}
}
