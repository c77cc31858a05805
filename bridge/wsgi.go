package bridge

import (
	_ "embed" // for the shim
	"errors"
	"os"
	"strconv"
	"strings"
)

// shim is the program that Python runs.
//
//go:embed wsgi/scgi_wsgi.py
var shim string

// WSGIOptions says which Python callable to run, and how. Of Options it uses
// Mount, Env, EnvPass, HeaderTimeout, Timeout, MaxBody, Setting and LogFile.
type WSGIOptions struct {
	Options
	Python    string   // the interpreter
	Directory string   // working directory; "" leaves it
	Path      []string // goes in front of sys.path; the working directory if there is none
	App       string   // MODULE:CALLABLE
}

// ServeWSGI hands the connection on file descriptor 0 to Python, which reads
// the request and calls the app. It returns only on failure, with the exit code.
func ServeWSGI(opts *WSGIOptions) int {
	conn := openConnection()
	log := openLog(conn, opts.LogFile)
	resetSignals()
	closeInherited()
	env := outerEnv(&opts.Options)
	for _, variable := range opts.Env {
		name, value, _ := strings.Cut(variable, "=")
		env.set(name, value)
	}
	conn.refuse(becomePython(opts, env.list), log)
	conn.finish()
	return ExitTemporary
}

// becomePython returns only if it fails.
func becomePython(opts *WSGIOptions, env []string) error {
	if opts.Directory != "" {
		if err := os.Chdir(opts.Directory); err != nil {
			return notGranted("", err)
		}
	}
	err := opts.Setting.become(opts.Python, pythonArgs(opts, env), env)
	if _, ok := errors.AsType[*settingError](err); ok {
		return notGranted("", err)
	}
	return unable("", "run "+opts.Python, err)
}

// pythonArgs returns the interpreter's arguments. The shim needs no file.
func pythonArgs(opts *WSGIOptions, env []string) []string {
	isolated, prelude := "-I", ""
	for _, variable := range env {
		if strings.HasPrefix(variable, "PYTHON") {
			// -I would ignore it. The environment holds what was asked for and
			// nothing else; what is left to do is to keep the working directory
			// out of the way of the standard library.
			isolated, prelude = "-s", "import sys; sys.path[:] = filter(None, sys.path)\n"
		}
	}
	seconds := func(d interface{ Seconds() float64 }) string {
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
	}
	args := []string{
		opts.Python, isolated, "-c", program(prelude + shim + "\n\nsys.exit(main(sys.argv[1:]))\n"),
		"app=" + opts.App,
		"header_timeout=" + seconds(opts.HeaderTimeout),
		"timeout=" + seconds(opts.Timeout),
		"max_body=" + itoa(opts.MaxBody),
	}
	if opts.Mount != "" {
		args = append(args, "mount="+opts.Mount)
	}
	for _, dir := range opts.Path {
		args = append(args, "path="+dir)
	}
	return args
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
