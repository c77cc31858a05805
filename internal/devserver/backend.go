package devserver

import (
	"context"
	"errors"
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

	// keepsAddress reports whether what succeeds it has to wait until it has
	// given up an address of the description.
	keepsAddress() bool
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

// newBackend decides how an app runs: as the generated configuration has it. A
// program that listens by itself is kept running, and so is scgi-run for scripts
// and callables, unless the description has it started for each request.
func (s *Server) newBackend(desc *appfile.App, log *appLog) (backend, error) {
	if listensItself(desc) {
		return s.newResident(desc, log)
	}
	return s.newBridged(desc, log)
}

// listensItself reports whether run.command makes the listener.
func listensItself(desc *appfile.App) bool {
	return desc.Type == appfile.TypeServer || (desc.Type == appfile.TypeWSGI && desc.WSGI.Server == appfile.WSGICustom)
}

// newResident makes the backend of programs that listen where the description
// says, and speak what it says.
func (s *Server) newResident(desc *appfile.App, log *appLog) (backend, error) {
	speak, err := s.speaker(desc)
	if err != nil {
		return nil, err
	}
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
		i := newInstance(inst, inst.Addr(), p, s.spawner)
		i.speak = speak
		r.instances = append(r.instances, i)
	}
	return r, nil
}
