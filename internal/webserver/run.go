package webserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Times a server is given: they end a hang, nothing waits for them.
const (
	checkTime = 30 * time.Second
	startTime = 15 * time.Second
	stopTime  = 10 * time.Second
)

// Check asks the program whether it takes the configuration that Write wrote.
// The diagnostics are what it printed, warnings included; err is not nil where
// it refuses. Lighttpd ends with 0 and a warning for a key that it does not
// know, scgi.server without mod_scgi among them, and HAProxy with 0 and one for
// timeouts that are missing, so any output of them is a refusal. The program
// reads its configuration as an ordinary user and starts nothing.
func (s *Site) Check(ctx context.Context) (diagnostics string, err error) {
	binary, err := s.binary()
	if err != nil {
		return "", err
	}
	var args []string
	switch s.Program {
	case Nginx:
		args = []string{"-t", "-q", "-e", "stderr", "-p", s.Dir + "/", "-c", s.conf()}
	case Lighttpd:
		args = []string{"-tt", "-f", s.conf()}
	case Apache:
		args = []string{"-t", "-f", s.conf()}
	case HAProxy:
		args = append([]string{"-c"}, s.haproxyFiles()...)
	case Caddy:
		args = []string{"validate", "--adapter", "caddyfile", "--config", s.conf()}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	cmd, err := s.command(ctx, binary, args)
	if err != nil {
		return "", err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	diagnostics = strings.TrimSpace(stderr.String())
	switch s.Program {
	case Apache:
		if diagnostics == "Syntax OK" {
			diagnostics = ""
		}
	case HAProxy:
		diagnostics = withoutLines(diagnostics, haproxyNotice)
	case Caddy:
		diagnostics = withoutLines(diagnostics, caddyNotice)
	case Nginx, Lighttpd: // they say nothing of a file that is right
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return diagnostics, fmt.Errorf("%s: %w", binary, ctx.Err())
	case errors.As(err, &exit), err == nil && (s.Program == Lighttpd || s.Program == HAProxy) && diagnostics != "":
		return diagnostics, fmt.Errorf("%s refuses the configuration", s.Program)
	case err != nil:
		return diagnostics, fmt.Errorf("%s: %w", binary, err)
	}
	return diagnostics, nil
}

// command returns the program with a plain environment, in a process group of
// its own, and as an ordinary user where this process is root.
func (s *Site) command(ctx context.Context, binary string, args []string) (*exec.Cmd, error) {
	cred, err := credential()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = s.Dir
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	if s.Program == Caddy {
		// Where it keeps what it writes: not in the home of who runs this.
		cmd.Env = append(cmd.Env, "HOME="+s.Dir, "XDG_CONFIG_HOME="+s.Dir, "XDG_DATA_HOME="+s.Dir)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: cred}
	return cmd, nil
}

// credential returns the user that a server runs as where this process is
// root, or nil: Apache refuses to serve as root, and none of them needs to.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// Server is a running web server.
type Server struct {
	Addr string // host and port it answers on

	site   *Site
	cmd    *exec.Cmd
	output output
	ended  chan struct{} // closed when the program has ended
	waited error         // how it ended; read after ended
	stop   sync.Once
}

// maxOutput is how much of what a program prints is kept.
const maxOutput = 1 << 20

// output keeps what a program prints first; it is written by os/exec's copier and
// read by whoever asks for the log.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Write(p[:min(len(p), maxOutput-o.b.Len())]) // it never fails
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Start starts the server that Write wrote, and returns when it answers. It
// ends with Stop, or when ctx does.
func (s *Site) Start(ctx context.Context) (*Server, error) {
	binary, err := s.binary()
	if err != nil {
		return nil, err
	}
	var args []string
	switch s.Program {
	case Nginx:
		args = []string{"-e", s.log(), "-p", s.Dir + "/", "-c", s.conf()}
	case Lighttpd:
		args = []string{"-D", "-f", s.conf()}
	case Apache:
		args = []string{"-D", "FOREGROUND", "-f", s.conf()}
	case HAProxy:
		args = append([]string{"-db"}, s.haproxyFiles()...)
	case Caddy:
		args = []string{"run", "--adapter", "caddyfile", "--config", s.conf()}
	}
	cmd, err := s.command(ctx, binary, args)
	if err != nil {
		return nil, err
	}
	if s.Bound {
		dieWithThread(cmd.SysProcAttr)
	}
	server := &Server{Addr: s.Listen, site: s, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &server.output, &server.output
	// The default would kill the parent alone and leave its workers.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", binary, err)
	}
	go func() {
		server.waited = cmd.Wait()
		close(server.ended)
	}()
	if err := server.awaitAnswer(ctx); err != nil {
		server.Stop()
		return nil, fmt.Errorf("%s: %w\n%s", binary, err, server.Logs())
	}
	return server, nil
}

// awaitAnswer tries to connect until that succeeds or the program has ended.
func (v *Server) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", v.Addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-v.ended:
			return fmt.Errorf("ended while starting: %w", v.waited)
		case <-ctx.Done():
			return fmt.Errorf("does not answer: %w", err)
		case <-tick.C:
		}
	}
}

// Logs returns the server's error log and what it printed.
func (v *Server) Logs() string {
	return v.ReadLog(0) + v.output.String()
}

// ReadLog returns what the error log holds from an offset on, at most as much as
// is kept of the output. One that is not there yet holds nothing, and one that is
// a link or a FIFO by now is not the server's.
func (v *Server) ReadLog(from int64) string {
	file, err := os.OpenFile(v.site.log(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer file.Close() //nolint:errcheck // only read from
	data, _ := io.ReadAll(io.NewSectionReader(file, from, maxOutput))
	return string(data)
}

// Reload makes the server take what Write wrote since it was started. Requests
// that run are answered by what was there before.
func (v *Server) Reload() error {
	sig := syscall.SIGUSR1
	switch v.site.Program {
	case Nginx:
		sig = syscall.SIGHUP
	case HAProxy:
		return errors.New("haproxy runs without a master, and so can not be told to reload")
	case Lighttpd, Apache, Caddy:
	}
	return v.cmd.Process.Signal(sig)
}

// Ended is closed when the server has ended.
func (v *Server) Ended() <-chan struct{} { return v.ended }

// Stop ends the server and its workers, and waits until they are gone.
func (v *Server) Stop() {
	v.stop.Do(func() {
		// The program may have ended by itself; then there is nobody to tell.
		_ = v.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-v.ended:
		case <-time.After(stopTime):
		}
		// Workers live in the parent's process group; one that outlived it, or a
		// parent that does not obey, is ended here.
		_ = syscall.Kill(-v.cmd.Process.Pid, syscall.SIGKILL)
		<-v.ended
	})
}

// withoutLines returns a text without the lines that match.
func withoutLines(text string, match *regexp.Regexp) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !match.MatchString(line) {
			kept = append(kept, strings.TrimRight(line, "\n"))
		}
	}
	return strings.TrimSpace(strings.Join(kept, "\n"))
}
