package doctor

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
)

const escape = "\x1b[31m"

// madeUp returns the root of a machine that is none: links from its root, a loop, a
// FIFO where a configuration is read, and a program that must not be started.
func madeUp(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"etc/os-release":                            "ID=debian\nPRETTY_NAME=\"Made up " + escape + "\"\n",
		"etc/group":                                 "root:x:0:\nwww-data:x:33:\n",
		"etc/passwd":                                "root:secret-hash:0:0:secret gecos:/root:/bin/sh\nwww-data:x:33:33::/:/usr/sbin/nologin\nann:x:1000:1000::/:/bin/bash\nbob:x:1001:33::/:/bin/sh\nbroken:x\nbroken:x:a:b:::\n",
		"etc/nginx/nginx.conf":                      "http { include /etc/nginx/conf.d/*.conf; }\n",
		"etc/nginx/real/site":                       "  include snippets/scgikit-*.location.conf;\n  proxy_set_header Authorization secret-token;\n",
		"etc/lighttpd/lighttpd.conf":                "# include \"scgikit/*.conf\"\n",
		"etc/apache2/mods-enabled/proxy.load":       "LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so\n",
		"usr/lib/apache2/modules/mod_proxy.so":      "",
		"usr/lib/apache2/modules/mod_proxy_scgi.so": "",
		"usr/lib/lighttpd/mod_scgi.so":              "",
		"var/lib/dpkg/info/openbsd-inetd.list":      "/usr/sbin/inetd\n",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "usr/sbin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nginx", "lighttpd", "apache2", "inetd", "scgi-run"} {
		program := "#!/bin/sh\necho started >" + filepath.Join(dir, "started") + "\n"
		if err := os.WriteFile(filepath.Join(dir, "usr/sbin", name), []byte(program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"sbin": "/usr/sbin", "etc/nginx/sites-enabled": "/etc/nginx/real", "etc/nginx/loop": "loop", "etc/nginx/up": "../../../../../etc", "etc/lighttpd/out": "/../../../../" + dir} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "etc/nginx/fifo.conf"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "usr/sbin/scgi-run"), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	return dir
}

func places() []Asked {
	return []Asked{
		{Target: "lighttpd", Word: "server", Path: "/etc/lighttpd/scgikit", Manual: "include"},
		{Target: "nginx", Word: "http", Path: "/etc/nginx/conf.d"},
		{Target: "nginx", Word: "server", Path: "/etc/nginx/snippets", Manual: "include"},
		{Target: "caddy", Word: "site", Path: "/etc/caddy/scgikit", Manual: "import"},
	}
}

// TestMadeUp looks at a machine below another root: nothing of it is started,
// waited for, or shown that could be secret.
func TestMadeUp(t *testing.T) {
	dir := madeUp(t)
	m, err := Look(t.Context(), &Options{Root: dir, Places: places(), Search: []string{"/usr/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
		t.Error("a program below another root was started")
	}
	var names []string
	for _, p := range m.Programs {
		names = append(names, p.Name)
		if p.Asked || p.Running || p.Version != "" {
			t.Errorf("%+v", p)
		}
	}
	if got := strings.Join(names, " "); got != "nginx lighttpd apache inetd scgi-run" {
		t.Errorf("the programs are %s", got)
	}
	apache, _ := m.Program("apache")
	if want := []Module{{"proxy_module", true}, {"proxy_scgi_module", false}}; !slices.Equal(apache.Modules, want) {
		t.Errorf("the modules of Apache are %v", apache.Modules)
	}
	if inetd, _ := m.Program("inetd"); inetd.Dialect != "openbsd" {
		t.Errorf("the inetd is %q", inetd.Dialect)
	}
	want := []Place{
		{Target: "lighttpd", Word: "server", Path: "/etc/lighttpd/scgikit", Read: ReadNever, Hint: "include"},
		{Target: "nginx", Word: "http", Path: "/etc/nginx/conf.d", Read: ReadAlways},
		{Target: "nginx", Word: "server", Path: "/etc/nginx/snippets", Read: ReadLine},
	}
	if !slices.Equal(m.Places, want) {
		t.Errorf("the places are %+v", m.Places)
	}
	if m.People != 2 || !m.Account("www-data") || len(m.Servers([]string{"bob"})) != 2 {
		t.Errorf("%d people, %v", m.People, m.Accounts)
	}
	if !slices.ContainsFunc(m.Findings, func(f Finding) bool { return f.Level == Error && f.Subject == "scgi-run" }) {
		t.Errorf("a setuid program is not found: %v", m.Findings)
	}
	text, err := json.Marshal(m)
	if err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("%v: a secret is in %s", err, text)
	}
}

// TestEmpty: where nothing is, what is missing is said.
func TestEmpty(t *testing.T) {
	m, err := Look(t.Context(), &Options{Root: t.TempDir(), Places: places()})
	if err != nil || len(m.Programs)+len(m.Places)+len(m.Accounts) > 0 || len(m.Findings) != 3 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := Look(t.Context(), &Options{Root: filepath.Join(t.TempDir(), "nothing")}); err == nil {
		t.Error("a root that is not there is looked at")
	}
}

// script makes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestAsk: a program that hangs, with a child that keeps its output open, one that
// says too much, and one that looks for what it should not see.
func TestAsk(t *testing.T) {
	t.Setenv("SCGIKIT_SECRET", "hunter2")
	const limit = 300 * time.Millisecond
	if _, err := ask(t.Context(), limit, "", script(t, "sleep 1000 & exec sleep 1000\n")); err == nil || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("a program that hangs: %v", err)
	}
	if out, err := ask(t.Context(), limit, "", script(t, "exec yes\n")); err == nil || len(out) != maxSaid {
		t.Errorf("a program that does not end: %v, %d bytes", err, len(out))
	}
	if out, err := ask(t.Context(), time.Minute, "", script(t, "mkdir -p \"$HOME/.cache\"\n")); err == nil {
		t.Errorf("a program that is asked makes a folder at home: %s", out)
	}
	if out, err := ask(t.Context(), time.Minute, "in", script(t, "env; cat; exit 3\n")); err == nil || strings.Contains(out, "hunter2") || !strings.HasSuffix(out, "in") {
		t.Errorf("%v, %s", err, out)
	}
}

// TestMayAsk: root does not start what others could have put there.
func TestMayAsk(t *testing.T) {
	need.Root(t)
	if why := mayAsk("/bin/sh"); why != "" {
		t.Errorf("/bin/sh %s", why)
	}
	if why := mayAsk(script(t, "true\n")); !strings.Contains(why, "others than root may change") {
		t.Errorf("a program below %s: %q", os.TempDir(), why)
	}
}

func TestModules(t *testing.T) {
	text := "nginx version: nginx/1.22.1\nconfigure arguments: --without-http_scgi_module --with-http_v2_module --with-http_perl_module=dynamic"
	nginx := &Program{Name: "nginx", Modules: nginxModules(text)}
	needs := Needs("nginx", [][]byte{[]byte("  scgi_pass unix:/run/a;\n"), []byte("  uwsgi_pass 127.0.0.1:1;\n")})
	if !slices.Equal(needs, []string{"http_scgi_module", "http_uwsgi_module"}) {
		t.Errorf("nginx needs %v", needs)
	}
	if lacks := nginx.Lacks(append(needs, "http_perl_module"), "debian"); len(lacks) != 2 || lacks[0].Message != "http_scgi_module is not on this machine" || lacks[1].Message != "http_perl_module is there, and not loaded" {
		t.Errorf("%v of %v", lacks, nginx.Modules)
	}
	apache := &Program{Name: "apache", Modules: []Module{{"proxy_module", true}, {"proxy_scgi_module", false}}}
	needs = Needs("apache", [][]byte{[]byte("<IfModule !proxy_module>\n  Error \"x\"\n</IfModule>\n<IfModule !proxy_scgi_module>\n")})
	if lacks := apache.Lacks(needs, "debian"); len(lacks) != 1 || lacks[0].Hint != "a2enmod proxy_scgi" {
		t.Errorf("%v", lacks)
	}
	if lacks := (&Program{Name: "lighttpd"}).Lacks(Needs("lighttpd", [][]byte{[]byte(`server.modules += ( "mod_scgi" )`)}), ""); lacks != nil {
		t.Errorf("of a server that was not asked: %v", lacks)
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{"0100007F:1F90": "127.0.0.1:8080", "00000000000000000000000001000000:0050": "[::1]:80"} {
		if got, ok := tcpAddress(text); !ok || got.String() != want {
			t.Errorf("%s is %s, not %s", text, got, want)
		}
	}
	for _, text := range []string{"", ":", "01:0050", "0100007F:", "0100007F:10000", "x:1"} {
		if got, ok := tcpAddress(text); ok {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// TestReal looks at this machine: the real servers say their versions and modules.
func TestReal(t *testing.T) {
	for _, name := range []string{"nginx", "lighttpd", "apache2"} {
		need.Program(t, name)
	}
	m, err := Look(t.Context(), &Options{Root: "/", Real: true, Places: places(), Limit: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for name, module := range map[string]string{"nginx": "http_scgi_module", "lighttpd": "mod_scgi", "apache": "proxy_scgi_module"} {
		p, ok := m.Program(name)
		if !ok || p.Version == "" || !slices.ContainsFunc(p.Modules, func(m Module) bool { return m.Name == module }) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if inetd, ok := m.Program("inetd"); ok && inetd.Asked {
		t.Error("an inetd was started")
	}
	for i := range m.Programs {
		if why := m.Programs[i].Why; why != "" {
			t.Logf("%s %s", m.Programs[i].Path, why)
		}
	}
}
