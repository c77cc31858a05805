package devserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/need"
)

// editable is a program that keeps running and answers with what its source held
// when it was started.
type editable struct {
	desc   *appfile.App
	source string
}

func newEditable(t *testing.T, name, mount string) *editable {
	t.Helper()
	e := &editable{desc: residentDesc(t, name, mount)}
	e.desc.Run.Directory = t.TempDir()
	e.source = filepath.Join(e.desc.Run.Directory, "version.py")
	e.write(t, "0")
	e.desc.Run.Command = append(e.desc.Run.Command, "version", e.source)
	return e
}

// write puts a whole new file in place, as editors do.
func (e *editable) write(t *testing.T, text string) {
	t.Helper()
	draft := e.source + ".draft"
	if err := os.WriteFile(draft, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(draft, e.source); err != nil {
		t.Fatal(err)
	}
}

// often makes the server look at the files all the time.
func often(c *Config) { c.interval = time.Millisecond }

// awaitBody asks until the answer is this one.
func (s *site) awaitBody(target, want string) {
	s.t.Helper()
	var body string
	for deadline := time.Now().Add(2 * time.Minute); body != want; {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: still %q, not %q", target, body, want)
		}
		var response *http.Response
		if response, body = s.get(target); response.StatusCode != http.StatusOK {
			s.t.Fatalf("%s: %s\n%s", target, response.Status, body)
		}
	}
}

// While a program is replaced, requests wait: none fails, whatever is being
// asked while its source changes again and again.
func TestReloadFailsNoRequest(t *testing.T) {
	rounds := 10 * max(need.Rounds(t), 1)
	blog, other := newEditable(t, "blog", "/blog/"), residentDesc(t, "other", "/other/")
	s := startWith(t, often, blog.desc, other)
	s.awaitBody("/blog/version", "0")
	var clients sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const each = 4
	asked := make([]int, each)
	for n := range each {
		client := &http.Client{Transport: &http.Transport{}}
		clients.Go(func() {
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				response, err := client.Post("http://"+s.addr+"/blog/version", "text/plain", strings.NewReader("body"))
				if err != nil {
					t.Errorf("request %d: %v", asked[n], err)
					return
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK {
					t.Errorf("request %d: %s, %v\n%s", asked[n], response.Status, err, body)
					return
				}
				asked[n]++
			}
		})
	}
	for round := range rounds {
		text := strconv.Itoa(round + 1)
		blog.write(t, text)
		s.awaitBody("/blog/version", text)
	}
	stop()
	clients.Wait()
	total := 0
	for _, n := range asked {
		total += n
	}
	t.Logf("%d requests over %d reloads", total, rounds)
	if total < rounds {
		t.Errorf("%d requests in %d reloads: too few to say anything", total, rounds)
	}
	if ready := strings.Count(s.output.String(), "other        | * ready on"); ready != 1 {
		t.Errorf("the other app started %d times", ready)
	}
}

// A program that does not start any more has its page, and the next change of
// its source starts it at once, however long its next start is off.
func TestReloadMends(t *testing.T) {
	blog := newEditable(t, "blog", "/blog/")
	blog.desc.Run.Restart.Delay, blog.desc.Run.Restart.MaxDelay = time.Hour, time.Hour
	s := startWith(t, often, blog.desc)
	s.awaitBody("/blog/version", "0")
	blog.write(t, "broken <b>")
	s.output.await(t, "exited with status 4; next start in ", 1)
	response, body := s.get("/blog/version")
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%s\n%s", response.Status, body)
	}
	for _, want := range []string{
		"<dt>State of blog</dt><dd>down; next start in ", "; started 1 times</dd>", "<dt>Last end</dt><dd>exited with status 4</dd>",
		"source is broken &lt;b&gt;", "version.py has changed",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	if strings.Contains(body, "http-equiv") {
		t.Error("the page asks again in an hour")
	}
	blog.write(t, "mended")
	s.output.await(t, "ready on", 2)
	s.awaitBody("/blog/version", "mended")
}

// An answer that is being sent when the source changes arrives whole.
func TestReloadLetsAnswersEnd(t *testing.T) {
	blog := newEditable(t, "blog", "/blog/")
	blog.desc.HTTP.Buffering = false
	s := startWith(t, often, blog.desc)
	s.awaitBody("/blog/version", "0")
	response, err := http.Get("http://" + s.addr + "/blog/until?" + blog.source + ".end")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	blog.write(t, "1")
	s.output.await(t, "version.py has changed", 1)
	if err := os.WriteFile(blog.source+".end", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "begin end" {
		t.Errorf("%q, %v", body, err)
	}
	s.awaitBody("/blog/version", "1")
}

// A body that comes while a program is replaced goes to the new one, however long
// it takes.
func TestReloadDuringUpload(t *testing.T) {
	blog := newEditable(t, "blog", "/blog/")
	s := startWith(t, often, blog.desc)
	s.awaitBody("/blog/version", "0")
	body, upload := io.Pipe()
	answer := make(chan string, 1)
	go func() {
		response, err := http.Post("http://"+s.addr+"/blog/version", "text/plain", body)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		answer <- string(text)
	}()
	if _, err := io.WriteString(upload, "first"); err != nil {
		t.Fatal(err)
	}
	blog.write(t, "1")
	s.output.await(t, "ready on", 2)
	if _, err := io.WriteString(upload, "second"); err != nil {
		t.Fatal(err)
	}
	upload.Close()
	if got := <-answer; got != "1" {
		t.Errorf("got %q", got)
	}
}

// A change of the descriptions adds, moves and removes apps; those that nothing
// has changed for run on, and an error changes nothing.
func TestReloadDescriptions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "scgikit.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	blog, shop, cgi := residentDesc(t, "blog", "/blog/"), residentDesc(t, "shop", "/shop/"), oneshotDesc("cgi", "/cgi/")
	moved := *blog
	moved.HTTP.Mount = "/log/"
	renamed := moved // with the socket of another app, which has to end first
	renamed.Name, renamed.Listen = "weblog", blog.Listen
	renamed.Instances = []*appfile.App{&renamed}
	missing := *shop
	missing.Run.Secrets = map[string]appfile.Secret{"KEY": {File: "/no/such/file"}}
	missing.Instances = []*appfile.App{&missing}
	write("first")
	s := startWith(t, func(c *Config) {
		often(c)
		c.Descriptions = []string{file, dir, filepath.Join(dir, "none.yaml")}
		c.Load = func(context.Context) ([]*appfile.App, error) {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			switch string(text) {
			case "moved":
				return []*appfile.App{&moved, shop, cgi}, nil
			case "renamed":
				return []*appfile.App{&renamed, shop}, nil
			case "missing":
				return []*appfile.App{&renamed, &missing}, nil
			case "none":
				return nil, nil
			}
			return nil, errors.New("scgikit.yaml:1:1: no good\nhint: \x1b[31mwrite it")
		}
	}, blog, shop)
	s.params("/blog/x")
	s.params("/shop/x")

	write("moved")
	s.output.await(t, "ready on", 3)
	s.params("/log/x")
	s.params("/shop/x")
	s.params("/cgi/x")
	if response, _ := s.get("/blog/x"); response.StatusCode != http.StatusNotFound {
		t.Errorf("the old mount: %s", response.Status)
	}

	write("renamed")
	s.output.await(t, "weblog       | * ready on", 1)
	s.params("/log/x")
	if response, _ := s.get("/cgi/x"); response.StatusCode != http.StatusNotFound {
		t.Errorf("an app that is gone: %s", response.Status)
	}

	write("bad")
	s.output.await(t, `hint: \x1b[31mwrite it`, 1)
	s.output.await(t, "the descriptions stay as they were", 1)
	write("none")
	s.output.await(t, "there is no app any more", 1)
	write("missing")
	s.output.await(t, "nothing is changed: shop: run.secrets.KEY", 1)
	s.params("/log/x")
	s.params("/shop/x")
	if ready := strings.Count(s.output.String(), "shop         | * ready on"); ready != 1 {
		t.Errorf("shop, which nothing has changed for, started %d times", ready)
	}
}

func TestNoReload(t *testing.T) {
	blog := newEditable(t, "blog", "/blog/")
	s := startWith(t, func(c *Config) { often(c); c.NoReload = true }, blog.desc)
	s.awaitBody("/blog/version", "0")
	blog.write(t, "1")
	s.awaitBody("/blog/version", "0")
}

// What an app writes is no source of it, and what others have made is not looked
// through.
func TestWhatIsLookedAt(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"app.py", "sub/deep/page.html", "data.db", "notes.txt", "app.pyc", ".hidden.py", ".git/x.py", "node_modules/a/x.js",
		"venv/pyvenv.cfg", "venv/lib/x.py", "sub/__pycache__/x.py", "readme", "UPPER.PY",
	} {
		write(name, 0o600)
	}
	write("serve", 0o700)
	write("tool.db", 0o700)
	outside := filepath.Join(t.TempDir(), "lib")
	if err := os.MkdirAll(outside, 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"linked.py": filepath.Join(dir, "app.py"), "loop.py": "loop.py", "folder": outside, "up": ".."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	desc := newDesc("blog", "/blog/")
	desc.Type = appfile.TypeServer
	desc.Run.Directory = dir
	desc.Run.Command = []string{"serve", "notes.txt", "--flag", outside}
	desc.Run.EnvFile = filepath.Join(dir, "readme")
	found, complete := look(placesOf(desc, false))
	var names []string
	for path := range found {
		name, _ := filepath.Rel(dir, path)
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"UPPER.PY", "app.py", "linked.py", "notes.txt", "readme", "serve", "sub/deep/page.html"}; !complete || !slices.Equal(names, want) {
		t.Errorf("complete %t, %q, want %q", complete, names, want)
	}
	desc.Run.Directory = "/"
	desc.Run.Command = []string{"/bin/sh"}
	if list := placesOf(desc, false); slices.Contains(list, place{sources, "/"}) || !slices.Contains(list, place{oneFile, "/bin/sh"}) {
		t.Errorf("%v", list)
	}
}
