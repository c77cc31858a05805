package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"scgikit/internal/servicedir"
)

// How long a program of the machine is waited for.
const (
	testTime  = time.Minute
	startTime = 30 * time.Second // svscan and runsvdir look every five seconds
	stopTime  = 40 * time.Second
	proveTime = 20 * time.Second
	pollTime  = 50 * time.Millisecond
)

// Runner carries out the steps of plans on the machine that runs.
type Runner struct {
	Family string
	live   string                           // of s6-rc; "" is the usual folder
	Say    func(format string, args ...any) // what a person should know; never nil
}

// Rejected says that a program's own test does not accept its configuration.
type Rejected struct{ Program, Text string }

// Error has what the program said.
func (e *Rejected) Error() string { return e.Program + " says: " + e.Text }

// Run carries a step out.
func (r *Runner) Run(ctx context.Context, s *Step) error {
	switch {
	case s.Target == "systemd":
		return r.systemctl(ctx, s)
	case s.Target == "s6":
		return r.s6(ctx, s)
	case s.Target == s6rcTarget:
		return r.s6rc(ctx, s)
	case managed(s.Target):
		return r.manager(ctx, s)
	case s.Target == "caddy" && (s.Verb == Test || s.Verb == Reload):
		return r.caddy(ctx, s.Verb, configuration(r.Family, "caddy/Caddyfile"))
	}
	switch s.Verb {
	case Test:
		return r.test(ctx, s)
	case Reload:
		return r.reload(ctx, s)
	case Start:
		return waitFor(ctx, startTime, func() error { return isUp(s.Name) })
	case Stop:
		return r.stop(ctx, s.Name)
	case Restart:
		return r.restart(ctx, s.Name)
	case Prove:
		return r.prove(ctx, s)
	case Forget: // systemd's alone
	}
	return nil
}

// output runs a program and returns what it says, to whichever stream.
func output(ctx context.Context, argv []string) (string, error) {
	return outputIn(ctx, nil, argv)
}

func outputIn(ctx context.Context, env, argv []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	var b bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // programs of the machine, with names of reviewed files and what HAProxy runs with
	cmd.Stdout, cmd.Stderr, cmd.Dir = &b, &b, "/"
	// In a process group of its own: a terminal's Ctrl-C is for scgikit, which takes
	// things back, and not for a service that is being started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if env != nil {
		cmd.Env = append(os.Environ(), env...)
	}
	cmd.WaitDelay = time.Second // a service that it started may keep the streams open
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if err != nil && b.Len() == 0 {
		b.WriteString(err.Error())
	}
	return b.String(), err
}

func find(name string) (program string, ok bool) {
	if p, err := exec.LookPath(name); err == nil {
		return p, true
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/bin"} {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p, true
		}
	}
	return "", false
}

// waitFor asks until there is no error, or the time is over.
func waitFor(ctx context.Context, limit time.Duration, ask func() error) error {
	end := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollTime):
		}
	}
}

// settled is how long a service has to be up to count as started: one that ends
// at once is started again after a second.
const settled = 1500 * time.Millisecond

// isUp returns why a service can not be said to be up, or nil.
func isUp(dir string) error {
	normally, err := servicedir.NormallyUp(dir)
	if err != nil {
		return err
	}
	s, err := servicedir.Read(dir)
	switch {
	case errors.Is(err, servicedir.ErrNotSupervised):
		return fmt.Errorf("%s: no supervisor has taken it up; is svscan or runsvdir running?", dir)
	case err != nil:
		return err
	case !normally:
		return nil
	case s.PID == 0 || s.Run != servicedir.RunUp:
		return fmt.Errorf("%s: is down", dir)
	case time.Since(s.Since) < settled:
		return fmt.Errorf("%s: does not stay up", dir)
	}
	return nil
}

// stop stops a service and then its logger, which has read all by then.
func (r *Runner) stop(ctx context.Context, dir string) error {
	for _, d := range []string{dir, filepath.Join(dir, "log")} {
		if err := servicedir.Send(d, "dx"); err != nil {
			if gone(err) {
				continue
			}
			return err
		}
		err := waitFor(ctx, stopTime, func() error {
			up, err := servicedir.Supervised(d)
			if err != nil && !gone(err) {
				return err
			}
			if up {
				return fmt.Errorf("%s: is still supervised", d)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func gone(err error) bool {
	return errors.Is(err, servicedir.ErrNotSupervised) || errors.Is(err, os.ErrNotExist)
}

func (r *Runner) restart(ctx context.Context, dir string) error {
	before, err := servicedir.Read(dir)
	if gone(err) {
		r.Say("%s is not supervised, so it is not restarted", dir)
		return nil
	}
	if err != nil {
		return err
	}
	if before.PID == 0 {
		return nil // it is down, as somebody wants it
	}
	if err := servicedir.Send(dir, "t"); err != nil {
		return err
	}
	return waitFor(ctx, startTime, func() error {
		now, err := servicedir.Read(dir)
		if err != nil {
			return err
		}
		if now.PID == before.PID {
			return fmt.Errorf("%s: has not ended yet", dir)
		}
		return isUp(dir)
	})
}

// prove sends a request until the answer is well. A web server that does not run
// proves nothing.
func (r *Runner) prove(ctx context.Context, s *Step) error {
	if s.Target != "caddy" && running(daemons(r.Family)[s.Target]) == 0 || s.Target == "caddy" && caddyProcess() == 0 {
		return nil
	}
	return waitFor(ctx, proveTime, func() error { return s.Probe.Ask(ctx) })
}

// Ask sends the request as often as is asked for, and returns why an answer is not
// well.
func (p *Probe) Ask(ctx context.Context) error {
	for range max(1, p.Times) {
		if err := p.ask(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *Probe) ask(ctx context.Context) error {
	client := &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableKeepAlives: true}, // a worker that reads the old configuration would keep it
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Address+p.Path, nil) //nolint:gosec // the address is the one that the administrator names, the path that of a reviewed description
	if err != nil {
		return err
	}
	if p.Host != "" {
		req.Host = p.Host
	}
	resp, err := client.Do(req) //nolint:gosec // as above
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode < p.Low || resp.StatusCode > p.High {
		return fmt.Errorf("%s: the answer to %s is %d", p.App, p.Path, resp.StatusCode)
	}
	return nil
}
