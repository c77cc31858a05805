package generate_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/diag"
	"scgikit/internal/webserver"
)

// awkward are values that have gone wrong in one syntax or another.
var awkward = []string{
	"a b", " lead", "trail ", `a"b`, "a'b", `"`, "'", "a$b", "$host", "$$", "100$", "${HOME}", "${", "$1", "100%", "%{HOST}", "%h %20", "%2e", "a;b", ";", "{a}", "}", "a}b{",
	`a\b`, `ends\`, `\"`, `\n`, "a#b", "# c", "é", "日本", "\u00a0", "\u202ertl", "😀", "<b>", "</Directory>", "a|b", "a&b", "*", "?x", "[a]", "~", "=x", "-x", "!x", "(x)", "`id`", "a,b", ":", "@x",
	"//", "a\nb", "a\tb", "a\x7fb", "{{ .Name }}", "${qsa}", "on", "off", "none", "None", "disabled", "proxy:x", "expr=1", ">", "x>y", "^", "+", "_", "unix:x",
}

// valueApp is an app with one value in as many fields as can carry it.
type valueApp struct {
	name   string // also of its mount
	value  string
	dir    string // for what has to exist on disk
	fields []string
}

// awkwardFields are the fields of free text that a web server carries.
var awkwardFields = []string{"http.params.P", "http.static[0].dir", "http.static[0].index", "http.extra", "listen.unix"}

func (v *valueApp) has(field string) bool { return slices.Contains(v.fields, field) }

// onDisk is a path that ends in the value.
func (v *valueApp) onDisk() string { return v.dir + "/" + v.name + "/" + v.value }

// text is the description. Where the value is no socket, the app is that of b.
func (v *valueApp) text(f *front, b *backend) string {
	listen := tcp(b)
	if v.has("listen.unix") {
		listen = "group: www-data, unix: " + yamlText(v.onDisk())
	}
	var lines, static []string
	if v.has("http.params.P") {
		lines = append(lines, "  params: {P: "+yamlText(v.value)+"}\n")
	}
	if v.has("http.static[0].dir") {
		static = append(static, "{url: /"+v.name+"/dir/, dir: "+yamlText(v.onDisk()+".d/")+"}")
	}
	if v.has("http.static[0].index") {
		static = append(static, "{url: /"+v.name+"/index/, dir: "+v.dir+"/"+v.name+"/index/, index: "+yamlText(v.value)+"}")
	}
	if len(static) > 0 {
		lines = append(lines, "  static: ["+strings.Join(static, ", ")+"]\n")
	}
	if v.has("http.extra") {
		lines = append(lines, "  extra: {"+string(f.program)+": "+yamlText(v.onDisk()+".conf")+"}\n")
	}
	return strings.NewReplacer("OPTIONS\n", "", "REDIRECTS", "pass").Replace(app(v.name, listen, "/"+v.name+"/", strings.Join(lines, "")))
}

// prepare makes what the fields need on disk.
func (v *valueApp) prepare(t *testing.T, f *front) {
	t.Helper()
	writeFile(t, v.dir+"/"+v.name+"/.keep", "")
	if v.has("http.static[0].dir") {
		writeFile(t, v.onDisk()+".d/x.css", "file of "+v.name)
	}
	if v.has("http.static[0].index") {
		writeFile(t, v.dir+"/"+v.name+"/index/"+v.value, "index of "+v.name)
	}
	if v.has("http.extra") {
		writeFile(t, v.onDisk()+".conf", map[webserver.Program]string{
			webserver.Nginx: "scgi_param EXTRA yes;\n", webserver.Lighttpd: "setenv.add-environment += ( \"EXTRA\" => \"yes\" )\n", webserver.Apache: "SetEnv EXTRA yes\n",
		}[f.program])
	}
	if v.has("listen.unix") {
		startBackend(t, "blog", v.onDisk())
	}
}

// check asks the server for everything that the fields promise.
func (v *valueApp) check(t *testing.T, addr string) {
	t.Helper()
	r := get(t, addr, "/"+v.name+"/x")
	if r.Received == nil {
		t.Errorf("%q: %d with %v", v.value, r.Status, v.fields)
		return
	}
	if got := r.Received.all("P"); v.has("http.params.P") && !slices.Equal(got, []string{v.value}) {
		t.Errorf("parameter %q reaches the app as %q", v.value, got)
	}
	if got, _ := r.Received.get("EXTRA"); v.has("http.extra") && got != "yes" {
		t.Errorf("extra file %q is not read", v.value)
	}
	if r := get(t, addr, "/"+v.name+"/dir/x.css"); v.has("http.static[0].dir") && r.Body != "file of "+v.name {
		t.Errorf("folder %q: %d %.40q", v.value, r.Status, r.Body)
	}
	if r := get(t, addr, "/"+v.name+"/index/"); v.has("http.static[0].index") && r.Body != "index of "+v.name {
		t.Errorf("index %q: %d %.40q", v.value, r.Status, r.Body)
	}
}

// usable reports whether a file system takes the value as one name.
func usable(value string) bool { return !strings.Contains(value, "/") }

// yamlText writes a value as YAML reads it; JSON's strings are YAML's. A "$"
// would begin a variable.
func yamlText(value string) string {
	text, err := json.Marshal(strings.ReplaceAll(value, "$", "$$"))
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return string(text)
}

// TestAwkwardValues puts every awkward value in every field that a web server
// carries. The description or the target refuses it and names the field, or
// the running server has exactly this value.
func TestAwkwardValues(t *testing.T) {
	forFronts(t, []string{"nginx-server", "apache-vhost", "mod_scgi"}, func(t *testing.T, f *front) {
		f.find(t)
		dir := publicDir(t)
		target, _ := generate.Lookup(string(f.program))
		var all []*valueApp
		var text strings.Builder
		carried := make(map[string]int)
		for i, value := range awkward {
			b := startBackend(t, "blog", "")
			v := &valueApp{name: fmt.Sprintf("v%d", i), value: value, dir: dir}
			for _, field := range awkwardFields {
				if field != "http.params.P" && !usable(value) {
					continue
				}
				alone := &valueApp{name: v.name, value: value, dir: dir, fields: []string{field}}
				project, problems := tryLoad(alone.text(f, b))
				if !problems.HasErrors() {
					_, problems = render(t, target, project)
				}
				if problems.HasErrors() {
					namesField(t, problems, field, value)
					continue
				}
				v.fields = append(v.fields, field)
				carried[field]++
			}
			if len(v.fields) > 0 {
				all = append(all, v)
				text.WriteString(v.text(f, b))
			}
		}
		for _, field := range awkwardFields {
			if carried[field] < 25 {
				t.Errorf("%s: only %d of %d values are carried", field, carried[field], len(awkward))
			}
		}
		for _, v := range all {
			v.prepare(t, f)
		}
		server := f.start(t, text.String())
		for _, v := range all {
			v.check(t, server.Addr)
		}
	})
}

// namesField expects problems that point to the field.
func namesField(t *testing.T, problems diag.List, path, value string) {
	t.Helper()
	for _, p := range problems {
		// What belongs in no text at all is found before there are fields.
		if p.Severity == diag.Error && !strings.HasPrefix(p.Path, path) && p.Code != "bad-character" {
			t.Errorf("%q in %s: the problem is at %q: %v", value, path, p.Path, p)
		}
	}
}

// TestManyParameters sends random values, and long ones, through the real
// parsers: what is not refused arrives as it was.
func TestManyParameters(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	letters := []rune("ab  \"'\\\\$%;{}#<>|&*?()[]~=,:@!`éλ日😀\u00a0")
	values := []string{
		strings.Repeat("x", 4000), strings.Repeat("é", 2000), strings.Repeat(`"`, 2000), strings.Repeat(`\`, 4000), strings.Repeat("a b ", 1000),
		strings.Repeat("x", 4094), strings.Repeat("x", 4095), strings.Repeat("x", 4096), strings.Repeat("x", 8000), strings.Repeat(`"`, 4000),
	}
	for range 300 {
		var b strings.Builder
		for range 1 + random.IntN(12) {
			b.WriteRune(letters[random.IntN(len(letters))])
		}
		values = append(values, b.String())
	}
	blog := startBackend(t, "blog", "")
	forFronts(t, []string{"nginx-server", "apache-vhost"}, func(t *testing.T, f *front) {
		target, _ := generate.Lookup(string(f.program))
		var lines strings.Builder
		want := make(map[string]string)
		for i, value := range values {
			name := fmt.Sprintf("P%d", i)
			if _, err := target.Quote(value); err != nil {
				continue // TestAwkwardValues sees that the field is named
			}
			want[name] = value
			fmt.Fprintf(&lines, "    %s: %s\n", name, yamlText(value))
		}
		if len(want) < 100 {
			t.Fatalf("only %d of %d values can be written", len(want), len(values))
		}
		server := f.start(t, app("blog", tcp(blog), "/blog/", "  params:\n"+lines.String()))
		r := get(t, server.Addr, "/blog/x").Received
		if r == nil {
			t.Fatal("no answer from the app")
		}
		for name, value := range want {
			if got, ok := r.get(name); got != value || !ok {
				t.Errorf("%s: %.60q reaches the app as %.60q, %v", name, value, got, ok)
			}
		}
	})
}
