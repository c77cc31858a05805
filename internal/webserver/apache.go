package webserver

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"scgikit/internal/quote"
)

// apacheModules are what generated files and the configuration around them may
// use, in the order to load them. One that is neither built in nor on disk is
// left out: the files say themselves what they miss.
var apacheModules = [...]string{
	"unixd", "authz_core", "authz_host", "alias", "dir", "env", "setenvif", "headers", "expires", "mime", "rewrite",
	"slotmem_shm", "proxy", "proxy_scgi", "proxy_fcgi", "proxy_uwsgi", "proxy_ajp", "proxy_http", "proxy_balancer", "lbmethod_byrequests", "lbmethod_bybusyness",
}

// apacheModuleDirs are where systems keep the modules: Debian, Fedora, Alpine
// and Arch, FreeBSD, macOS.
var apacheModuleDirs = [...]string{
	"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules", "/usr/lib/apache2",
	"/usr/local/libexec/apache24", "/usr/libexec/apache2", "/opt/homebrew/lib/httpd/modules", "/usr/local/lib/httpd/modules",
}

// apacheConfig includes virtual hosts as they are, and other files in a virtual
// host, where they belong: not every setting of the main server reaches one.
func (s *Site) apacheConfig(files []placed) ([]byte, error) {
	dir, err := quote.Apache(s.Dir)
	if err != nil {
		return nil, err
	}
	root, err := quote.Apache(s.Root)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "ServerRoot %s\nDefaultRuntimeDir %s\nPidFile apache.pid\nErrorLog error.log\nServerName localhost\nListen %s\n", dir, dir, s.Listen)
	if err := s.loadModules(&b); err != nil {
		return nil, err
	}
	fmt.Fprint(&b, `StartServers 1
MinSpareThreads 1
MaxSpareThreads 64
ThreadsPerChild 32
MaxRequestWorkers 64
<IfModule mod_mime.c>
TypesConfig /dev/null
AddType text/html .html
AddType text/css .css
AddType text/javascript .js
AddType text/plain .txt
AddType image/png .png
AddType image/svg+xml .svg
</IfModule>
<Directory "/">
Require all denied
AllowOverride None
</Directory>
`)
	for _, name := range s.apacheSecrets() {
		fmt.Fprintf(&b, "Define %s checked\n", name)
	}
	if s.Hosts != "" {
		fmt.Fprintf(&b, "<If \"! %%{HTTP:Host} =~ m#%s#i\">\nRedirect 421\n</If>\n", s.Hosts)
	}
	fmt.Fprintf(&b, "DocumentRoot %s\n<Directory %s>\nRequire all granted\n</Directory>\n", root, root)
	hasHosts, inHost := false, false
	for _, f := range files {
		if f.place == PlaceVHost {
			inHost = true
			continue
		}
		hasHosts = true
		if err := include(&b, "Include %s\n", f.path, quote.Apache); err != nil {
			return nil, err
		}
	}
	if hasHosts && !inHost {
		return b.Bytes(), nil
	}
	fmt.Fprintf(&b, "<VirtualHost %s>\n", s.Listen)
	for _, f := range files {
		if f.place == PlaceVHost {
			if err := include(&b, "Include %s\n", f.path, quote.Apache); err != nil {
				return nil, err
			}
		}
	}
	fmt.Fprintln(&b, "</VirtualHost>")
	return b.Bytes(), nil
}

var apacheSecret = regexp.MustCompile(`\$\{(SCGIKIT_AJP_[A-Z0-9_]+)\}`)

// apacheSecrets returns the variables of the files that a file of the machine
// defines, sorted: that file need not be here, and where it is, it defines them
// again.
func (s *Site) apacheSecrets() []string {
	var names []string
	for i := range s.Files {
		for _, m := range apacheSecret.FindAllSubmatch(s.Files[i].Data, -1) {
			names = append(names, string(m[1]))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// virtualHost is the first line of a generated virtual host.
var virtualHost = regexp.MustCompile(`(?m)^<VirtualHost [^>]*>$`)

// virtualHostOn makes generated virtual hosts answer on the site's address.
func virtualHostOn(conf []byte, addr string) []byte {
	return virtualHost.ReplaceAll(conf, []byte("<VirtualHost "+addr+">"))
}

func (s *Site) loadModules(b *bytes.Buffer) error {
	binary, err := s.binary()
	if err != nil {
		return err
	}
	builtIn, dir := apacheLayout(binary)
	load := func(name string) bool {
		if slices.Contains(builtIn, name) {
			return true
		}
		file := filepath.Join(dir, "mod_"+name+".so")
		if _, err := os.Stat(file); err != nil {
			return false
		}
		fmt.Fprintf(b, "LoadModule %s_module \"%s\"\n", name, file)
		return true
	}
	for _, mpm := range []string{"mpm_event", "mpm_worker", "mpm_prefork"} {
		if load(mpm) {
			break
		}
	}
	for _, name := range apacheModules {
		load(name)
	}
	for _, arguments := range s.Modules {
		fmt.Fprintf(b, "LoadModule %s\n", arguments)
	}
	return nil
}

var (
	builtInLine = regexp.MustCompile(`(?m)^\s*(?:mod_)?(\w+)\.c$`)
	httpdRoot   = regexp.MustCompile(`HTTPD_ROOT="([^"]*)"`)
)

// apacheLayout asks a program which modules it holds (-l: "mod_so.c"; an MPM
// has no "mod_", "event.c") and finds the folder of the others. Loading a module
// that is built in is an error, so this has to be known.
func apacheLayout(binary string) (builtIn []string, dir string) {
	// A program that does not answer has nothing built in as far as is known;
	// its own test will say what is wrong.
	list, _ := exec.Command(binary, "-l").Output()
	for _, m := range builtInLine.FindAllStringSubmatch(string(list), -1) {
		name := m[1]
		if slices.Contains([]string{"event", "worker", "prefork"}, name) {
			name = "mpm_" + name
		}
		builtIn = append(builtIn, name)
	}
	dirs := apacheModuleDirs[:]
	// -V may end with an error, where the system's own configuration needs
	// variables; what it prints first is good all the same.
	about, _ := exec.Command(binary, "-V").Output()
	if m := httpdRoot.FindSubmatch(about); m != nil {
		dirs = append([]string{filepath.Join(string(m[1]), "modules")}, dirs...)
	}
	for _, d := range dirs {
		found, err := filepath.Glob(filepath.Join(strings.TrimSuffix(d, "/"), "mod_proxy*.so"))
		if err == nil && len(found) > 0 {
			return builtIn, d
		}
	}
	return builtIn, ""
}
