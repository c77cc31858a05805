// Package webserver runs a real web server from generated files, without
// privilege and without touching the machine's own configuration: it writes a
// complete configuration around the files in a private folder, asks the program
// whether it takes it, and can start it on a loopback port.
package webserver

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/fileset"
	"scgikit/internal/loopback"
)

// Program is a web server.
type Program string

// The web servers. The words are those of the targets.
const (
	Nginx    Program = "nginx"
	Lighttpd Program = "lighttpd"
	Apache   Program = "apache"
	HAProxy  Program = "haproxy"
	Caddy    Program = "caddy"
)

// Programs lists every web server.
func Programs() []Program { return []Program{Nginx, Lighttpd, Apache, HAProxy, Caddy} }

// SpeakSCGI lists those that pass requests to SCGI apps and serve files.
func SpeakSCGI() []Program { return []Program{Nginx, Lighttpd, Apache} }

// Names returns what the program's file may be called.
func (p Program) Names() []string {
	if p == Apache {
		return []string{"apache2", "httpd"}
	}
	return []string{string(p)}
}

// Places of a file, as the targets name them. A place that begins with "/" is
// the path of a file that is no configuration, on the target machine: the file
// is written into the private folder, and its folder's name replaced in the
// configuration.
const (
	PlaceHTTP   = "http"   // nginx: inside http{}
	PlaceServer = "server" // nginx: inside a server{}; Lighttpd, Apache: the server's configuration
	PlaceVHost  = "vhost"  // Apache: inside a virtual host

	PlaceConfig   = "config"   // HAProxy, Caddy: a configuration of its own
	PlaceFrontend = "frontend" // HAProxy: lines of a frontend
	PlaceSite     = "site"     // Caddy: inside a site
)

// Site is one web server with its files.
type Site struct {
	Program Program
	Binary  string         // path of the program; "" lets Find choose
	Dir     string         // private folder, absolute; made where it is missing
	Files   []fileset.File // of one target; those with another Target are left out
	Listen  string         // address; "" is a free port of 127.0.0.1
	Root    string         // document root; "" is an empty folder in Dir

	// Stubs are files that the generated ones include from the machine
	// ("http.extra"). They need not be here: empty ones take their place.
	Stubs []string

	// Replace holds texts that stand in the files and what takes their place,
	// for paths that exist on the target machine only.
	Replace map[string]string

	// Modules are further LoadModule arguments for Apache, as
	// "scgi_module /path/mod_scgi.so".
	Modules []string

	// Hosts is a regular expression for the Host fields that nginx, Lighttpd and
	// Apache answer, without regard to case; any other is refused. "" is any. It
	// holds no backslash and no dollar.
	Hosts string

	// Bound has the server end, on Linux, when the thread that calls Start ends,
	// and so with this process however that ends. The thread has to be locked.
	Bound bool

	alongside []string // HAProxy: files that it reads next to conf
}

// Find returns the path of a web server's program.
func Find(p Program) (program string, ok bool) {
	dirs := slices.Concat(filepath.SplitList(os.Getenv("PATH")),
		[]string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/bin"})
	for _, name := range p.Names() {
		for _, dir := range dirs {
			file := filepath.Join(dir, name)
			//nolint:gosec // looking where PATH leads is the point
			if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return file, true
			}
		}
	}
	return "", false
}

// ErrNotFound says that the web server's program is not on this machine.
var ErrNotFound = errors.New("program not found")

func (s *Site) binary() (string, error) {
	if s.Binary != "" {
		return s.Binary, nil
	}
	if file, ok := Find(s.Program); ok {
		return file, nil
	}
	return "", fmt.Errorf("%s: %w", s.Program, ErrNotFound)
}

// Write writes the files and a configuration around them into Dir. Where Listen
// is empty, it is set to an address that was free a moment ago. As root, the
// folder is given to the unprivileged user that the server will run as.
func (s *Site) Write() error {
	if !filepath.IsAbs(s.Dir) {
		return fmt.Errorf("web server: folder %q is not absolute", s.Dir)
	}
	if s.Listen == "" {
		addr, err := loopback.Addr()
		if err != nil {
			return fmt.Errorf("web server: %w", err)
		}
		s.Listen = addr
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	// The user that the server runs as owns the folder from the first Write on,
	// and a link that it makes there is not to lead a second one out of it.
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, dir := range []string{"root", "temp", "stub"} {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if s.Root == "" {
		s.Root = filepath.Join(s.Dir, "root")
	}
	files, err := s.writeFiles(root)
	if err != nil {
		return err
	}
	main, err := s.mainConfig(files)
	if err != nil {
		return err
	}
	if err := root.WriteFile(filepath.Base(s.conf()), main, 0o644); err != nil {
		return err
	}
	return giveAway(root)
}

func (s *Site) conf() string { return filepath.Join(s.Dir, string(s.Program)+".conf") }

func (s *Site) log() string { return filepath.Join(s.Dir, "error.log") }

// placed is a written file and the place it is included from.
type placed struct{ path, place string }

// writeFiles writes the files and returns those that are configuration, in the
// order in which the program would read their folder.
func (s *Site) writeFiles(root *os.Root) ([]placed, error) {
	var files []fileset.File
	for _, f := range s.Files {
		if f.Kind == fileset.Regular && (f.Target == "" || f.Target == string(s.Program)) {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b fileset.File) int { return strings.Compare(a.Path, b.Path) })
	replacer, err := s.replacer(root, files)
	if err != nil {
		return nil, err
	}
	var out []placed
	for i := range files {
		f := &files[i]
		file := s.local(f)
		inRoot := filepath.Join("files", filepath.FromSlash(f.Path))
		if err := root.MkdirAll(filepath.Dir(inRoot), 0o755); err != nil {
			return nil, err
		}
		data := f.Data
		if !path.IsAbs(f.Place) {
			data = []byte(replacer.Replace(string(data)))
			switch s.Program {
			case Nginx:
				data = listenOn(data, s.Listen, s.nginxHosts())
			case Apache:
				data = virtualHostOn(data, s.Listen)
			case HAProxy:
				data = bindOn(data, s.Listen)
			case Caddy:
				data = siteOn(data, s.Listen)
			case Lighttpd: // its files name no address
			}
			out = append(out, placed{file, f.Place})
		}
		if err := root.WriteFile(inRoot, data, 0o644); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// local returns where a file stands in the private folder.
func (s *Site) local(f *fileset.File) string {
	return filepath.Join(s.Dir, "files", filepath.FromSlash(f.Path))
}

var plainPath = regexp.MustCompile(`^[A-Za-z0-9_.,/-]*$`)

// escapes writes a text as it stands in double quotes, in each of the syntaxes.
var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// replacer returns what turns paths of the target machine into paths of this
// site: of stubs, which it writes, of files that are no configuration, and
// those of Replace. The longest path is replaced first.
func (s *Site) replacer(root *os.Root, files []fileset.File) (*strings.Replacer, error) {
	swap := make(map[string]string)
	for i := range files {
		if f := &files[i]; path.IsAbs(f.Place) {
			swap[path.Dir(f.Place)] = filepath.Dir(s.local(f))
		}
	}
	for i, stub := range s.Stubs {
		file := filepath.Join("stub", strconv.Itoa(i))
		if err := root.WriteFile(file, nil, 0o644); err != nil {
			return nil, err
		}
		swap[stub] = filepath.Join(s.Dir, file)
	}
	if len(swap) > 0 && !plainPath.MatchString(s.Dir) {
		// The text around may or may not be quoted; such a path fits both.
		return nil, fmt.Errorf("web server: the path of the private folder, %q, needs quotes; use letters, digits and _ . , - alone", s.Dir)
	}
	maps.Copy(swap, s.Replace)
	for _, text := range slices.Collect(maps.Keys(swap)) {
		swap[escapes.Replace(text)] = swap[text] // as it stands in quotes
	}
	old := slices.SortedFunc(maps.Keys(swap), func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	var pairs []string
	for _, text := range old {
		pairs = append(pairs, text, swap[text])
	}
	return strings.NewReplacer(pairs...), nil
}

func (s *Site) mainConfig(files []placed) ([]byte, error) {
	switch s.Program {
	case Nginx:
		return s.nginxConfig(files)
	case Lighttpd:
		return s.lighttpdConfig(files)
	case Apache:
		return s.apacheConfig(files)
	case HAProxy:
		return s.haproxyConfig(files)
	case Caddy:
		return s.caddyConfig(files)
	}
	return nil, fmt.Errorf("web server: no program %q", s.Program)
}

// TempDir returns where a private folder can be made. Run by root, a web server
// reads it as an ordinary user, who has to get there: root's TMPDIR may be root's
// alone.
func TempDir() string {
	dir := os.TempDir()
	if os.Geteuid() != 0 {
		return dir
	}
	for at := dir; at != filepath.Dir(at); at = filepath.Dir(at) {
		if info, err := os.Stat(at); err != nil || info.Mode()&0o001 == 0 {
			return "/tmp"
		}
	}
	return dir
}

// giveAway makes the folder belong to the user the server runs as.
func giveAway(root *os.Root) error {
	cred, err := credential()
	if cred == nil || err != nil {
		return err
	}
	return fs.WalkDir(root.FS(), ".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(file, int(cred.Uid), int(cred.Gid))
	})
}

// GiveSocket makes a socket, in a folder that nobody else can write to, belong to
// the user that servers run as.
func GiveSocket(file string) error {
	cred, err := credential()
	if cred == nil || err != nil {
		return err
	}
	return os.Lchown(file, int(cred.Uid), int(cred.Gid))
}
