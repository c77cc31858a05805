package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// systemProblems compares descriptions with this machine. It looks at files
// and the user database alone: nothing is read that could be a secret, and
// nothing is started.
func systemProblems(project *appfile.Project) diag.List {
	var list diag.List
	for _, a := range project.Apps {
		m := &machine{app: a}
		m.users()
		m.files()
		m.ports()
		list = append(list, m.list...)
	}
	list.Sort()
	return list
}

// machine collects what one app misses.
type machine struct {
	app  *appfile.App
	list diag.List
}

func (m *machine) miss(field, message, hint string) {
	m.list = append(m.list, m.app.Problem(field, "not-here", message, hint))
}

func (m *machine) users() {
	a := m.app
	for _, f := range []struct{ field, name string }{
		{"run.user", a.Run.User}, {"listen.user", a.Listen.User}, {"log.user", a.Log.User},
	} {
		if f.name == "" || isNumber(f.name) {
			continue
		}
		if _, err := user.Lookup(f.name); err != nil {
			m.miss(f.field, fmt.Sprintf("there is no user %q on this machine", f.name), "create it, or name another")
		}
	}
	groups := map[string]string{"run.group": a.Run.Group, "listen.group": a.Listen.Group}
	for i, name := range a.Run.SupplementaryGroups {
		groups[fmt.Sprintf("run.supplementary_groups[%d]", i)] = name
	}
	for field, name := range groups { // systemProblems sorts
		if name == "" || isNumber(name) {
			continue
		}
		if _, err := user.LookupGroup(name); err != nil {
			m.miss(field, fmt.Sprintf("there is no group %q on this machine", name), "create it, or name another")
		}
	}
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// wanted is what must stand at a path.
type wanted uint8

const (
	aFile wanted = iota
	aFolder
	aProgram
	aSecret // a file that others can not read
)

func (m *machine) files() {
	a := m.app
	m.path("run.directory", a.Run.Directory, aFolder)
	if len(a.Run.Command) > 0 {
		m.program("run.command[0]", a.Run.Command[0])
	}
	m.path("run.env_file", a.Run.EnvFile, aSecret)
	for name, secret := range a.Run.Secrets { // systemProblems sorts
		m.path("run.secrets."+name+".file", secret.File, aSecret)
	}
	m.path("cgi.script", a.CGI.Script, aProgram)
	m.path("cgi.directory", a.CGI.Directory, aFolder)
	if a.Type == appfile.TypeWSGI {
		m.path("wsgi.python", a.WSGI.Python, aProgram)
		for i, dir := range a.WSGI.Path {
			m.path(fmt.Sprintf("wsgi.path[%d]", i), dir, aFolder)
		}
	}
	for i, s := range a.HTTP.Static {
		m.path(fmt.Sprintf("http.static[%d].dir", i), s.Dir, aFolder)
	}
	m.path("security.chroot", a.Security.Chroot, aFolder)
}

// program looks a program up as execvp does in run.directory.
func (m *machine) program(field, name string) {
	switch {
	case filepath.IsAbs(name):
	case strings.Contains(name, "/"):
		name = filepath.Join(m.app.Run.Directory, name)
	default:
		for _, dir := range []string{"/usr/local/bin", "/usr/bin", "/bin", m.app.Run.Directory} {
			if runnable(filepath.Join(dir, name)) {
				return
			}
		}
		m.miss(field, fmt.Sprintf("there is no program %q on this machine", name), "install it, or write its whole path")
		return
	}
	m.path(field, name, aProgram)
}

func runnable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func (m *machine) path(field, name string, want wanted) {
	if name == "" {
		return
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return // not for this user to see; that says nothing about the app's
	case err != nil:
		m.miss(field, fmt.Sprintf("%s is not on this machine", name), "create it, or mend the path")
	case want == aFolder && !info.IsDir():
		m.miss(field, name+" is not a folder", "")
	case want == aProgram && !runnable(name):
		m.miss(field, name+" is not a program", "make it executable: chmod +x")
	case want == aFile && !info.Mode().IsRegular():
		m.miss(field, name+" is not a file", "")
	case want == aSecret && info.Mode()&0o007 != 0:
		m.miss(field, fmt.Sprintf("%s can be used by everybody (mode %04o)", name, info.Mode().Perm()), "chmod 0600, or 0640 with the app's group")
	}
}

// ports warns of a port that is taken: it may be this app that has it.
func (m *machine) ports() {
	for i, inst := range m.app.Instances {
		addr := inst.Addr()
		if addr.Unix != "" {
			if _, err := os.Stat(filepath.Dir(addr.Unix)); errors.Is(err, fs.ErrNotExist) {
				m.list = append(m.list, m.app.Warning("listen.unix", "not-here",
					filepath.Dir(addr.Unix)+" is not on this machine", "create the folder of the socket, also after a restart (tmpfiles.d)"))
			}
			return
		}
		l, err := net.Listen("tcp", addr.String())
		if err != nil {
			m.list = append(m.list, m.app.Warning("listen.tcp", "port-taken",
				fmt.Sprintf("can not listen on %s (instance %d): %v", addr, i+1, err), "is the app running, or another one on its port?"))
			continue
		}
		_ = l.Close() // it was opened to see that it can be
	}
}
