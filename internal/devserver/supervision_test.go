package devserver

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"scgikit/internal/appfile"
)

func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := &appfile.Run{
		Env:     map[string]string{"A": "run", "Foo": "1", "FOO": "2"},
		EnvFile: write("env", "# comment\n\nA=file\nB=  \"kept\" $HOME = x\nC=file\nEMPTY=\nLAST=no newline", 0o600),
		Secrets: map[string]appfile.Secret{"KEY": {File: write("key", "s3cret\nsecond line\n", 0o600)}, "C": {File: write("c", "secret", 0o600)}},
	}
	env, err := newEnvironment(run, []string{"A=outer", "PATH=/bin", "GATEWAY_INTERFACE=CGI/1.1", "KEY=outer", "nonsense"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"A=run", "B=  \"kept\" $HOME = x", "C=file", "EMPTY=", "FOO=2", "Foo=1", "KEY=s3cret", "LAST=no newline", "PATH=/bin"}
	if !slices.Equal(env.list, want) {
		t.Errorf("got %q, want %q", env.list, want)
	}
	if named := []string{"A", "B", "C", "EMPTY", "LAST"}; !slices.Equal(env.named, named) {
		t.Errorf("named %q, want %q", env.named, named)
	}
	for want, path := range map[string]string{
		"may be used by everyone (mode 0644)": write("open", "A=1\n", 0o644),
		":2: not NAME=value":                  write("bad", "A=1\nexport B=2\n", 0o600),
		":1: not NAME=value":                  write("digit", "1A=1\n", 0o600),
		"no such file":                        filepath.Join(dir, "none"),
		"NUL byte":                            write("nul", "A=a\x00b\n", 0o600),
	} {
		if _, err := newEnvironment(&appfile.Run{EnvFile: path}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain é 日本\ttab":    "plain é 日本\ttab",
		"\x1b[31mred\x07":    `\x1b[31mred\a`,
		"a\r\x00b":           `a\r\x00b`,
		"\xff\xfe":           `\xff\xfe`,
		"bidi \u202e end":    `bidi \u202e end`,
		"\u0085 \u2028 next": `\u0085 \u2028 next`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// The terminal gets escapes, the file gets the text as it is, with its time;
// the file of the last run is kept.
func TestLogs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	out := newTranscript()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	for _, text := range []string{"first run", "second \x1b[31m run"} {
		file, err := openLog(dir, "blog", 1000)
		if err != nil {
			t.Fatal(err)
		}
		l := &appLog{name: "blog", terminal: &terminal{w: out}, now: func() time.Time { return at }, file: file}
		l.copy(strings.NewReader(text + "\nlast"))
		l.close()
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const stamp = "2026-01-02T03:04:05.000006Z "
	if got, want := read("blog.log"), stamp+"second \x1b[31m run\n"+stamp+"last\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := read("blog.log.old"), stamp+"first run\n"+stamp+"last\n"; got != want {
		t.Errorf("old: got %q, want %q", got, want)
	}
	if got := out.String(); !strings.Contains(got, `blog         | second \x1b[31m run`) || strings.Contains(got, "\x1b") {
		t.Errorf("terminal: %q", got)
	}
	info, err := os.Stat(filepath.Join(dir, "blog.log"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestLogRotates(t *testing.T) {
	dir := t.TempDir()
	file, err := openLog(dir, "blog", 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"0123456789\n", "abcdefgh\n", "next file\n", strings.Repeat("long", 10) + "\n", "end\n"} {
		if err := file.write(line); err != nil {
			t.Fatal(err)
		}
	}
	file.close()
	for name, want := range map[string]string{"blog.log": "end\n", "blog.log.old": strings.Repeat("long", 10) + "\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}

// A link in the place of the log is moved aside like any file, never followed.
func TestLogFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(dir, "blog.log")); err != nil {
		t.Fatal(err)
	}
	file, err := openLog(dir, "blog", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.write("line\n"); err != nil {
		t.Fatal(err)
	}
	file.close()
	if got, err := os.ReadFile(victim); err != nil || string(got) != "kept" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestKeptLines(t *testing.T) {
	l := &appLog{name: "blog", terminal: &terminal{w: newTranscript()}, now: time.Now}
	for i := range keptLines + 5 {
		l.add(strings.Repeat("x", i))
	}
	if got := l.lines(); len(got) != keptLines || len(got[0]) != 5 || len(got[keptLines-1]) != keptLines+4 {
		t.Errorf("%q", got)
	}
}

func TestListens(t *testing.T) {
	dir := t.TempDir()
	unix := filepath.Join(dir, "a b")
	u, err := net.Listen("unix", unix)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	stale := filepath.Join(dir, "stale")
	s, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s.SetUnlinkOnClose(false)
	s.Close()
	// The list has the path that the program bound.
	link := filepath.Join(dir, "link")
	if err := os.Symlink(unix, link); err != nil {
		t.Fatal(err)
	}
	addrs := map[appfile.Addr]bool{
		{Unix: unix}: true, {Unix: stale}: false, {Unix: filepath.Join(dir, "none")}: false, {Unix: link}: true, {Unix: dir}: false,
	}
	for listen, hosts := range map[string][]string{"127.0.0.1:0": {"127.0.0.1", "localhost"}, "[::1]:0": {"::1", "localhost"}, ":0": {"127.0.0.1", "localhost"}, "127.0.0.2:0": {"127.0.0.2", "localhost"}} {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			t.Logf("%s: %v", listen, err)
			continue
		}
		defer l.Close()
		for _, host := range hosts {
			addrs[appfile.Addr{Host: host, Port: l.Addr().(*net.TCPAddr).Port}] = true
		}
		if listen == "127.0.0.2:0" {
			addrs[appfile.Addr{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}] = false
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addrs[appfile.Addr{Host: "127.0.0.1", Port: free.Addr().(*net.TCPAddr).Port}] = false
	free.Close()
	for addr, want := range addrs {
		if got := listens(t.Context(), addr); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}

func TestNotes(t *testing.T) {
	text := `apiVersion: scgikit/v1
name: shop
type: wsgi
protocol: fastcgi
run: {mode: resident, user: shop, nice: -5, limits: {nofile: 100, nproc: 100}}
wsgi: {module: "shop.wsgi:application", server: uwsgi, workers: 2}
listen: {tcp: "127.0.0.1:8041"}
http: {mount: /shop/, relative_redirects: internal}
---
apiVersion: scgikit/v1
name: blog
type: server
run: {mode: resident, user: www, command: [./blog], directory: /srv/blog, nice: 5, limits: {nofile: 100, nproc: 100}}
listen: {tcp: "127.0.0.1:8040"}
http: {mount: /blog/}
`
	loader := appfile.Loader{}
	project, list := loader.Load([]appfile.Source{{Name: "scgikit.yaml", Data: []byte(text)}})
	if list.HasErrors() {
		t.Fatal(list)
	}
	want := []string{
		"blog: not applied here: run.limits.nofile, run.limits.nproc, run.nice",
		"shop: not applied here: http.relative_redirects, protocol, run.limits.nproc, run.nice, wsgi.server",
	}
	if got := Notes(project.Apps); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
