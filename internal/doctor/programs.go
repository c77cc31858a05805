package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// spec is how a program is found, and what it is asked.
type spec struct {
	kind    Kind
	name    string
	files   []string // its names on disk, the first that is there counts
	ask     []string // arguments that have it say its version; nil: it is never started
	version string   // a pattern, with the version as its only group
	process []string // names of its processes
}

// specs are the programs that are looked for, in the order they are shown in. An
// inetd is never started: of five kinds, one would begin to serve. Those of
// daemontools, runit, s6 and ucspi-tcp have no version to say.
//
// Source: nginx -h; lighttpd(8); httpd(8); haproxy(1); caddy help version;
// xinetd(8); systemctl(1); openrc(8).
func specs() []spec {
	return []spec{
		{WebServer, "nginx", []string{"nginx"}, []string{"-V"}, `nginx/(\S+)`, []string{"nginx"}},
		{WebServer, "lighttpd", []string{"lighttpd"}, []string{"-v"}, `lighttpd/(\S+)`, []string{"lighttpd"}},
		{WebServer, "apache", []string{"apache2", "httpd"}, []string{"-v"}, `Apache/(\S+)`, []string{"apache2", "httpd"}},
		{WebServer, "haproxy", []string{"haproxy"}, []string{"-v"}, `HA-?Proxy version (\S+)`, []string{"haproxy"}},
		{WebServer, "caddy", []string{"caddy"}, []string{"version"}, `v?(\d\S*)`, []string{"caddy"}},

		{SuperServer, "inetd", []string{"inetd"}, nil, "", []string{"inetd"}},
		{SuperServer, "xinetd", []string{"xinetd"}, []string{"-version"}, `Version (\S+)`, []string{"xinetd"}},
		{SuperServer, "s6-ipcserver", []string{"s6-ipcserver"}, nil, "", nil},
		{SuperServer, "s6-tcpserver", []string{"s6-tcpserver"}, nil, "", nil},
		{SuperServer, "tcpserver", []string{"tcpserver"}, nil, "", nil},
		{SuperServer, "unixserver", []string{"unixserver"}, nil, "", nil},

		{Supervisor, "systemd", []string{"systemctl"}, []string{"--version"}, `systemd (\S+)`, []string{"systemd"}},
		{Supervisor, "launchd", []string{"launchctl"}, nil, "", []string{"launchd"}},
		{Supervisor, "openrc", []string{"openrc"}, []string{"--version"}, `OpenRC\)? (\S+)`, nil},
		{Supervisor, "rcd", []string{"sysrc"}, nil, "", nil},
		{Supervisor, "sysv", []string{"update-rc.d", "chkconfig"}, nil, "", nil},
		{Supervisor, "daemontools", []string{"svscan"}, nil, "", []string{"svscan"}},
		{Supervisor, "runit", []string{"runsvdir"}, nil, "", []string{"runsvdir"}},
		{Supervisor, "s6", []string{"s6-svscan"}, nil, "", []string{"s6-svscan"}},
		{Supervisor, "s6-rc", []string{"s6-rc"}, nil, "", nil},

		{Helper, "scgikit", []string{"scgikit"}, nil, "", nil},
		{Helper, "scgi-run", []string{"scgi-run"}, nil, "", nil},
		{Helper, "python3", []string{"python3"}, []string{"--version"}, `Python (\S+)`, nil},
	}
}

// programFolders are where programs stand, besides PATH.
func programFolders() []string {
	return []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/homebrew/sbin", "/opt/homebrew/bin"}
}

// programs finds the programs, and asks those that can say something.
func (m *Machine) programs(ctx context.Context, t *tree, o *Options) {
	pids := make(map[string]int)
	if o.Real {
		pids = processes(t)
	}
	var group sync.WaitGroup
	list := specs()
	found := make([]*Program, len(list))
	for i := range list {
		s := &list[i]
		p := locate(t, o, s)
		if p == nil {
			continue
		}
		found[i] = p
		for _, name := range s.process {
			if pid := pids[name]; pid > 0 && (p.PID == 0 || pid < p.PID) {
				p.Running, p.PID = true, pid
			}
		}
		if p.Name == "inetd" {
			p.Dialect = dialect(t, p.Path)
		}
		if o.Real {
			group.Go(func() { p.query(ctx, o, s) })
		}
	}
	group.Wait()
	for _, p := range found {
		if p == nil {
			continue
		}
		p.modules(t)
		m.Programs = append(m.Programs, *p)
		if info, err := t.stat(p.Path); p.Kind == Helper && err == nil && info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			m.find(Error, p.Name, p.Path+" has its setuid or setgid bit: everybody runs it with another's rights", "chmod ug-s "+p.Path)
		}
	}
}

// locate finds a program.
func locate(t *tree, o *Options, s *spec) *Program {
	if file := o.Paths[s.name]; file != "" && path.IsAbs(file) && t.isFile(file) {
		return &Program{Kind: s.kind, Name: s.name, Path: file}
	}
	folders := programFolders()
	if o.Real {
		folders = slices.Concat(o.Search, folders)
	}
	for _, file := range s.files {
		for _, dir := range folders {
			full := path.Join(dir, file)
			if info, err := t.stat(full); path.IsAbs(dir) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return &Program{Kind: s.kind, Name: s.name, Path: full}
			}
		}
	}
	return nil
}

// query has a program say its version.
func (p *Program) query(ctx context.Context, o *Options, s *spec) {
	if s.ask == nil {
		return
	}
	file := filepath.Join(o.Root, p.Path)
	if p.Why = mayAsk(file); p.Why != "" {
		return
	}
	p.Asked = true
	text, err := ask(ctx, o.Limit, "", file, s.ask...)
	if match := regexp.MustCompile(s.version).FindStringSubmatch(text); match != nil {
		p.Version = strings.Trim(match[1], "(),")
	}
	switch {
	case p.Version != "":
	case err != nil:
		p.Why = fmt.Sprintf("%v (%s)", err, strings.Join(s.ask, " "))
	default:
		p.Why = fmt.Sprintf("does not say its version (%s)", strings.Join(s.ask, " "))
	}
	switch p.Name {
	case "nginx":
		p.Modules = nginxModules(text)
	case "lighttpd":
		p.Modules = lighttpdModules(ctx, o, file)
	}
}

// processes returns the first process of each name, on Linux.
//
// Source: proc_pid_comm(5). Any process may give itself any name.
func processes(t *tree) map[string]int {
	out := make(map[string]int)
	for _, entry := range t.list("/proc") {
		pid, err := strconv.Atoi(entry)
		if err != nil {
			continue
		}
		name := strings.TrimSuffix(t.read("/proc/"+entry+"/comm"), "\n")
		if first, ok := out[name]; name != "" && (!ok || pid < first) {
			out[name] = pid
		}
	}
	return out
}

// dialect returns which inetd it is, by what the system says of its files, or "".
func dialect(t *tree, file string) string {
	for word, owned := range map[string]string{"openbsd": "openbsd-inetd", "inetutils": "inetutils-inetd"} {
		for line := range strings.Lines(t.read("/var/lib/dpkg/info/" + owned + ".list")) {
			if strings.HasSuffix(strings.TrimSpace(line), "/sbin/inetd") {
				return word
			}
		}
	}
	at, _, err := t.resolve(file)
	switch {
	case err == nil && path.Base(at) == "busybox":
		return "busybox"
	case err == nil && strings.Contains(path.Base(at), "inetutils"):
		return "inetutils"
	case t.isFile("/bin/freebsd-version"):
		return "freebsd"
	}
	return ""
}
