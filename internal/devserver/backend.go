package devserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"scgikit/internal/appfile"
)

// backend is what answers the requests of an app: programs that keep running,
// or one started for each request.
type backend interface {
	// connect returns a fresh connection that speaks SCGI, within a time. The
	// error is a *downError where the app is known not to run.
	connect(ctx context.Context, limit time.Duration) (*link, error)

	// run serves until the context ends and everything it started is gone.
	// Closing hurry shortens that.
	run(ctx context.Context, hurry <-chan struct{})

	// facts is what an error page says about the programs.
	facts() []fact
}

// fact is one line of an error page.
type fact struct{ Name, Value string }

// link is a connection to a program.
type link struct {
	net.Conn
	gone <-chan struct{} // closed when the program has ended and its output is in the log
	how  func() string   // after gone: how it ended; nil where the backend's facts have that
}

// end closes the connection; once is enough, and twice does no harm.
func (l *link) end() {
	// There is nothing to do about a connection that cannot be closed.
	_ = l.Close()
}

// settleLimit is how long an error page waits for the last log lines.
const settleLimit = 100 * time.Millisecond

// settle waits a moment for what a program that just failed has to say, so that
// an error page can show it, and returns how it ended if that is known here.
func (l *link) settle() []fact {
	timer := time.NewTimer(settleLimit)
	defer timer.Stop()
	select {
	case <-l.gone:
		if l.how != nil {
			return []fact{{"State", "the program for this request " + l.how()}}
		}
	case <-timer.C:
		if l.how != nil {
			return []fact{{"State", "the program for this request still runs, without an answer"}}
		}
	}
	return nil
}

// downError says that an app does not run at the moment, and why.
type downError struct {
	reason string
	retry  time.Duration // until the next start; 0 where it is not known
}

func (e *downError) Error() string { return e.reason }

// newBackend decides how an app runs: a program that listens by itself is kept
// running, and CGI programs and WSGI callables start for each request, also
// where run.mode is resident: the answers are the same, and changed code is
// seen at once.
func (s *Server) newBackend(desc *appfile.App, log *appLog) (backend, error) {
	c := &s.config
	// The bridge speaks FastCGI as well; what the script sees is the same.
	if desc.Protocol != appfile.SCGI && (listensItself(desc) || desc.Protocol != appfile.FastCGI) {
		return nil, &Problem{
			Message: fmt.Sprintf("%s speaks %s, and dev speaks only scgi to apps", desc.Name, desc.Protocol),
			Hint:    "name the other descriptions as arguments, or set the protocol for this run: --set protocol=scgi",
		}
	}
	if listensItself(desc) {
		return s.newResident(desc, log)
	}
	if c.ScgiRun == "" {
		return nil, &Problem{
			Message: fmt.Sprintf("%s needs the program scgi-run, which is neither next to scgikit nor in PATH", desc.Name),
			Hint:    "install scgi-run next to scgikit, or say where it is: --scgi-run PATH",
		}
	}
	env, err := newEnvironment(&desc.Run, c.Environ)
	if err != nil {
		return nil, err
	}
	p := &program{
		argv: append([]string{c.ScgiRun}, c.PerRequest(applicable(desc), env.named)...),
		dir:  "/", // the bridge goes to the script's own folder
		env:  env.list, umask: int(desc.Run.Umask), log: log,
	}
	if desc.Type == appfile.TypeWSGI {
		p.dir = desc.Run.Directory
	}
	return newOneshot(desc, p, s.spawner), nil
}

// applicable returns a description without what the person at the keyboard may
// not do, or would do to everything else of theirs: their processes are counted
// together, and a higher priority is root's to give. Notes names both.
func applicable(desc *appfile.App) *appfile.App {
	app := *desc
	app.Run.Limits.NProc = nil
	app.Run.Nice = max(app.Run.Nice, 0)
	return &app
}

// listensItself reports whether run.command makes the listener.
func listensItself(desc *appfile.App) bool {
	return desc.Type == appfile.TypeServer || (desc.Type == appfile.TypeWSGI && desc.WSGI.Server == appfile.WSGICustom)
}

func (s *Server) newResident(desc *appfile.App, log *appLog) (backend, error) {
	r := new(resident)
	for _, inst := range desc.Instances {
		if len(inst.Run.Command) == 0 {
			return nil, errors.New("run.command is empty")
		}
		env, err := newEnvironment(&inst.Run, s.config.Environ)
		if err != nil {
			return nil, err
		}
		p := &program{argv: inst.Run.Command, dir: inst.Run.Directory, env: env.list, umask: int(inst.Run.Umask), log: log}
		r.instances = append(r.instances, newInstance(inst, p, s.spawner))
	}
	return r, nil
}
