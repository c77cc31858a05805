package rules

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/servertest"
)

// startTime is how long the programs of an example may take to answer.
const startTime = 2 * time.Minute

// exampleRun says how an example is run here, and what must come back.
type exampleRun struct {
	vars  func(dir string) []string // --set values, with the absolute path of the example
	ports int                       // TCP ports in a row that the app listens on
	needs func(t *testing.T)
	check func(t *testing.T, e *running)
}

// exampleRuns has every example; TestExamplesRun fails for one it leaves out.
func exampleRuns() map[string]exampleRun {
	own := func(name string) func(string) []string {
		return func(dir string) []string { return []string{"vars." + name + "=" + dir} }
	}
	return map[string]exampleRun{
		"blog":       {own("blog"), 1, needPython, checkBlog},
		"localcgi":   {own("localcgi"), 0, needPython, checkLocalCGI},
		"hello-wsgi": {own("hello"), 0, needPython, checkHello},
		"shop": {func(dir string) []string {
			return []string{"vars.shop=" + dir, "vars.secrets=" + dir + "/dev"}
		}, 4, needDjango, checkShop},
		"stats": {own("stats"), 0, needAWStats, checkStats},
		"git":   {func(dir string) []string { return []string{"vars.git=" + dir} }, 0, needGit, checkGit},
	}
}

// TestExamplesRun runs a copy of each example with "scgikit dev", as its README
// says, and asks it what a person would.
func TestExamplesRun(t *testing.T) {
	bin := programs(t)
	runs := exampleRuns()
	for _, dir := range exampleDirs(t) {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			run, ok := runs[name]
			if !ok {
				t.Fatal("no line in exampleRuns")
			}
			run.needs(t)
			run.check(t, startExample(t, bin, dir, &run))
		})
	}
}

func needPython(t *testing.T) { t.Helper(); need.Program(t, "python3") }
func needGit(t *testing.T)    { t.Helper(); need.Program(t, "git") }

func needAWStats(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/usr/lib/cgi-bin/awstats.pl"); err != nil {
		need.Missing(t, "awstats")
	}
}

func needDjango(t *testing.T) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import django").Run(); err != nil {
		need.Missing(t, "django")
	}
}

// running is an example behind the development server.
type running struct {
	dir    string // the copy
	url    string // http://127.0.0.1:PORT
	client *http.Client
}

// startExample copies an example, so that what its programs write stays out of
// the repository, and starts it.
func startExample(t *testing.T, bin, dir string, run *exampleRun) *running {
	t.Helper()
	e := &running{dir: copyFiles(t, dir)}
	args := []string{"-C", e.dir, "dev", "--addr", "127.0.0.1:0", "--log-dir", t.TempDir(), "-o", "json"}
	if os.Getuid() == 0 {
		args = append(args, "--allow-root")
	}
	for _, set := range run.vars(e.dir) {
		args = append(args, "--set", set)
	}
	if run.ports > 0 {
		args = append(args, "--set", fmt.Sprintf("listen.tcp=127.0.0.1:%d", servertest.Ports(t, run.ports)))
	}
	e.url = "http://" + startDev(t, filepath.Join(bin, "scgikit"), args)
	jar := &cookies{}
	e.client = &http.Client{
		Timeout: startTime, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e
}

// copyFiles copies the files of the repository below a folder, and none that
// stand there besides, to a folder of the test. It returns the copy's path.
func copyFiles(t *testing.T, dir string) string {
	t.Helper()
	top := filepath.Join(t.TempDir(), filepath.Base(dir))
	for _, name := range repository(t, func(p string) bool { return strings.HasPrefix(p, dir+"/") }) {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(top, strings.TrimPrefix(name, dir))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(read(t, name)), info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

// startDev starts "scgikit dev" and returns the address that it prints.
func startDev(t *testing.T, program string, args []string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	var talk strings.Builder
	cmd.Stderr = &talk
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("scgikit dev: %v", err)
		}
		if t.Failed() {
			t.Log(talk.String())
		}
	})
	var result struct{ Address string }
	if err := json.NewDecoder(stdout).Decode(&result); err != nil || result.Address == "" {
		t.Fatalf("scgikit dev says no address: %v", err)
	}
	return result.Address
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends one request; a form makes it a POST. While the program is still
// starting, the answer is 503, and the request is sent again.
func (e *running) ask(t *testing.T, path string, form url.Values) answer {
	t.Helper()
	for end := time.Now().Add(startTime); ; {
		var r *http.Response
		var err error
		if form == nil {
			r, err = e.client.Get(e.url + path)
		} else {
			r, err = e.client.PostForm(e.url+path, form)
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != http.StatusServiceUnavailable || time.Now().After(end) {
			return answer{r.StatusCode, r.Header, string(body)}
		}
		<-time.After(50 * time.Millisecond)
	}
}

// cookies keeps the cookies of one site.
type cookies struct{ kept []*http.Cookie }

func (c *cookies) SetCookies(_ *url.URL, got []*http.Cookie) { c.kept = append(c.kept, got...) }
func (c *cookies) Cookies(*url.URL) []*http.Cookie           { return c.kept }

// expect fails unless the answer has the status and its body the text.
func (a answer) expect(t *testing.T, status int, text string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, text) {
		t.Fatalf("status %d, want %d with %q in:\n%s", a.status, status, text, a.body)
	}
}

// expectRedirect fails unless the answer is a 302 to a place.
func (a answer) expectRedirect(t *testing.T, place string) {
	t.Helper()
	if got := a.header.Get("Location"); a.status != http.StatusFound || got != place {
		t.Fatalf("status %d, Location %q, want 302 to %q\n%s", a.status, got, place, a.body)
	}
}

func checkBlog(t *testing.T, e *running) {
	t.Helper()
	e.ask(t, "/blog/", nil).expect(t, 200, `<a href="/blog/1-hello">`)
	e.ask(t, "/blog/1-hello", nil).expect(t, 200, "<h1>Hello</h1>")
	e.ask(t, "/blog/static/blog.css", nil).expect(t, 200, "font-family")
	e.ask(t, "/blog/comment", url.Values{"text": {"first <b>"}}).expectRedirect(t, "./")
	e.ask(t, "/blog/", nil).expect(t, 200, "first &lt;b&gt;")
	e.ask(t, "/blog/nothing", nil).expect(t, 404, "No such post")
	e.ask(t, "/blog2/", nil).expect(t, 404, "")
}

func checkLocalCGI(t *testing.T, e *running) {
	t.Helper()
	e.ask(t, "/local-cgi/hello.sh", nil).expect(t, 200, "Hello from /local-cgi/hello.sh.\n")
	e.ask(t, "/local-cgi/env.py/some/path?q=1", nil).expect(t, 200, "PATH_INFO=/some/path\n")
	e.ask(t, "/local-cgi/nostatus.sh", nil).expect(t, 200, "No Status line")
	e.ask(t, "/local-cgi/count.py", url.Values{"a": {"bc"}}).expect(t, 200, "4 bytes\n")
	e.ask(t, "/local-cgi/missing.sh", nil).expect(t, 404, "")
}

func checkHello(t *testing.T, e *running) {
	t.Helper()
	e.ask(t, "/test/some/path", nil).expect(t, 200, "Hello, WSGI!\nSCRIPT_NAME=/test\nPATH_INFO=/some/path\n")
}

func checkShop(t *testing.T, e *running) {
	t.Helper()
	page := e.ask(t, "/shop/", nil)
	page.expect(t, 200, `href="/shop/static/shop.css"`)
	token := regexp.MustCompile(`name="csrfmiddlewaretoken" value="(\w+)"`).FindStringSubmatch(page.body)
	if token == nil {
		t.Fatalf("no form in:\n%s", page.body)
	}
	form := url.Values{"csrfmiddlewaretoken": {token[1]}, "item": {"pears"}, "number": {"3"}}
	e.ask(t, "/shop/", form).expectRedirect(t, "thanks/3/pears")
	e.ask(t, "/shop/thanks/3/pears", nil).expect(t, 200, "You ordered 3 pears.")
	e.ask(t, "/shop/static/shop.css", nil).expect(t, 200, "font-family")
}

func checkStats(t *testing.T, e *running) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(e.dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	update := exec.CommandContext(t.Context(), "/usr/lib/cgi-bin/awstats.pl", "-config=www", "-configdir="+e.dir, "-update")
	update.Env = append(os.Environ(), "AWSTATS_ENABLE_CONFIG_DIR="+e.dir)
	if out, err := update.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	e.ask(t, "/stats/?framename=mainright&month=all&year=2024&configdir="+url.QueryEscape(e.dir), nil).expect(t, 200, "/blog/1-hello")
}

func checkGit(t *testing.T, e *running) {
	t.Helper()
	if out, err := command(t, e.dir, "./make-sample"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	clone := filepath.Join(t.TempDir(), "hello")
	if out, err := command(t, e.dir, "git", "clone", "-q", e.url+"/git/hello.git", clone); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(clone, "README"))
	if err != nil || string(text) != "Cloned through git-http-backend.\n" {
		t.Fatalf("README is %q, %v", text, err)
	}
}
