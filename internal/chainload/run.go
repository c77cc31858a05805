package chainload

import (
	"os"
	"strings"
	"syscall"
)

// request is a program to become. Making one takes memory and gets it over with
// before limits are set.
type request struct {
	paths []string
	argv  []string
	env   []string
}

// newRequest looks up argv[0] in PATH unless it has a slash. PATH is that of
// this process, whatever env is going to be.
func newRequest(argv, env []string) *request {
	r := &request{argv: argv, env: env}
	if strings.Contains(argv[0], "/") {
		r.paths = []string{argv[0]}
		return r
	}
	path, ok := os.LookupEnv("PATH")
	if !ok {
		path = "/bin:/usr/bin"
	}
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "."
		}
		r.paths = append(r.paths, dir+"/"+argv[0])
	}
	return r
}

// Become runs argv with the environment as it is, in the place of this process.
// It returns only with an error, which begins with the name of the program that
// calls.
func Become(program string, argv []string) error {
	return newRequest(argv, os.Environ()).become(program)
}

// try starts the program from one place after the other, as pathexec_run does:
// a file that may not be run does not end the search, but is what is said if
// there is no other. start returns only when it has failed, or done is true.
func (r *request) try(start func(path string) (done bool, err error)) error {
	var kept error
	for _, path := range r.paths {
		done, err := start(path)
		if done {
			return nil
		}
		if len(r.paths) == 1 {
			return err
		}
		switch err { //nolint:errorlint // errnos as execve returns them
		case syscall.ENOENT:
		case syscall.EACCES, syscall.EPERM, syscall.EISDIR:
			kept = err
		default:
			return err
		}
	}
	if kept != nil {
		return kept
	}
	return syscall.ENOENT
}

// become runs the program in the place of this one. It returns only with an
// error.
func (r *request) become(program string) error {
	err := r.try(func(path string) (bool, error) { return false, syscall.Exec(path, r.argv, r.env) })
	return fatal(program, "unable to run "+r.argv[0]+": ", err)
}
