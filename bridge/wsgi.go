package bridge

import (
	_ "embed" // for the shim
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// shim is the program that Python runs, and keeper what stands behind it in the
// forms that keep running: for one request it would be compiled in vain.
//
//go:embed wsgi/scgi_wsgi.py
var shim string

//go:embed wsgi/resident.py
var keeper string

// WSGIOptions says which Python callable to run, and how. Of Options it uses
// Mount, Env, EnvPass, HeaderTimeout, Timeout, MaxBody, Setting and LogFile.
type WSGIOptions struct {
	Options
	Python    string   // the interpreter
	Directory string   // working directory; "" leaves it
	Path      []string // goes in front of sys.path; the working directory if there is none
	App       string   // MODULE:CALLABLE

	// What follows is for ResidentWSGI.
	Style       WSGIStyle
	UWSGI       bool   // uwsgi serves, and Style is not used
	Threads     int    // of a worker of uwsgi
	Protocol    string // that uwsgi speaks: a key of UWSGIProtocols
	Warm        string // URL path that the app is asked for once when it has been loaded; "" for none
	Workers     int    // of WSGIPrefork
	MaxRequests int    // of a worker; 0 is no limit
	NoReload    bool   // of WSGIZygote: changed source is not loaded again
}

// WSGIStyle is how processes serve requests.
type WSGIStyle string

// The styles.
const (
	WSGIOnce    WSGIStyle = "once"    // a process for each request
	WSGIPrefork WSGIStyle = "prefork" // workers, each serves one request after the other
	WSGIZygote  WSGIStyle = "zygote"  // the app is loaded once, and forks for each request
)

// ServeWSGI hands the connection on file descriptor 0 to Python, which reads
// the request and calls the app. It returns only on failure, with the exit code.
func ServeWSGI(opts *WSGIOptions) int {
	conn := openConnection()
	log := openLog(conn, opts.LogFile)
	resetSignals()
	closeInherited()
	env := outerEnv(&opts.Options)
	conn.refuse(becomePython(opts, env, shim+"\n\nsys.exit(main(sys.argv[1:]))\n"), log)
	conn.finish()
	return ExitTemporary
}

// ResidentWSGI listens at the addresses and becomes a Python process that serves
// connections until TERM or INT, as Resident does. Of res it uses what says where
// to listen, Children for WSGIZygote, and StopLimit. It returns only on failure,
// with the exit code.
func ResidentWSGI(opts *WSGIOptions, res *Residence) int {
	return reside(opts, res, func(listeners []*listener, env []string, _ *logger) error {
		more, err := residentArgs(opts, res, listeners)
		if err != nil {
			return err
		}
		return becomePython(opts, env, shim+"\n\n"+keeper+"\n\nsys.exit(run_resident(sys.argv[1:]))\n", more...)
	})
}

// reside listens and becomes something else. It returns only if one of them fails,
// with the exit code.
func reside(opts *WSGIOptions, res *Residence, become func(listeners []*listener, env []string, log *logger) error) int {
	log := residentLog(opts.LogFile)
	resetSignals()
	listeners, err := res.listenAll()
	if err == nil {
		closeInherited()
		env := outerEnv(&opts.Options)
		err = become(listeners, env, log)
	}
	log.line(failure, "", err.Error())
	for _, l := range listeners {
		l.close()
	}
	if e, ok := errors.AsType[*addressError](err); ok && e.cause == nil {
		return ExitUsage
	}
	return ExitTemporary
}

// residentArgs returns the arguments of the forms that keep running. Python
// inherits the sockets, and removes those that have a place when it ends.
func residentArgs(opts *WSGIOptions, res *Residence, listeners []*listener) (args []string, err error) {
	args = []string{
		"style=" + string(opts.Style), "workers=" + itoa(opts.Workers), "max_requests=" + itoa(opts.MaxRequests),
		"max=" + itoa(res.Children), "stop_limit=" + inSeconds(res.StopLimit), "log=" + opts.LogFile,
	}
	if opts.Warm != "" {
		args = append(args, "warm="+opts.Warm)
	}
	if opts.NoReload {
		args = append(args, "reload=0")
	}
	for _, l := range listeners {
		fd, err := l.leave()
		if err != nil {
			return nil, err
		}
		args = append(args, "listen="+itoa(fd))
		if l.path != "" {
			args = append(args, "remove="+l.path)
		}
	}
	return args, nil
}

// leave returns a copy of the socket that programs started from here have. It is
// none of the standard descriptors.
func (l *listener) leave() (fd int, err error) {
	if fd, err = unix.FcntlInt(l.file.Fd(), unix.F_DUPFD, 3); err != nil {
		return 0, &addressError{l.file.Name(), "dup", err}
	}
	return fd, nil
}

func inSeconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

// becomePython returns only if it fails.
func becomePython(opts *WSGIOptions, env []string, source string, more ...string) error {
	if opts.Directory != "" {
		if err := os.Chdir(opts.Directory); err != nil {
			return notGranted("", err)
		}
	}
	err := opts.Setting.become(opts.Python, pythonArgs(opts, env, source, more...), env)
	if _, ok := errors.AsType[*settingError](err); ok {
		return notGranted("", err)
	}
	return unable("", "run "+opts.Python, err)
}

// pythonArgs returns the interpreter's arguments, with further ones for the
// source that it runs, which needs no file.
func pythonArgs(opts *WSGIOptions, env []string, source string, more ...string) []string {
	isolated, prelude := "-I", ""
	for _, variable := range env {
		if strings.HasPrefix(variable, "PYTHON") {
			// -I would ignore it. The environment holds what was asked for and
			// nothing else; what is left to do is to keep the working directory
			// out of the way of the standard library.
			isolated, prelude = "-s", "import sys; sys.path[:] = filter(None, sys.path)\n"
		}
	}
	args := []string{
		opts.Python, isolated, "-c", program(prelude + source),
		"app=" + opts.App,
		"header_timeout=" + inSeconds(opts.HeaderTimeout),
		"timeout=" + inSeconds(opts.Timeout),
		"max_body=" + itoa(opts.MaxBody),
	}
	if opts.Mount != "" {
		args = append(args, "mount="+opts.Mount)
	}
	for _, dir := range opts.Path {
		args = append(args, "path="+dir)
	}
	return append(args, more...)
}

// program returns source for "python -c" that runs a longer one. Where the
// system has files in memory it stands in one, which is closed before it runs:
// as an argument all of it would be in every list of processes. Elsewhere it is
// the source itself.
func program(source string) string {
	fd, err := memoryFile(source)
	if err != nil {
		return source
	}
	return "f = open(" + itoa(int64(fd)) + `, encoding="utf-8"); s = f.read(); f.close(); exec(compile(s, "scgi_wsgi.py", "exec"))`
}
