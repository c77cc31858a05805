package devserver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/appfile"
)

// A program that crashes shows why, with its text escaped, and runs again.
func TestCrashAndRestart(t *testing.T) {
	s := start(t, residentDesc(t, "blog", "/blog/"))
	response, body := s.get("/blog/die")
	if response.StatusCode != 502 || !strings.Contains(body, `dying of &lt;b&gt;shame&lt;/b&gt;\x1b[31m`) || strings.Contains(body, "\x1b") {
		t.Errorf("%s\n%s", response.Status, body)
	}
	s.output.await(t, "ready on", 2)
	s.params("/blog/x")
	s.output.await(t, "exited with status 3; next start in ", 1)
}

// While a program is down the page says so and when it is back.
func TestDown(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.Run.Restart.Delay, desc.Run.Restart.MaxDelay = time.Hour, time.Hour
	s := start(t, desc)
	s.get("/blog/die")
	s.output.await(t, "next start in ", 1)
	response, body := s.get("/blog/x")
	if response.StatusCode != 503 || !isNumber(response.Header.Get("Retry-After"), 3000, 3600) || !strings.Contains(body, "blog exited with status 3") || !strings.Contains(body, "dying of") {
		t.Errorf("%s %v\n%s", response.Status, response.Header, body)
	}
}

// isNumber reports whether a text is a number from low to high.
func isNumber(text string, low, high int) bool {
	n, err := strconv.Atoi(text)
	return err == nil && low <= n && n <= high
}

func TestRestartPolicies(t *testing.T) {
	never := residentDesc(t, "never", "/never/")
	never.Run.Restart.Policy = appfile.RestartNever
	failing := residentDesc(t, "failing", "/failing/")
	failing.Run.Command = []string{"/bin/false"}
	failing.Run.Restart = appfile.Restart{Policy: appfile.RestartOnFailure, Delay: time.Millisecond, MaxDelay: time.Hour, Burst: 3, Window: time.Minute}
	clean := residentDesc(t, "clean", "/clean/")
	clean.Run.Command = []string{"/bin/true"}
	clean.Run.Restart.Policy = appfile.RestartOnFailure
	s := start(t, never, failing, clean)
	s.get("/never/die")
	s.output.await(t, "run.restart.policy is never, so it stays down", 1)
	s.output.await(t, "run.restart.policy is on-failure, so it stays down", 1)
	s.output.await(t, ", failing", 1)
	for target, want := range map[string]string{"/never/": "exited with status 3", "/failing/": "exited with status 1", "/clean/": "exited with status 0"} {
		if response, body := s.get(target); response.StatusCode != 503 || !strings.Contains(body, want) {
			t.Errorf("%s: %s\n%s", target, response.Status, body)
		}
	}
}

// What keeps a program from starting is on its page.
func TestCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lost := filepath.Join(t.TempDir(), "lost")
	if err := os.WriteFile(lost, []byte("#!/no/such/interpreter\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*appfile.App){
		"no-such-program is neither in / nor in PATH":            func(a *appfile.App) { a.Run.Command[0] = "no-such-program" },
		"/bin/no-such-program: file does not exist":              func(a *appfile.App) { a.Run.Command[0] = "bin/no-such-program" },
		"/no/such/program: no such file":                         func(a *appfile.App) { a.Run.Command[0] = "/no/such/program" },
		"run.directory: stat /no/such/folder: no such":           func(a *appfile.App) { a.Run.Directory = "/no/such/folder" },
		"its interpreter, named in its first line, is not there": func(a *appfile.App) { a.Run.Command[0] = lost },
		plain + " is not executable":                             func(a *appfile.App) { a.Run.Command[0] = plain },
		"the folder of listen.unix is not there":                 func(a *appfile.App) { a.Listen.Unix = "/no/such/folder/s" },
		"is there and is no socket":                              func(a *appfile.App) { a.Listen.Unix = plain },
		"something else listens on " + taken.Addr().String(): func(a *appfile.App) {
			a.Listen.Unix, a.Listen.TCP = "", taken.Addr().String()
		},
		"within 30ms (run.start_timeout)": func(a *appfile.App) {
			a.Run.Command = append(a.Run.Command, "deaf")
			a.Run.StartTimeout = 30 * time.Millisecond
		},
	} {
		desc := residentDesc(t, "blog", "/blog/")
		desc.Run.Restart.Policy = appfile.RestartNever
		change(desc)
		s := start(t, desc)
		s.output.await(t, "stays down", 1)
		if response, body := s.get("/blog/"); response.StatusCode != 503 || !strings.Contains(body, want) {
			t.Errorf("%s: %s\n%s", want, response.Status, body)
		}
		s.stop()
	}
	if _, err := os.Stat(plain); err != nil {
		t.Errorf("a file that is no socket: %v", err)
	}
}

// A socket that a killed program left behind is in nobody's way.
func TestStaleSocket(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: desc.Listen.Unix, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s := start(t, desc)
	s.params("/blog/x")
}

func TestTCPAndInstances(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.Run.Instances, desc.Instances = 2, nil
	for n := range 2 {
		inst := residentDesc(t, "blog", "/blog/")
		inst.Run.Instances, inst.Index, inst.Instances = 2, n+1, nil
		inst.Listen.Unix, inst.Listen.TCP = "", freePort(t)
		inst.Run.Command[1] = inst.Listen.TCP
		inst.Run.Env["INSTANCE"] = inst.Service()
		desc.Instances = append(desc.Instances, inst)
	}
	s := start(t, desc)
	s.output.await(t, "ready on", 2)
	for range 4 {
		s.params("/blog/x")
	}
	// One of two is gone for a moment, and the other answers.
	for _, inst := range desc.Instances {
		inst.Run.Restart.Delay = time.Hour
	}
	for _, pid := range s.output.pids() {
		syscall.Kill(pid, syscall.SIGKILL)
		s.output.await(t, "was killed by signal 9 (killed)", 1)
		s.params("/blog/x")
		s.params("/blog/y")
		break
	}
}

// A program that does not end when asked is killed, with its group.
func TestStubborn(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/", "stubborn")
	desc.Run.StopTimeout = 20 * time.Millisecond
	s := start(t, desc)
	s.params("/blog/x")
	s.stop()

	// And at once when the person asks again.
	desc = residentDesc(t, "blog", "/blog/", "stubborn")
	desc.Run.StopTimeout = time.Hour
	s = start(t, desc)
	s.params("/blog/x")
	close(s.hurry)
	s.stop()
}

// What a program starts in the background ends with dev.
func TestBackgroundChildren(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.Run.Command = append([]string{"/bin/sh", "-c", `sleep 1000 & echo "pid $!" >&2; exec "$@"`, "sh"}, desc.Run.Command...)
	s := start(t, desc)
	s.params("/blog/x")
	if len(s.output.pids()) != 2 {
		t.Fatalf("want two processes, have %v", s.output.pids())
	}
	s.stop()
}

// Descriptors 0 and 1 are the connection; standard error is the log. The
// program gets the description's words, folder, environment and mask.
func TestOneshotProgram(t *testing.T) {
	dir := t.TempDir()
	desc := oneshotDesc("cgi", "/cgi/")
	desc.Type = appfile.TypeWSGI
	desc.Run.Directory = dir
	desc.Run.Umask = 0o137
	desc.Run.Env = map[string]string{"GREETING": "a b"}
	few, nine := int64(1), int64(9)
	desc.Run.Limits = appfile.Limits{NProc: &few, NoFile: &nine}
	desc.Run.Nice = -5
	script := filepath.Join(dir, "serve")
	text := "#!/bin/sh\necho \"args $* in $PWD, $GREETING $OUTER$GATEWAY_INTERFACE\" >&2\numask >&2\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, func(c *Config) {
		c.ScgiRun = script
		c.Environ = []string{"PATH=/usr/bin:/bin", "OUTER=outer", "GATEWAY_INTERFACE=CGI/1.1"}
		c.Bridge = func(app *appfile.App, _ []string) ([]string, bool, error) {
			if l := app.Run.Limits; app.Run.Nice != 0 || l.NProc != nil || *l.NoFile != 9 {
				t.Errorf("the program is to run under %+v, with niceness %d", l, app.Run.Nice)
			}
			return []string{"bridge", "--mount", "/cgi", "a b"}, false, nil
		}
	}, desc)
	if response, body := s.get("/cgi/x"); response.StatusCode != 502 || !strings.Contains(body, "args bridge") {
		t.Errorf("%s\n%s", response.Status, body)
	}
	s.output.await(t, "args bridge --mount /cgi a b in "+dir+", a b outer", 1)
	s.output.await(t, "0137", 1)
}

func TestMaxConcurrent(t *testing.T) {
	desc := oneshotDesc("cgi", "/cgi/")
	desc.Run.MaxConcurrent = 1
	desc.HTTP.Timeouts.Connect = 20 * time.Millisecond
	s := start(t, desc)
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr+"/cgi/silent", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
		}
	}()
	s.output.await(t, "| silent", 1)
	if response, body := s.get("/cgi/x"); response.StatusCode != 503 || !strings.Contains(body, "run.max_concurrent") {
		t.Errorf("%s\n%s", response.Status, body)
	}
	cancel()
	<-done
}

// Stopping while requests are served leaves nothing.
func TestStopWhileServing(t *testing.T) {
	s := start(t, oneshotDesc("cgi", "/cgi/"), residentDesc(t, "blog", "/blog/"))
	done := make(chan struct{}, 2)
	for _, mount := range []string{"/cgi", "/blog"} {
		go func() {
			if response, err := http.Get("http://" + s.addr + mount + "/silent"); err == nil {
				response.Body.Close()
			}
			done <- struct{}{}
		}()
	}
	s.output.await(t, "| silent", 2)
	s.stop()
	<-done
	<-done
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		conn.Close()
		t.Error("the address still answers")
	}
}

func TestNewRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ajp := oneshotDesc("blog", "/blog/")
	ajp.Type, ajp.Protocol = appfile.TypeServer, appfile.AJP
	secret := oneshotDesc("blog", "/blog/")
	secret.Run.Secrets = map[string]appfile.Secret{"KEY": {File: "/no/such/file"}}
	for want, change := range map[string]func(*Config){
		"is in use":                            func(c *Config) { c.Addr = taken.Addr().String() },
		"is not host:port":                     func(c *Config) { c.Addr = "8000" },
		"is not a port number":                 func(c *Config) { c.Addr = "127.0.0.1:http" },
		"can be reached from other machines":   func(c *Config) { c.Addr = "0.0.0.0:0" },
		":0 can be reached from other":         func(c *Config) { c.Addr = ":0" },
		"blog speaks ajp":                      func(c *Config) { c.Apps = []*appfile.App{ajp} },
		"run.secrets.KEY: open /no/such/file":  func(c *Config) { c.Apps = []*appfile.App{secret} },
		"needs the program scgi-run, which is": func(c *Config) { c.ScgiRun = "" },
	} {
		config := Config{Apps: []*appfile.App{oneshotDesc("blog", "/blog/")}, Addr: "127.0.0.1:0", ScgiRun: "/bin/true", Output: io.Discard, Bridge: func(*appfile.App, []string) ([]string, bool, error) { return nil, false, nil }}
		change(&config)
		_, err := New(config)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", want, err)
		}
		if usage, ok := errors.AsType[*Problem](err); ok && usage.Hint == "" {
			t.Errorf("%q: no hint", want)
		}
	}
}
