package devserver

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/need"
)

// bridgedDesc is an app that scgi-run keeps answering for.
func bridgedDesc(name, mount string) *appfile.App {
	a := oneshotDesc(name, mount)
	a.Run.Mode = appfile.RunResident
	return a
}

// One program answers all requests of an app, at a socket that it is handed.
func TestBridgeKeepsRunning(t *testing.T) {
	desc := bridgedDesc("cgi", "/cgi/")
	desc.Run.Umask = 0o137
	s := start(t, desc)
	for range 3 {
		if got := s.params("/cgi/x")["PATH_INFO"]; got != "/x" {
			t.Errorf("PATH_INFO is %q", got)
		}
	}
	if n := len(s.output.pids()); n != 1 {
		t.Errorf("%d programs for three requests", n)
	}
	info, err := os.Stat(filepath.Join(s.server.config.Folder, "1"))
	if err != nil || info.Mode().Type() != os.ModeSocket {
		t.Errorf("%v, %v", info, err)
	}
}

// A bridge that ends is started again by run.restart, and until then its page says
// why; a request that it had is answered with that page at once.
func TestBridgeEnds(t *testing.T) {
	desc := bridgedDesc("cgi", "/cgi/")
	s := start(t, desc)
	s.params("/cgi/x")
	response, body := s.get("/cgi/die")
	if response.StatusCode != 502 || !strings.Contains(body, "exited with status 3") || !strings.Contains(body, "dying of") {
		t.Errorf("%s\n%s", response.Status, body)
	}
	s.output.await(t, "exited with status 3; next start in ", 1)
	s.output.await(t, "keeps running (pid ", 2)
	s.params("/cgi/x")
	s.stop()

	desc.Run.Restart.Delay, desc.Run.Restart.MaxDelay = time.Hour, time.Hour
	s = startWith(t, func(c *Config) { c.ScgiRun = "/bin/false" }, desc)
	s.output.await(t, "exited with status 1; next start in ", 1)
	response, body = s.get("/cgi/x")
	if response.StatusCode != 503 || !isNumber(response.Header.Get("Retry-After"), 3000, 3600) || !strings.Contains(body, "<dt>State of cgi</dt><dd>down; next start in ") {
		t.Errorf("%s %v\n%s", response.Status, response.Header, body)
	}
}

// The pause before the next start grows, up to its limit, where a program goes on
// ending; past the burst it is failing.
func TestBridgePausesGrow(t *testing.T) {
	desc := bridgedDesc("cgi", "/cgi/")
	desc.Run.Restart = appfile.Restart{Policy: appfile.RestartAlways, Delay: 100 * time.Millisecond, MaxDelay: 400 * time.Millisecond, Burst: 4, Window: time.Minute}
	s := startWith(t, func(c *Config) { c.ScgiRun = "/bin/false" }, desc)
	s.output.await(t, "next start in ", 5)
	var pauses []string
	for line := range strings.Lines(s.output.String()) {
		if _, pause, ok := strings.Cut(line, "next start in "); ok {
			pauses = append(pauses, strings.TrimSpace(pause))
		}
	}
	// From the last start on, and so a little less than was asked for.
	for i, most := range []time.Duration{100, 200, 400, 400, 400} {
		text, failing := strings.CutSuffix(pauses[i], ", failing")
		pause, err := time.ParseDuration(text)
		if err != nil || pause > most*time.Millisecond || failing != (i >= 3) {
			t.Errorf("pause %d is %q, want at most %dms, failing: %t", i, pauses[i], most, i >= 3)
		}
	}
}

// A request that comes while the program starts, or is replaced because its source
// has changed, waits at the socket: none fails.
func TestBridgeReloadFailsNoRequest(t *testing.T) {
	desc := bridgedDesc("wsgi", "/wsgi/")
	desc.Type = appfile.TypeWSGI
	desc.Run.Directory = t.TempDir()
	source := filepath.Join(desc.Run.Directory, "version.py")
	desc.Run.Env = map[string]string{"VERSION_FILE": source}
	e := &editable{desc: desc, source: source}
	e.write(t, "0")
	s := startWith(t, often, desc)
	var clients sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				response, err := http.Get("http://" + s.addr + "/wsgi/version")
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK {
					t.Errorf("%s, %v\n%s", response.Status, err, body)
					return
				}
			}
		})
	}
	for round := range 5 {
		text := strconv.Itoa(round + 1)
		e.write(t, text)
		s.awaitBody("/wsgi/version", text)
	}
	close(done)
	clients.Wait()
}

// What has begun is answered to its end by the program that is replaced, while the
// new one answers already.
func TestBridgeReplacedWhileAnswering(t *testing.T) {
	desc := bridgedDesc("wsgi", "/wsgi/")
	desc.Type, desc.HTTP.Buffering = appfile.TypeWSGI, false
	desc.Run.Directory = t.TempDir()
	source := filepath.Join(desc.Run.Directory, "version.py")
	desc.Run.Env = map[string]string{"VERSION_FILE": source}
	e := &editable{desc: desc, source: source}
	e.write(t, "0")
	s := startWith(t, often, desc)
	s.awaitBody("/wsgi/version", "0")
	response, err := http.Get("http://" + s.addr + "/wsgi/until?" + source + ".end")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	e.write(t, "1")
	s.awaitBody("/wsgi/version", "1")
	if err := os.WriteFile(source+".end", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "begin end" {
		t.Errorf("%q, %v", body, err)
	}
}

// What the generated configuration refuses is refused here, before anything starts.
func TestBridgeRefused(t *testing.T) {
	config := Config{
		Apps: []*appfile.App{bridgedDesc("cgi", "/cgi/")}, Addr: "127.0.0.1:0", ScgiRun: "/bin/true", Output: io.Discard,
		Bridge: func(*appfile.App, []string) ([]string, bool, error) { return nil, false, errors.New("no such thing") },
	}
	if _, err := New(config); err == nil || err.Error() != "cgi: no such thing" {
		t.Errorf("got %v", err)
	}
}

// Scripts are looked up anew for each request, a zygote looks after its own modules:
// only the rest is looked at.
func TestWhatABridgeIsLookedAtFor(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"app.py", "settings.toml", "env"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	desc := bridgedDesc("app", "/app/")
	desc.Run.Directory, desc.Run.EnvFile = dir, filepath.Join(dir, "env")
	for _, want := range []struct {
		kind       appfile.Type
		style      appfile.WSGIStyle
		perRequest bool
		files      string
	}{
		{appfile.TypeCGI, appfile.WSGIAuto, false, "env"},
		{appfile.TypeWSGI, appfile.WSGIAuto, false, "app.py env settings.toml"},
		{appfile.TypeWSGI, appfile.WSGIPrefork, false, "app.py env settings.toml"},
		{appfile.TypeWSGI, appfile.WSGIZygote, false, "env settings.toml"},
		{appfile.TypeWSGI, appfile.WSGIOnce, true, "env"},
	} {
		desc.Type, desc.WSGI.Style = want.kind, want.style
		found, _ := look(placesOf(desc, want.perRequest))
		var names []string
		for _, name := range []string{"app.py", "env", "settings.toml"} {
			if _, ok := found[filepath.Join(dir, name)]; ok {
				names = append(names, name)
			}
		}
		if got := strings.Join(names, " "); got != want.files || len(found) != len(names) {
			t.Errorf("%s %s: %q, want %q", want.kind, want.style, got, want.files)
		}
	}
}

// What a program that keeps running has left in the background ends with it, where
// the system lists processes.
func TestBridgeLeavesNothing(t *testing.T) {
	if _, known := inSession(os.Getpid()); !known {
		need.Missing(t, "proc")
	}
	desc := bridgedDesc("cgi", "/cgi/")
	desc.Run.Env = map[string]string{"LEAVE": "1"}
	s := start(t, desc)
	s.params("/cgi/x")
	if n := len(s.output.pids()); n != 2 {
		t.Fatalf("%d programs said their numbers", n)
	}
	s.stop() // it looks for them
}

// A bridge that takes longer than it may is asked again before it is killed: scripts are
// in process groups of their own, which it alone ends.
func TestBridgeIsAskedAgain(t *testing.T) {
	desc := bridgedDesc("cgi", "/cgi/")
	desc.Run.StopTimeout = 20 * time.Millisecond
	desc.Run.Env = map[string]string{"ASK_TWICE": "1"}
	s := start(t, desc)
	s.output.await(t, "| pid ", 1)
	s.params("/cgi/x") // by now it hears signals
	s.stop()
	s.output.await(t, "| first", 1)
	s.output.await(t, "| second", 1)
}

// askDeaf sends a request that is not answered, to a bridge whose child does not mind
// TERM. end closes the connection.
func (s *site) askDeaf() (end func()) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	io.WriteString(conn, "GET /cgi/silent HTTP/1.1\r\nHost: localhost:8000\r\n\r\n")
	s.output.await(s.t, "| deaf child", 1)
	s.output.await(s.t, "| silent", 1)
	if n := len(s.output.pids()); n != 2 {
		s.t.Fatalf("%d programs said their numbers", n)
	}
	return func() { conn.Close() }
}

// A script that does not mind TERM ends with dev, also where scgi-run, which is there for
// one request, has ended by it.
func TestDeafScriptEnds(t *testing.T) {
	if _, known := below(os.Getpid()); !known {
		need.Missing(t, "proc")
	}
	app := oneshotDesc("cgi", "/cgi/")
	app.Run.Env = map[string]string{"DEAF": "child"}
	s := start(t, app)
	defer s.askDeaf()()
	s.stop() // it looks for it
}

// At a second Control-C a bridge is killed at once, with the scripts in process groups
// of their own, where the system lists processes.
func TestBridgeIsKilledAtOnce(t *testing.T) {
	if _, known := below(os.Getpid()); !known {
		need.Missing(t, "proc")
	}
	for name, desc := range map[string]func(string, string) *appfile.App{"resident": bridgedDesc, "per request": oneshotDesc} {
		t.Run(name, func(t *testing.T) {
			app := desc("cgi", "/cgi/")
			app.Run.StopTimeout = time.Hour
			app.Run.Env = map[string]string{"DEAF": "1"}
			s := start(t, app)
			defer s.askDeaf()()
			close(s.hurry)
			began := time.Now()
			s.stop() // it looks for them
			if took := time.Since(began); took > againGrace {
				t.Errorf("the end took %v", took)
			}
		})
	}
}
