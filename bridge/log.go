package bridge

import (
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// severity is how much a log line matters, with the numbers of syslog.
//
// Source: RFC 3164 section 4.1.1.
type severity int

const (
	failure severity = 3
	warning severity = 4
	info    severity = 6
)

// daemonFacility is syslog's facility for programs like this one.
const daemonFacility = 3 << 3

// maxLogLine keeps a line within one datagram of any syslog.
const maxLogLine = 2048

// logger writes lines to file descriptor 2.
type logger struct {
	kind logKind
	pid  string
	told *told // nil if this process serves one connection
}

// told is what has been said once, and is not said again.
type told struct {
	mu   sync.Mutex
	seen map[string]bool
}

// maxTold bounds it: names come from the web server, and what decides there may be
// the client.
const maxTold = 1024

// first reports whether something is said for the first time. When much has been
// said, nothing is any more.
func (l *logger) first(what string) bool {
	if l.told == nil {
		return true
	}
	l.told.mu.Lock()
	defer l.told.mu.Unlock()
	if l.told.seen[what] || len(l.told.seen) >= maxTold {
		return false
	}
	l.told.seen[what] = true
	return true
}

// firstOf returns those names of which something is said for the first time.
func (l *logger) firstOf(what string, names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !l.first(what + " " + name) })
}

// logKind is what file descriptor 2 is.
type logKind int

const (
	logPlain   logKind = iota // somebody else adds the time
	logFile                   // a file of ours
	logSyslog                 // a datagram socket
	logNowhere                // nobody listens
)

// openLog makes file descriptor 2 the place for messages, whatever it was: that
// file; without one, standard error as it is, unless that is the connection, as
// under inetd, where a line on it would become a line of the answer, or the null
// device; then syslog; else nowhere. A file that can not be opened is reported in one of the
// other places (conn may be nil: there is none yet), so that a full disk does not take the app down.
func openLog(conn *connection, path string) *logger {
	log := &logger{pid: strconv.Itoa(os.Getpid())}
	var err error
	if path != "" {
		if err = openLogFile(path); err == nil {
			log.kind = logFile
			return log
		}
	}
	if (conn != nil && conn.is(2)) || isNull(2) {
		log.kind = openSyslog()
	}
	if err != nil {
		log.line(failure, "", "log file: "+err.Error())
	}
	return log
}

// openLogFile opens a log for appending. A link, a FIFO or a device in its
// place is refused: whoever may put one there must not choose what is written
// to. The null device is the exception.
func openLogFile(path string) error {
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Open(path, flags, 0o640)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if kind := uint32(st.Mode) & unix.S_IFMT; path != os.DevNull && (kind != unix.S_IFREG || st.Nlink != 1) { //nolint:unconvert // the type differs between systems
		return &os.PathError{Op: "open", Path: path, Err: errNotPlain}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	return moveTo(fd, 2)
}

// isNull reports whether a descriptor is the null device: a wrapper may have put
// it where the connection was.
func isNull(fd int) bool {
	var st, null unix.Stat_t
	return unix.Fstat(fd, &st) == nil && unix.Stat(os.DevNull, &null) == nil &&
		fileType(&st) == unix.S_IFCHR && st.Rdev == null.Rdev
}

// openSyslog connects file descriptor 2 to the local syslog. A program that
// gets it as its standard error logs each write as one message.
func openSyslog() logKind {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err == nil {
		defer unix.Close(fd)
		for _, path := range []string{"/dev/log", "/var/run/log", "/var/run/syslog"} {
			if unix.Connect(fd, &unix.SockaddrUnix{Name: path}) == nil && moveTo(fd, 2) == nil {
				return logSyslog
			}
		}
	}
	null, err := unix.Open(os.DevNull, unix.O_WRONLY, 0)
	if err != nil {
		unix.Close(2) // nowhere is better than the client
		return logNowhere
	}
	defer unix.Close(null)
	if moveTo(null, 2) != nil {
		unix.Close(2)
	}
	return logNowhere
}

// line writes one line with one write, so that lines of several processes do
// not mix. Script is the name that it is about, and may be empty.
func (l *logger) line(s severity, script, text string) {
	if l.kind == logNowhere {
		return
	}
	prefix := "scgi-run: "
	if script != "" {
		prefix += escape(script) + ": "
	}
	if s == warning {
		prefix += "warning: "
	}
	l.write(s, prefix, text)
}

// scriptLine writes one line of a script's standard error.
func (l *logger) scriptLine(script string, pid int, text string) {
	if l.kind != logNowhere {
		l.write(info, escape(script)+"["+strconv.Itoa(pid)+"]: ", text)
	}
}

func (l *logger) write(s severity, prefix, text string) {
	line := make([]byte, 0, len(prefix)+len(text)+64)
	switch l.kind {
	case logFile:
		line = time.Now().UTC().AppendFormat(line, "2006-01-02T15:04:05Z ")
	case logSyslog:
		line = append(line, '<')
		line = strconv.AppendInt(line, int64(daemonFacility|s), 10)
		line = append(line, ">scgi-run["+l.pid+"]: "...)
	case logPlain, logNowhere:
	}
	line = append(line, prefix...)
	line = appendEscaped(line, text)
	if len(line) > maxLogLine {
		line = append(line[:maxLogLine], "…"...)
	}
	if l.kind != logSyslog {
		line = append(line, '\n')
	}
	// There is nobody to tell that the log can not be written.
	_, _ = unix.Write(2, line)
}

func escape(s string) string { return string(appendEscaped(nil, s)) }

// appendEscaped appends text so that it stays one line and is harmless on a
// terminal: control characters and bytes that are not UTF-8 become \xNN.
func appendEscaped(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if (r == utf8.RuneError && size == 1) || r < ' ' || (r >= 0x7f && r < 0xa0) {
			for _, c := range []byte(text[i : i+size]) {
				dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
			}
		} else {
			dst = append(dst, text[i:i+size]...)
		}
		i += size
	}
	return dst
}
