package bridge

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// UWSGIProtocols are what uwsgi can speak with the web server, each with the
// option that it has for a socket.
var UWSGIProtocols = map[string]string{"scgi": "--scgi-socket", "fastcgi": "--fastcgi-socket", "uwsgi": "--uwsgi-socket", "http": "--http-socket"}

// plainPython is the interpreter where nobody names another.
const plainPython = "/usr/bin/python3"

// uwsgiHeaders is how much a request's header fields may have. Of uwsgi it is 4096
// bytes, which cookies alone can be; 65535 is the most that it takes.
const uwsgiHeaders = 65535

// ResidentUWSGI listens at the addresses and becomes uwsgi, with the callable and
// as many workers and threads as the options say. The web server's SCRIPT_NAME and
// PATH_INFO are the app's; HTTP has none, and Mount says them. It returns only on
// failure, with the exit code.
//
// Source: https://uwsgi-docs.readthedocs.io/en/latest/Options.html; for descriptors
// that are sockets core/socket.c of 2.0.
func ResidentUWSGI(opts *WSGIOptions, res *Residence) int {
	return reside(opts, res, func(listeners []*listener, env []string, log *logger) error {
		if opts.LogFile != "" && log.kind != logFile || opts.LogFile == "" && log.kind == logSyslog {
			return notGranted("", errors.New("uwsgi writes to a file of --log that it can open, or to standard error; neither is there"))
		}
		return becomeUWSGI(opts, res, listeners, env)
	})
}

func becomeUWSGI(opts *WSGIOptions, res *Residence, listeners []*listener, env []string) error {
	venv, err := virtualEnvironment(opts.Python)
	if err != nil {
		return err
	}
	program, err := findUWSGI(venv)
	if err != nil {
		return err
	}
	args := append([]string{"uwsgi"}, uwsgiArgs(opts, res)...)
	if venv != "" {
		args = append(args, "--virtualenv="+venv)
	}
	for _, word := range args {
		if strings.Contains(word, "$(") || strings.Contains(word, "@(") || strings.Contains(word, "%(") {
			return notGranted("", errors.New(word+": uwsgi would put something else in the place of $( @( or %(; use another name"))
		}
	}
	for _, l := range listeners {
		fd, err := l.leave()
		if err != nil {
			return err
		}
		if err := onlyTheServer(fd, opts.Protocol); err != nil {
			return err
		}
		// It stays in its place, and the next start replaces it: the hooks of
		// uwsgi would remove it when HUP starts uwsgi anew, as well.
		args = append(args, UWSGIProtocols[opts.Protocol]+"=fd://"+itoa(fd))
	}
	if err := emptyInput(); err != nil {
		return unable("", "open "+os.DevNull, err)
	}
	if opts.Directory != "" {
		if err := os.Chdir(opts.Directory); err != nil {
			return notGranted("", err)
		}
	}
	err = opts.Setting.become(program, args, env)
	if _, ok := errors.AsType[*settingError](err); ok {
		return notGranted("", err)
	}
	return unable("", "run "+program, err)
}

// uwsgiArgs returns all but the sockets.
func uwsgiArgs(opts *WSGIOptions, res *Residence) []string {
	args := []string{
		"--no-orphans", "--skip-zero", // a socket that is descriptor 0 would be taken for one more
		"--plugin=python3", "--need-app", "--master",
		"--processes=" + itoa(opts.Workers), "--threads=" + itoa(opts.Threads),
		"--enable-threads", // those that the app itself starts
		"--buffer-size=" + itoa(uwsgiHeaders),
		// The app is called once the body is there, and has all of its time then.
		"--post-buffering=65536",
		"--socket-timeout=" + wholeSeconds(opts.Timeout),
		"--worker-reload-mercy=" + wholeSeconds(max(0, res.StopLimit-slowEnd)),
		"--max-vars=1024", // of 4, with header fields; 128 would be some 120
		// TERM, which uwsgi ignores while it loads the app, ends it at once until it
		// serves, and then behind what runs.
		"--hook-pre-app=unix_signal:" + strconv.Itoa(UWSGIEnded) + " _exit",
		"--hook-master-start=unix_signal:15 gracefully_kill_them_all",
		"--hook-master-start=unix_signal:2 gracefully_kill_them_all",
		// Of a request the web server has a line already; that its client has
		// gone is nothing to tell.
		"--disable-logging", "--ignore-sigpipe", "--ignore-write-errors", "--disable-write-exception",
	}
	app := opts.App
	if !strings.Contains(app, ":") {
		app += ":application" // uwsgi knows the name only where nothing is mounted
	}
	if opts.Protocol == "http" && opts.Mount != "" {
		args = append(args, "--mount="+opts.Mount+"="+app, "--manage-script-name")
	} else {
		args = append(args, "--module="+app)
	}
	if opts.Timeout > 0 {
		args = append(args, "--harakiri="+wholeSeconds(opts.Timeout))
	}
	if opts.MaxBody > 0 {
		args = append(args, "--limit-post="+itoa(opts.MaxBody))
	}
	if opts.MaxRequests > 0 {
		args = append(args, "--max-requests="+itoa(opts.MaxRequests))
	}
	if opts.LogFile != "" {
		// A colon would be that of an address.
		args = append(args, "--logto="+opts.LogFile, "--log-reopen") // by HUP
	}
	paths := opts.Path
	if len(paths) == 0 {
		paths = []string{"."}
	}
	for _, dir := range paths {
		args = append(args, "--pythonpath="+unglobbed.Replace(dir))
	}
	return args
}

// UWSGIEnded is the exit code of uwsgi where TERM ends it before it serves: the
// number of the signal.
const UWSGIEnded = 15

// slowEnd is what uwsgi takes to end besides the time that it gives requests.
const slowEnd = 2 * time.Second

// onlyTheServer refuses a socket that every user of the machine can reach: whoever
// connects has uwsgi start programs, by variables such as UWSGI_FILE. Over HTTP
// nobody can name these.
func onlyTheServer(fd int, protocol string) error {
	address, err := unix.Getsockname(fd)
	if err != nil {
		return unable("", "getsockname", err)
	}
	if _, ok := address.(*unix.SockaddrUnix); ok || protocol == "http" {
		return nil
	}
	return &addressError{"a port", "whoever can connect to uwsgi there has it run programs; use a unix socket, or --protocol http", nil}
}

// unglobbed keeps a path one: uwsgi takes it for a pattern.
var unglobbed = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// wholeSeconds rounds up: uwsgi takes no fractions.
func wholeSeconds(d time.Duration) string {
	return itoa(max(1, int64((d+time.Second-1)/time.Second)))
}

// virtualEnvironment returns the folder of the virtual environment that an
// interpreter belongs to; "" for the usual one. uwsgi has an interpreter of its own,
// so that no other can be named.
func virtualEnvironment(python string) (string, error) {
	dir := filepath.Dir(filepath.Dir(python))
	if _, err := os.Stat(filepath.Join(dir, "pyvenv.cfg")); err == nil {
		return dir, nil
	}
	if real, err := filepath.EvalSymlinks(plainPython); python == plainPython || err == nil && python == real {
		return "", nil
	}
	return "", notGranted("", errors.New("--python "+python+": uwsgi has an interpreter of its own; name that of a virtual environment that can be read, or leave it out"))
}

// sameVersion refuses a virtual environment that the uwsgi of the machine would not
// find the modules of.
func sameVersion(venv string) error {
	text, err := os.ReadFile(filepath.Join(venv, "pyvenv.cfg"))
	if err != nil {
		return unable("", "read", err)
	}
	real, err := filepath.EvalSymlinks(plainPython)
	if err != nil {
		return nil
	}
	_, machine, _ := strings.Cut(filepath.Base(real), "python")
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); name != "version" && name != "version_info" {
			continue
		}
		parts := strings.Split(strings.TrimSpace(value), ".")
		if len(parts) >= 2 && parts[0]+"."+parts[1] != machine {
			return notGranted("", errors.New(venv+" is for Python "+parts[0]+"."+parts[1]+", and the machine's uwsgi has "+machine+": install uwsgi into it"))
		}
	}
	return nil
}

// findUWSGI returns the uwsgi of a virtual environment, or of the machine.
func findUWSGI(venv string) (string, error) {
	folders := filepath.SplitList(os.Getenv("PATH"))
	if venv != "" {
		folders = slices.Insert(folders, 0, filepath.Join(venv, "bin"))
	}
	for i, dir := range append(folders, "/usr/local/bin", "/usr/bin") {
		program := filepath.Join(dir, "uwsgi")
		info, err := os.Stat(program) //nolint:gosec // the PATH of whoever starts this
		if err != nil || !filepath.IsAbs(dir) || !info.Mode().IsRegular() || unix.Access(program, unix.X_OK) != nil {
			continue
		}
		if venv != "" && i > 0 {
			return program, sameVersion(venv)
		}
		return program, nil
	}
	return "", notGranted("", errors.New("uwsgi is not on this machine; install it (on Debian uwsgi-core and uwsgi-plugin-python3), or set wsgi.server to builtin"))
}

// emptyInput makes descriptor 0 the null device: a socket that was there is left
// open under another number.
func emptyInput() error {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if fd == 0 {
		_, err := unix.FcntlInt(0, unix.F_SETFD, 0)
		return err
	}
	defer unix.Close(fd)
	return moveTo(fd, 0)
}
