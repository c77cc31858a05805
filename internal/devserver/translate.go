package devserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/scgi"
)

// speaker passes one request to a program that speaks another protocol than SCGI,
// and its answer back in the form of CGI. It sends from a goroutine of its own: a
// program may answer before it has read everything.
type speaker func(x *translation) error

// translation is one request on its way through a speaker.
type translation struct {
	request scgi.Request
	body    io.Reader // to the end of the body
	app     net.Conn
	answer  io.Writer
	log     *appLog

	senders sync.WaitGroup
}

// speaker returns what an app speaks that listens by itself; nil is SCGI.
func (s *Server) speaker(desc *appfile.App) (speaker, error) {
	switch desc.Protocol {
	case appfile.SCGI:
		return nil, nil
	case appfile.FastCGI:
		return speakFastCGI, nil
	case appfile.HTTP1:
		return newHTTPSpeaker(s.config.ServerFields), nil
	case appfile.UWSGI:
		return speakUWSGI, nil
	case appfile.AJP:
	}
	// Programs that speak AJP have HTTP for all but the web server in front.
	return nil, &Problem{
		Message: fmt.Sprintf("%s speaks %s, and dev speaks scgi, fastcgi, uwsgi and http to apps", desc.Name, desc.Protocol),
		Hint:    "name the other descriptions as arguments; or, where the program speaks http as well, set that for this run: --set protocol=http",
	}
}

// translated is a connection that speaks SCGI, to a program that does not.
type translated struct {
	net.Conn // the near end of a pipe
	app      net.Conn
	ended    chan struct{}
	err      error // of the speaker; after ended
}

// translate makes a connection to a program one that speaks SCGI.
func translate(app net.Conn, speak speaker, log *appLog) net.Conn {
	near, far := net.Pipe()
	t := &translated{Conn: near, app: app, ended: make(chan struct{})}
	go func() {
		x := &translation{app: app, answer: far, log: log}
		t.err = x.pass(far, speak)
		close(t.ended)
		// Both ends, so that the sender sees it.
		far.Close() //nolint:errcheck // a pipe
		app.Close() //nolint:errcheck // what there was to read is read
		x.senders.Wait()
	}()
	return t
}

// pass reads the request and has it answered.
func (x *translation) pass(far io.Reader, speak speaker) error {
	var err error
	if x.request, err = scgi.ReadRequest(far); err != nil {
		return err
	}
	x.body = io.LimitReader(far, x.request.ContentLength)
	return speak(x)
}

// send has a request sent while the answer is read. What fails there has the program
// stop reading; what it answers counts.
func (x *translation) send(request func() error) {
	x.senders.Go(func() { _ = request() })
}

// Read tells an answer that broke off from one that has ended.
func (t *translated) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		<-t.ended
		if t.err != nil {
			return n, t.err
		}
	}
	return n, err
}

// SetReadDeadline leaves it to Read to say that the other end is closed: there may
// be the end of an answer to be told.
func (t *translated) SetReadDeadline(at time.Time) error {
	return unlessClosed(t.Conn.SetReadDeadline(at))
}

// SetWriteDeadline does the same for Write.
func (t *translated) SetWriteDeadline(at time.Time) error {
	return unlessClosed(t.Conn.SetWriteDeadline(at))
}

func unlessClosed(err error) error {
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

// Close ends the connection to the program as well, and so what is under way.
func (t *translated) Close() error { return errors.Join(t.Conn.Close(), t.app.Close()) }
