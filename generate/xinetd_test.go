package generate_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"scgikit/generate"
	"scgikit/internal/fileset"
	"scgikit/internal/inetdconf"
	"scgikit/internal/need"
	"scgikit/internal/servertest"
)

// xinetdServices reads every service of a set, each of which has to be the only
// one in its file, and without complaint.
func xinetdServices(t *testing.T, set *fileset.Set) map[string]inetdconf.XinetdService {
	t.Helper()
	all := make(map[string]inetdconf.XinetdService)
	for _, f := range set.Files() {
		if f.Place != "xinetd.d" {
			continue
		}
		services, problems := inetdconf.ParseXinetd(string(f.Data))
		if len(services) != 1 || len(problems) > 0 {
			t.Fatalf("%s: %d services are read, with problems %v:\n%s", f.Path, len(services), problems, f.Data)
		}
		all[f.Apps[0]] = services[0]
	}
	return all
}

// TestXinetdServices reads back the services that the golden tests make.
func TestXinetdServices(t *testing.T) {
	t.Parallel()
	count := 0
	for _, set := range starterSets(t, "xinetd") {
		for app, s := range xinetdServices(t, set) {
			count++
			if s.Name != app+"-scgi" || s.PerSource != inetdconf.NoLimit || s.PerSecond != 0 || s.PassEnv == nil || s.Wait || s.Instances < 1 {
				t.Errorf("%s: %+v", app, s)
			}
		}
	}
	if count < 4 {
		t.Errorf("only %d services", count)
	}
}

// TestXinetdNoSocket leaves an app out that listens on a socket on disk, and says
// what to do.
func TestXinetdNoSocket(t *testing.T) {
	t.Parallel()
	project := load(t, "apiVersion: scgikit/v1\nname: a\ntype: cgi\nrun: {user: www}\ncgi: {script: /srv/x}\nlisten: {unix: /run/a/s, group: www}\nhttp: {mount: /a}\n")
	target, _ := generate.Lookup("xinetd")
	why := target.Fits(project.Apps[0])
	if !strings.Contains(why, "listen.unix") || !strings.Contains(why, "use listen.tcp") {
		t.Errorf("%q", why)
	}
	if _, problems := new(generate.Renderer).Render(target, project, project.Apps); !problems.HasErrors() {
		t.Error("it is rendered")
	}
}

// TestXinetdLists cuts lists that are longer than a line may be.
func TestXinetdLists(t *testing.T) {
	t.Parallel()
	var names, networks []string
	for i := range 900 {
		names = append(names, fmt.Sprintf("VARIABLE_NUMBER_%d", i))
		networks = append(networks, fmt.Sprintf(`"2001:db8:%x::/48"`, i+1))
	}
	set := mustRender(t, "xinetd", load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: a
type: cgi
run: {user: www}
cgi: {script: /srv/x, env_pass: [%s]}
listen: {tcp: "127.0.0.1:8060"}
http: {mount: /a}
options: {xinetd: {only_from: [%s]}}
`, strings.Join(names, ", "), strings.Join(networks, ", "))))
	s := xinetdServices(t, set)["a"]
	if !slices.Equal(s.PassEnv, names) || len(s.OnlyFrom) != len(networks) || s.OnlyFrom[899] != "2001:db8:384::/48" {
		t.Errorf("%d variables, %d networks", len(s.PassEnv), len(s.OnlyFrom))
	}
}

// realXinetd runs xinetd on the services of a set, whose scripts stand in the
// folder already, until the test ends.
func realXinetd(t *testing.T, dir string, set *fileset.Set, addr string) {
	t.Helper()
	services := filepath.Join(dir, "xinetd.d")
	for _, f := range set.Files() {
		if f.Place == "xinetd.d" {
			writeFile(t, filepath.Join(services, filepath.Base(f.Path)), string(f.Data))
		}
	}
	conf := filepath.Join(dir, "xinetd.conf")
	writeFile(t, conf, "includedir "+services+"\n")
	log := filepath.Join(dir, "xinetd.log")
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("%s", text)
		}
	})
	startInetd(t, []string{need.Program(t, "xinetd"), "-dontfork", "-f", conf, "-pidfile", filepath.Join(dir, "xinetd.pid"), "-filelog", log}, "tcp", addr)
}

// TestXinetdAwkward puts awkward strings in every field that a service or a
// script of xinetd carries, and requires that the real xinetd starts a program
// with the very same words, and no variable but those that are asked for.
func TestXinetdAwkward(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	program := installReporter(t, dir)
	username, _ := someUser(t)
	first := servertest.Ports(t, len(starterAwkward))
	var text strings.Builder
	want := make([][]string, len(starterAwkward))
	for i, s := range starterAwkward {
		logs := fmt.Sprintf("/log %d %.40s", i, strings.ReplaceAll(s, "/", "_"))
		if i%2 == 0 {
			logs = fmt.Sprintf("/log%d", i) // so that a service may carry it
		}
		if err := os.Mkdir(dir+logs, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir+logs, 0o777); err != nil {
			t.Fatal(err)
		}
		script := "/srv/" + strings.ReplaceAll(s, "/", "_")
		fmt.Fprintf(&text, `---
apiVersion: scgikit/v1
name: a%d
type: cgi
run: {user: %s, env: {VALUE: %s}}
cgi: {script: %s, arguments: [first, %s], env_pass: [LANG]}
listen: {tcp: "127.0.0.1:%d"}
log: {dir: %s}
http: {mount: /a%d}
options: {xinetd: {scgi_run: %s, wrapper_dir: %s}}
`, i, username, yamlText(s), yamlText(script), yamlText(s), first+i, yamlText(logPlace+logs), i, yamlText(program), yamlText(dir))
		want[i] = []string{
			program, "bridge", fmt.Sprintf("--mount=/a%d", i), "--timeout=60s", "--max-body=10485760", "--umask=0027", "--limit=core=0",
			"--log=" + dir + logs + fmt.Sprintf("/a%d.log", i), "--env=VALUE=" + s, "--env-pass=LANG", script, "first", s,
		}
	}
	set := moveLogs(t, mustRender(t, "xinetd", load(t, strings.TrimPrefix(text.String(), "---\n"))), dir)
	install(t, set, "xinetd/", dir)
	services := xinetdServices(t, set)
	realXinetd(t, dir, set, fmt.Sprintf("127.0.0.1:%d", first))
	direct := 0
	for i := range starterAwkward {
		if services[fmt.Sprintf("a%d", i)].Program == program {
			direct++
		}
		got, err := parseReport(readAll(t, fmt.Sprintf("127.0.0.1:%d", first+i)))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Args, want[i]) {
			t.Errorf("started with\n%q, want\n%q", got.Args, want[i])
		}
		for _, variable := range got.Env {
			// The shells add PWD and what they are called by.
			if name, _, _ := strings.Cut(variable, "="); !slices.Contains([]string{"LANG", "REMOTE_HOST", "PWD", "OLDPWD", "SHLVL", "_"}, name) {
				t.Errorf("%q is in the environment", variable)
			}
		}
		if got.Dir != "/" {
			t.Errorf("the folder is %s", got.Dir)
		}
	}
	if direct < 10 || direct > len(starterAwkward)/2 {
		t.Errorf("%d of %d are started without a script", direct, len(starterAwkward))
	}
}

// readAll connects and reads to the end.
func readAll(t *testing.T, addr string) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err = conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// describeXinetd is a folder of scripts for xinetd; more adds to run.
func (r *realInetd) describeXinetd(t *testing.T, more, scgiRun string) string {
	t.Helper()
	return strings.ReplaceAll(r.describe(t, "", fmt.Sprintf("{tcp: %q}", r.addr), more, scgiRun), "inetd: {dialect: , ", "xinetd: {")
}

// TestXinetd answers real requests through the real xinetd: straight from the
// service, and through a script with all that a service can not carry.
func TestXinetd(t *testing.T) {
	t.Parallel()
	need.Program(t, "xinetd")
	scgiRun := buildSCGIRun(t, publicDir(t))
	secrets := func(dir string) string {
		return fmt.Sprintf("  env_file: %s\n  secrets: {KEY: {file: %s}}\n", filepath.Join(dir, "env"), filepath.Join(dir, "key"))
	}
	for name, tt := range map[string]struct {
		more    func(dir string) string
		rest    string
		setting string
	}{
		"plain":  {func(string) string { return "" }, "value=v1 key= file=", plainXinetd(t)},
		"full":   {func(string) string { return moreSetting }, "value=v1 key= file=", fullSetting(t)},
		"script": {func(dir string) string { return moreSetting + secrets(dir) }, "value=v1 key=s 3 file=f 4", fullSetting(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &realInetd{dir: publicDir(t), network: "tcp", addr: fmt.Sprintf("127.0.0.1:%d", servertest.Ports(t, 1))}
			writeFile(t, filepath.Join(r.dir, "key"), "s 3\n")
			writeFile(t, filepath.Join(r.dir, "env"), "FROM_FILE=f 4\n")
			set := mustRender(t, "xinetd", load(t, r.describeXinetd(t, tt.more(r.dir), scgiRun)))
			set = moveLogs(t, set, filepath.Join(r.dir, "log"))
			if _, ok := set.Get("xinetd/files.sh"); ok != (name == "script") {
				t.Errorf("there is a script: %v", ok)
			}
			r.install(t, set)
			realXinetd(t, r.dir, set, r.addr)
			r.check(t, tt.rest, tt.setting)
		})
	}
}

// plainXinetd is what a program finds itself in by default. xinetd raises the
// number of files to the highest that it may have.
func plainXinetd(t *testing.T) string {
	t.Helper()
	return strings.Replace(plainSetting(t), fmt.Sprintf(" 0 %d ", openFiles(t)), fmt.Sprintf(" 0 %d ", hardOpenFiles(t)), 1)
}

// TestXinetdManyRequests asks far more often in a second than xinetd allows by
// default, from one address, and over as many connections at once as the
// description says; one more is closed.
func TestXinetdManyRequests(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	username, _ := someUser(t)
	addr := fmt.Sprintf("127.0.0.1:%d", servertest.Ports(t, 1))
	// It says that it is there, and ends with the connection.
	program := filepath.Join(dir, "scgi-run")
	writeProgram(t, program, "#!/bin/sh\necho here\ncat >/dev/null\n")
	set := mustRender(t, "xinetd", load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: a
type: cgi
run: {user: %s, max_concurrent: 20}
cgi: {script: /srv/x}
listen: {tcp: %q}
http: {mount: /a}
options: {xinetd: {scgi_run: %s}}
`, username, addr, yamlText(program))))
	realXinetd(t, dir, set, addr)
	open := func() (conn net.Conn, said string) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err = conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		said, _ = bufio.NewReader(conn).ReadString('\n') // nothing, where it is closed
		return conn, said
	}
	// One after the other; each has ended for xinetd a little later.
	for range 200 {
		eventually(t, "an answer", func() bool {
			conn, said := open()
			conn.Close()
			return said == "here\n"
		})
	}
	var conns []net.Conn
	for len(conns) < 20 {
		conn, said := open()
		defer conn.Close()
		if said == "here\n" {
			conns = append(conns, conn)
		}
	}
	if conn, said := open(); said != "" {
		t.Errorf("one connection too many gets %q", said)
	} else {
		conn.Close()
	}
	conns[0].Close()
	eventually(t, "a place for another connection", func() bool {
		conn, said := open()
		conn.Close()
		return said == "here\n"
	})
}
