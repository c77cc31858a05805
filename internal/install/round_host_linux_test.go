package install_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// host is the machine of a round.
type host struct {
	t        *testing.T
	dir      string // of the test: the project
	web      string
	starter  string
	snapshot string
	sums     map[string]string // of files, see sum
}

// changed are the folders that a round may write to.
func changed() []string { return []string{"/etc", "/var", "/run", "/usr", "/srv"} }

// newHost mounts the overlays, and starts what the machine runs.
func newHost(t *testing.T, web, starter string) *host {
	t.Helper()
	h := &host{t: t, dir: filepath.Join(os.Getenv(insideRound), "project"), web: web, starter: starter}
	space := filepath.Join(os.Getenv(insideRound), "space")
	h.must(os.MkdirAll(space, 0o755))
	h.must(syscall.Mount("none", space, "tmpfs", 0, "mode=755"))
	built := strings.Split(os.Getenv("SCGIKIT_BUILT"), ":")
	small, err := os.ReadFile(built[1])
	h.must(err)
	for _, dir := range changed() {
		upper, work := filepath.Join(space, dir, "upper"), filepath.Join(space, dir, "work")
		h.must(os.MkdirAll(upper, 0o755))
		h.must(os.MkdirAll(work, 0o755))
		if err := syscall.Mount("overlay", dir, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work)); err != nil {
			t.Fatalf("overlay on %s: %v", dir, err)
		}
	}
	h.must(syscall.Mount("proc", "/proc", "proc", 0, ""))
	h.loopback()
	// What this machine has in these places is no part of the test.
	for _, pattern := range []string{"/etc/service/*", "/etc/nginx/sites-enabled/*", "/etc/nginx/conf.d/*", "/etc/lighttpd/conf-enabled/*", "/etc/apache2/sites-enabled/*", "/run/*.pid"} {
		names, err := filepath.Glob(pattern)
		h.must(err)
		for _, name := range names {
			h.must(os.RemoveAll(name))
		}
	}
	h.write("/usr/local/bin/scgi-run", string(small), 0o755)
	h.write("/srv/hello", "#!/bin/sh\nprintf 'Status: 200 OK\\r\\nContent-Type: text/plain\\r\\n\\r\\n%s' \"$GREETING\"\n", 0o755)
	h.write("/etc/inetd.conf", "# of the administrator\n#time stream tcp nowait root internal\n\n#without an end", 0o644)
	h.write("/etc/nginx/sites-enabled/default", "server {\n  listen 80 default_server;\n  root /srv;\n  include snippets/scgikit-*.location.conf;\n}\n", 0o644)
	h.write("/etc/apache2/sites-enabled/000-default.conf", "<VirtualHost *:80>\n  ServerName localhost\n  DocumentRoot /srv\n  IncludeOptional conf-available/scgikit-*.conf\n</VirtualHost>\n", 0o644)
	for _, name := range []string{"proxy", "proxy_scgi", "proxy_balancer", "slotmem_shm", "lbmethod_byrequests", "alias", "dir", "expires", "headers"} {
		for _, end := range []string{".load", ".conf"} {
			if _, err := os.Stat("/etc/apache2/mods-available/" + name + end); err == nil {
				_ = os.Symlink("../mods-available/"+name+end, "/etc/apache2/mods-enabled/"+name+end)
			}
		}
	}
	h.apps("one")
	scan := map[string][]string{"daemontools": {"svscan", "/etc/service"}, "runit": {"runsvdir", "/etc/service"}, "s6": {"s6-svscan", "/run/service"}}[starter]
	if starter == "s6" {
		h.must(os.MkdirAll("/run/service", 0o755))
	}
	if scan != nil {
		h.start(scan...)
	}
	h.start("inetd", "-i")
	h.write("/run/inetd.pid", fmt.Sprint(h.pidOf("inetd")), 0o644)
	switch web {
	case "nginx":
		h.start("nginx", "-g", "daemon off;")
	case "lighttpd":
		h.start("lighttpd", "-D", "-f", "/etc/lighttpd/lighttpd.conf")
	case "apache":
		h.command(0, "apache2ctl", "start")
	case "haproxy", "caddy":
		h.startGateway()
	}
	h.until("the web server", func() bool {
		if web == "haproxy" {
			return h.gatewayUp()
		}
		_, err := h.get("/")
		return err == nil
	})
	h.snapshot = h.tree()
	return h
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) write(name, text string, mode fs.FileMode) {
	h.t.Helper()
	h.must(os.MkdirAll(filepath.Dir(name), 0o755))
	h.must(os.WriteFile(name, []byte(text), mode))
	h.must(os.Chmod(name, mode))
}

// loopback brings the network of the namespace up.
func (h *host) loopback() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	h.must(err)
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	h.must(err)
	ifr.SetUint16(unix.IFF_UP)
	h.must(unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr))
}

// apps writes the descriptions: two whose names begin alike, and one of inetd.
func (h *host) apps(greeting string) {
	protocol, policy := "scgi", "always"
	if h.starter == "sysv" {
		policy = "never" // nothing there starts a program again
	}
	if h.web == "haproxy" || h.web == "caddy" {
		protocol = "fastcgi"
	}
	server := func(name string, port int, greeting string) {
		h.write(filepath.Join(h.dir, "apps", name+".yaml"), fmt.Sprintf(`apiVersion: scgikit/v1
name: %[1]s
type: server
protocol: %[6]s
run:
  command: [/usr/local/bin/scgi-run, bridge, --listen, "127.0.0.1:%[2]d", --env, "GREETING=%[3]s", /srv/hello]
  user: www-data
  restart: {policy: %[7]s}
listen: {tcp: "127.0.0.1:%[2]d"}
http: {mount: /%[1]s/}
targets: [%[4]s, %[5]s]
options: {haproxy: {as: frontend}}
`, name, port, greeting, h.web, h.starter, protocol, policy), 0o644)
	}
	server("blog", 8040, greeting)
	server("blog2", 8041, "two")
	if protocol == "fastcgi" {
		return // inetd starts one program for each SCGI request
	}
	h.write(filepath.Join(h.dir, "apps", "hello.yaml"), fmt.Sprintf(`apiVersion: scgikit/v1
name: hello
type: cgi
run: {user: www-data, env: {GREETING: %s}}
cgi: {script: /srv/hello}
listen: {tcp: "127.0.0.1:8042"}
http: {mount: /hello/}
targets: [%s, inetd]
options: {inetd: {dialect: openbsd}}
`, greeting, h.web), 0o644)
}

// rewrite changes a description.
func (h *host) rewrite(app, old, now string) {
	h.t.Helper()
	name := filepath.Join(h.dir, "apps", app+".yaml")
	text, err := os.ReadFile(name)
	h.must(err)
	if !strings.Contains(string(text), old) {
		h.t.Fatalf("%s has no %q", name, old)
	}
	h.write(name, strings.Replace(string(text), old, now, 1), 0o644)
}

// start starts a program, which ends with the namespace.
func (h *host) start(argv ...string) {
	h.t.Helper()
	cmd := exec.Command(need.Program(h.t, argv[0]), argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	h.must(cmd.Start())
	go cmd.Wait()
}

func (h *host) pidOf(name string) int {
	h.t.Helper()
	found := 0
	h.until(name, func() bool {
		files, _ := filepath.Glob("/proc/[0-9]*/comm")
		for _, file := range files {
			text, _ := os.ReadFile(file)
			if strings.TrimSpace(string(text)) == name {
				_, _ = fmt.Sscanf(file, "/proc/%d/", &found)
			}
		}
		return found > 0
	})
	return found
}

// until waits for something, which takes as long as it takes.
func (h *host) until(what string, done func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*time.Minute)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			h.t.Fatalf("waited for %s in vain", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// get asks the web server.
func (h *host) get(path string) (string, error) {
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://127.0.0.1"+path, nil)
	if err != nil {
		return "", err
	}
	return send(req)
}

// ask sends a request, and returns status and body, or the error as text.
func (h *host) ask(req *http.Request) string {
	got, err := send(req)
	if err != nil {
		return err.Error()
	}
	return got
}

func send(req *http.Request) (string, error) {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.StatusCode, " ", string(body)), err
}

func (h *host) answers(path, want string) {
	h.t.Helper()
	if got, err := h.get(path); err != nil || got != want {
		h.t.Errorf("%s answers %q, %v, not %q", path, got, err, want)
	}
}

// command runs a program that has to end with a code, and returns what it says.
func (h *host) command(code int, argv ...string) string {
	h.t.Helper()
	return h.commandIn(code, "", argv...)
}

func (h *host) commandIn(code int, stdin string, argv ...string) string {
	h.t.Helper()
	if argv[0] == "scgikit" {
		argv[0] = strings.Split(os.Getenv("SCGIKIT_BUILT"), ":")[0]
	}
	cmd := exec.CommandContext(h.t.Context(), argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdin = h.dir, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		h.t.Fatal(err)
	}
	if got != code {
		h.t.Fatalf("%v ends with %d, not %d\n%s", argv, got, code, out)
	}
	return string(out)
}

// tree is all that an install may change: path, mode, owner, bytes. What servers
// write while they run is left out.
func (h *host) tree() string {
	h.t.Helper()
	var b strings.Builder
	for _, root := range []string{"/etc", "/var/lib", "/usr/local", "/usr/share/scgikit", "/srv"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if slices.Contains([]string{"/var/lib/nginx", "/var/lib/lighttpd", "/var/lib/apache2", "/var/lib/dpkg", "/var/lib/apt"}, name) {
				return fs.SkipDir
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			st := info.Sys().(*syscall.Stat_t)
			fmt.Fprintf(&b, "%v %d:%d %s", info.Mode(), st.Uid, st.Gid, name)
			switch {
			case info.Mode().IsRegular() && info.Size() < 1<<20:
				sum, err := h.sum(name, st)
				if err != nil {
					return err
				}
				b.WriteString(" " + sum)
			case info.Mode().Type() == fs.ModeSymlink:
				link, _ := os.Readlink(name)
				b.WriteString(" -> " + link)
			}
			b.WriteByte('\n')
			return nil
		})
		h.must(err)
	}
	return b.String()
}

// sum returns the digest of a file, read once unless it has changed: nothing is
// written to a file without a new time of change, and Go itself is in /usr/local.
func (h *host) sum(name string, st *syscall.Stat_t) (string, error) {
	key := fmt.Sprint(name, st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim)
	if sum, ok := h.sums[key]; ok {
		return sum, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(text))
	if h.sums == nil {
		h.sums = make(map[string]string)
	}
	h.sums[key] = sum
	return sum, nil
}

// equal compares trees, and says where they differ.
func (h *host) equal(what, got, want string) {
	h.t.Helper()
	if got == want {
		return
	}
	now, before := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range now {
		if !slices.Contains(before, line) {
			h.t.Errorf("%s: + %s", what, line)
		}
	}
	for _, line := range before {
		if !slices.Contains(now, line) {
			h.t.Errorf("%s: - %s", what, line)
		}
	}
}

// install generates and installs everything.
func (h *host) install(code int, more ...string) string {
	h.t.Helper()
	h.command(0, "scgikit", "generate", "--prune", "-q")
	return h.command(code, append([]string{"scgikit", "install", "all", "--yes"}, more...)...)
}

// fragment is the file of an app that the web server reads.
func (h *host) fragment(app string) string {
	return map[string]string{
		"nginx":    "/etc/nginx/snippets/scgikit-" + app + ".location.conf",
		"lighttpd": "/etc/lighttpd/conf-available/51-scgikit-" + app + ".conf",
		"apache":   "/etc/apache2/conf-available/scgikit-51-" + app + ".conf",
	}[h.web]
}

// prober asks for an app that is not changed, until it is stopped.
func (h *host) prober(path, want string) (stop func()) {
	var asked, wrong atomic.Int64
	var first atomic.Value
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			got, err := h.get(path)
			asked.Add(1)
			if err != nil || got != want {
				wrong.Add(1)
				first.CompareAndSwap(nil, fmt.Sprintf("%q, %v", got, err))
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond): // each answer starts a program
			}
		}
	}()
	return func() {
		h.t.Helper()
		cancel()
		<-done
		if wrong.Load() > 0 {
			h.t.Errorf("%s: %d of %d answers are wrong, the first is %v", path, wrong.Load(), asked.Load(), first.Load())
		}
		fmt.Printf("sum: %s asked %d times meanwhile, %d wrong\n", path, asked.Load(), wrong.Load())
	}
}
