// Package bridge turns an SCGI request on a connection into a CGI process.
//
// Serve serves one connection, which a super-server has accepted and left on file
// descriptor 0: inetd nowait, tcpserver, s6-ipcserver, a systemd unit with
// Accept=yes. By default it stays between the connection and the script. It
// takes the whole body before it starts the script, gives the script an input
// that ends, puts right the head of the answer, watches the clock and the
// client, and ends the process group when either gives up. With Handoff the
// script becomes the process and gets the connection itself, with none of that.
//
// The process of Serve does one thing and ends, so there is no goroutine and no
// timer: one loop around poll(2). What it imports is paid by every request, as
// start-up time, which is why it avoids even fmt.
//
// Resident listens itself and keeps running. A goroutine for each connection then
// goes through the same loop, and waits in the run-time's poller, without a
// thread. A connection may also speak FastCGI there.
package bridge

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"time"

	"scgikit/internal/scgi"
)

// The exit codes: tcpserver and s6 log them, inetd ignores them.
//
// Source of 100 and 111: https://cr.yp.to/daemontools/setuidgid.html and the
// other programs of daemontools and ucspi-tcp.
const (
	ExitOK        = 0   // answered, or nothing was asked
	ExitFailed    = 1   // the request was refused, or the script failed
	ExitUsage     = 100 // the command line or the configuration is wrong
	ExitTemporary = 111 // the system refused something that it may grant later
)

// Options says which program to run, and how.
type Options struct {
	// Path is a program, or a folder of programs if it ends in "/".
	Path string
	// Arguments follow the program's name. They are for a single program only,
	// and nothing from the request ever joins them.
	Arguments []string
	// Mount is the URL prefix under which the web server has the app. The part
	// of the path behind it says which script of a folder is meant.
	Mount string
	// Env holds NAME=VALUE variables for the script; they win over the request.
	Env []string
	// EnvPass names variables of this process that the script gets too.
	EnvPass []string
	// PassParams names request parameters beyond the CGI ones that become
	// variables of the script.
	PassParams []string

	// HeaderTimeout is the time for the request's header block, Timeout that
	// which may pass without any progress afterwards.
	HeaderTimeout time.Duration
	Timeout       time.Duration
	// MaxBody is the longest request body in bytes.
	MaxBody int64

	// FollowSymlinks allows scripts that are symbolic links to another place
	// in the same folder.
	FollowSymlinks bool
	// Allow holds what is no reason to refuse a script.
	Allow []Exception
	// AddStatus adds the Status field where the script leaves it out.
	AddStatus bool
	// Handoff gives the connection to the script.
	Handoff bool
	// StreamBody starts the script before the body is complete.
	StreamBody bool

	// Setting is for the script alone.
	Setting Setting

	// LogFile is where messages and the script's standard error go; without
	// one that is standard error or, where that is the connection, syslog.
	LogFile string

	outer []string // what outerVariables returns; nil is not known yet
}

// Serve serves the connection on file descriptor 0 and returns the exit code.
// With Handoff it returns only on failure.
func Serve(opts *Options) int {
	// The signal that ends a script whose bridge has died is bound to the
	// thread that started it: this one stays until the end.
	runtime.LockOSThread()
	conn := openConnection()
	log := openLog(conn, opts.LogFile)
	resetSignals()
	closeInherited()
	err := serve(conn, log, opts)
	conn.finish()
	if err == nil {
		return ExitOK
	}
	if isTemporary(err) {
		return ExitTemporary
	}
	return ExitFailed
}

// serve reads the request and has it answered. An error has been answered and
// logged already.
func serve(conn *connection, log *logger, opts *Options) error {
	deadline := time.Now().Add(opts.HeaderTimeout)
	req, err := conn.request(deadline)
	if errors.Is(err, scgi.ErrFastCGI) && conn.host != nil {
		return serveFastCGI(conn, deadline, log, opts)
	}
	err = explainRequest(&req, err, opts)
	if errors.Is(err, io.EOF) {
		return nil // somebody looked whether the socket is open
	}
	if conn.host != nil {
		conn.host.began(conn)
	}
	return answer(conn, &req, err, log, opts)
}

// answer answers a request, or refuses it for an error that is known already.
func answer(conn *connection, req *scgi.Request, err error, log *logger, opts *Options) error {
	var script *script
	var env []string
	if err == nil {
		script, env, err = prepare(req, log, opts, conn.kept())
	}
	if err == nil && opts.Handoff {
		err = handOff(conn, script, &opts.Setting, env)
	} else if err == nil {
		err = newExchange(conn, log, script, opts).run(env, req.ContentLength)
	}
	if err != nil {
		conn.refuse(err, log)
	}
	return err
}

// tooLong is the refusal for a body of that length.
func tooLong(length int64, opts *Options) error {
	return refuse(413, "", "request body of "+itoa(length)+" bytes, the limit is "+itoa(opts.MaxBody))
}

// explainRequest makes a refusal of what is wrong with a request's header block,
// or with the length of its body. io.EOF is none at all.
func explainRequest(req *scgi.Request, err error, opts *Options) error {
	if err == nil && req.ContentLength <= opts.MaxBody {
		return nil
	}
	syntax, isSyntax := errors.AsType[*scgi.SyntaxError](err)
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, scgi.ErrTimeout):
		return refuse(408, "", err.Error())
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(400, "", "the connection ended inside the request's header block")
	case isSyntax:
		return refuse(400, "", "not an SCGI request: "+syntax.Error())
	case err != nil:
		return refuse(400, "", "read the request: "+err.Error())
	}
	return tooLong(req.ContentLength, opts)
}

// prepare finds the script and builds its environment.
func prepare(req *scgi.Request, log *logger, opts *Options, kept *openFolders) (*script, []string, error) {
	params, differing, err := mergeParams(req.Headers)
	if err != nil {
		return nil, nil, err
	}
	script, err := findScript(params, opts, log, kept)
	if err != nil {
		return nil, nil, err
	}
	env, dropped := buildEnv(params, script, opts)
	if differing = log.firstOf("differs", differing); len(differing) > 0 {
		log.line(warning, script.name, "parameters that occur twice, with different values, of which the last counts: "+someOf(differing))
	}
	if dropped = log.firstOf("dropped", dropped); len(dropped) > 0 {
		log.line(warning, script.name, "parameters that are not CGI's were dropped: "+someOf(dropped))
	}
	return script, env, nil
}

// someOf lists names for the log: the first ones, as a request may have many.
func someOf(names []string) string {
	const limit = 16
	if len(names) > limit {
		return strings.Join(names[:limit], " ") + " and " + itoa(len(names)-limit) + " more"
	}
	return strings.Join(names, " ")
}

// Reject ends a request that can not be served because the command line is
// wrong. Under inetd nobody sees standard error but the client, so the message
// goes to the log, and the client gets an answer that tells it nothing else. Where there
// is no connection, at a shell, it returns false and does nothing.
func Reject(message string) bool {
	conn := openConnection()
	if !conn.socket {
		return false
	}
	log := openLog(conn, "")
	conn.refuse(refuse(500, "", message), log)
	conn.finish()
	return true
}
