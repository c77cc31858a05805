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

// The super-servers, by the word of the generator's dialect or target.
const (
	OpenBSD   Inetd = "openbsd"   // Debian's openbsd-inetd
	Inetutils Inetd = "inetutils" // GNU inetutils, unpacked beside it: the packages conflict
	Busybox   Inetd = "busybox"   // where busybox has the applet, which Debian's has not
	Xinetd    Inetd = "xinetd"    // which is a target of its own; unpacked as well
)

// Program returns the path of the super-server, or ends the test as
// need.Program does.
func (i Inetd) Program(t testing.TB) string {
	t.Helper()
	switch i {
	case OpenBSD:
		return need.Program(t, "inetd")
	case Inetutils:
		return need.Program(t, "inetutils-inetd")
	case Busybox:
		return need.Program(t, "busybox")
	case Xinetd:
		return need.Program(t, "xinetd")
	}
	t.Fatalf("no super-server %s", i)
	return ""
}

// target returns the target that writes for it.
func (i Inetd) target() string {
	if i == Xinetd {
		return "xinetd"
	}
	return "inetd"
}

// settings returns what a description needs besides for it.
func (i Inetd) settings(scgiRun, wrappers string) []string {
	options := "options." + i.target()
	settings := []string{options + ".scgi_run=" + scgiRun, options + ".wrapper_dir=" + wrappers}
	if i != Xinetd {
		settings = append(settings, options+".dialect="+string(i))
	}
	return settings
}

// args returns the arguments that keep it in the foreground, and from writing
// its process id to /run. A file of xinetd's may hold all services.
func (i Inetd) args(dir, conf string) []string {
	pid := filepath.Join(dir, string(i)+".pid")
	switch i {
	case OpenBSD:
	case Busybox:
		return []string{"inetd", "-f", conf}
	case Inetutils:
		return []string{"-d", "-p" + pid, conf}
	case Xinetd:
		return []string{"-dontfork", "-f", conf, "-pidfile", pid, "-filelog", filepath.Join(dir, "xinetd.log")}
	}
	return []string{"-d", conf}
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
	argv := append([]string{i.Program(t)}, i.args(dir, conf)...)
	if i == Busybox {
		// Its sockets have the mode that its umask leaves, as options.inetd.umask says.
		argv = append([]string{"sh", "-c", `umask 0; exec "$@"`, "sh"}, argv...)
	}
	name, args := withLogs(t, logs, argv[0], argv[1:]...)
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
