package servertest

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// Inetd is one of the super-servers that run here.
type Inetd string

// The super-servers, by the word of the generator's dialect.
const (
	OpenBSD   Inetd = "openbsd"   // Debian's openbsd-inetd
	Inetutils Inetd = "inetutils" // GNU inetutils, unpacked beside it: the packages conflict
)

// InetutilsVariable names the environment variable with the path of the
// unpacked inetutils-inetd.
const InetutilsVariable = "SCGIKIT_INETUTILS_INETD"

// Program returns the path of the super-server, or ends the test as
// need.Program does.
func (i Inetd) Program(t testing.TB) string {
	t.Helper()
	if i == OpenBSD {
		return need.Program(t, "inetd")
	}
	if path := os.Getenv(InetutilsVariable); path != "" {
		return path
	}
	return need.Program(t, "inetutils-inetd")
}

// Start runs the super-server on the lines, with its configuration in dir and
// logs in the place of /var/log, until the test ends; it returns when each
// address answers.
func (i Inetd) Start(t testing.TB, dir, logs, lines string, addrs ...string) *Daemon {
	t.Helper()
	conf := filepath.Join(dir, string(i)+".conf")
	if err := os.WriteFile(conf, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	// Debugging keeps it in the foreground and from writing /run/inetd.pid.
	args := []string{"-d", conf}
	if i == Inetutils {
		args = []string{"-d", "-p" + filepath.Join(dir, "inetutils.pid"), conf}
	}
	name, args := withLogs(t, logs, i.Program(t), args...)
	d := Start(t, dir, name, args...)
	for _, addr := range addrs {
		Until(t, "inetd on "+addr, func() bool {
			network := "tcp"
			path, unix := strings.CutPrefix(addr, "unix:")
			if unix {
				network = "unix"
			}
			conn, err := net.Dial(network, path)
			if err != nil {
				return false
			}
			conn.Close()
			return true
		})
	}
	return d
}
