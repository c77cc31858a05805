package doctor

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"
)

// nginxModules returns the modules that can speak to apps, and those that were
// added, from what nginx -V says. A module that is loaded at run time is not loaded
// by itself.
//
// Source: https://nginx.org/en/docs/configure.html
func nginxModules(text string) []Module {
	if !strings.Contains(text, "configure arguments:") {
		return nil
	}
	var out []Module
	for _, name := range []string{"http_fastcgi_module", "http_grpc_module", "http_proxy_module", "http_scgi_module", "http_uwsgi_module"} {
		if !regexp.MustCompile(`--without-` + name + `(\s|$)`).MatchString(text) {
			out = append(out, Module{name, true})
		}
	}
	for _, match := range regexp.MustCompile(`--with-(http_\w+_module)(=dynamic)?`).FindAllStringSubmatch(text, -1) {
		out = append(out, Module{match[1], match[2] == ""})
	}
	return tidied(out)
}

// lighttpdModules asks for the modules that can speak to apps: since 1.4.65 some
// are part of the program, and have no file.
func lighttpdModules(ctx context.Context, o *Options, file string) []Module {
	var out []Module
	for _, name := range []string{"mod_ajp13", "mod_fastcgi", "mod_proxy", "mod_scgi"} {
		conf := "server.document-root = \"/\"\nserver.port = 1\nserver.modules = ( \"" + name + "\" )\n"
		if _, err := ask(ctx, o.Limit, conf, file, "-tt", "-f", "-"); err == nil {
			out = append(out, Module{name, true})
		}
	}
	return out
}

// moduleFolders are where modules have files of their own.
func moduleFolders(server string) []string {
	switch server {
	case "lighttpd":
		return []string{"/usr/lib/lighttpd", "/usr/lib64/lighttpd", "/usr/local/lib/lighttpd", "/opt/homebrew/lib/lighttpd"}
	case "apache":
		return []string{"/usr/lib/apache2/modules", "/usr/lib/apache2", "/usr/lib64/httpd/modules", "/usr/local/libexec/apache24", "/opt/homebrew/lib/httpd/modules", "/usr/local/lib/httpd/modules"}
	case "nginx":
		return []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/local/libexec/nginx"}
	}
	return nil
}

// modules adds those that have files.
func (p *Program) modules(t *tree) {
	var files []Module
	for _, dir := range moduleFolders(p.Name) {
		for _, file := range t.list(dir) {
			name, ok := strings.CutSuffix(file, ".so")
			if !ok {
				continue
			}
			if p.Name == "apache" {
				name = strings.TrimPrefix(name, "mod_") + "_module"
			}
			files = append(files, Module{name, p.Name == "lighttpd"}) // one that an app's file names is loaded
		}
	}
	if p.Name == "apache" {
		for i := range files {
			files[i].Loaded = slices.Contains(apacheLoaded(t), files[i].Name)
		}
	}
	p.Modules = tidied(append(p.Modules, files...))
}

// tidied sorts modules, and has each once, as loaded where one of them is.
func tidied(list []Module) []Module {
	slices.SortStableFunc(list, func(a, b Module) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 || a.Loaded == b.Loaded {
			return c
		}
		if a.Loaded {
			return -1
		}
		return 1
	})
	return slices.CompactFunc(list, func(a, b Module) bool { return a.Name == b.Name })
}

// apacheLoaded returns the modules that files of Apache's configuration load.
func apacheLoaded(t *tree) []string {
	var files []string
	for _, dir := range []string{"/etc/apache2/mods-enabled", "/etc/httpd/conf.modules.d", "/etc/apache2/conf.d", "/usr/local/etc/apache24/modules.d"} {
		for _, name := range t.list(dir) {
			if ext := path.Ext(name); ext == ".load" || ext == ".conf" {
				files = append(files, path.Join(dir, name))
			}
		}
	}
	files = append(files, "/etc/httpd/conf/httpd.conf", "/etc/apache2/httpd.conf", "/usr/local/etc/apache24/httpd.conf", "/opt/homebrew/etc/httpd/httpd.conf", "/usr/local/etc/httpd/httpd.conf")
	var out []string
	for _, file := range files {
		for line := range strings.Lines(t.read(file)) {
			if f := strings.Fields(line); len(f) >= 3 && strings.EqualFold(f[0], "LoadModule") {
				out = append(out, f[1])
			}
		}
	}
	return out
}

// Needs returns the modules that generated files of a web server need, sorted.
func Needs(server string, files [][]byte) []string {
	pattern := map[string]string{
		"apache":   `(?m)^<IfModule !(\w+_module)>`,
		"lighttpd": `(?m)"(mod_(?:scgi|fastcgi|ajp13|proxy))"`,
		"nginx":    `(?m)^\s*(scgi|fastcgi|uwsgi|grpc|proxy)_pass\s`,
	}[server]
	if pattern == "" {
		return nil
	}
	var out []string
	for _, text := range files {
		for _, match := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			name := string(match[1])
			if server == "nginx" {
				name = "http_" + name + "_module"
			}
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Lacks returns a finding for each module that is needed and not loaded. Where the
// program did not say what it has, nothing is known to be missing.
func (p *Program) Lacks(needs []string, family string) []Finding {
	if len(p.Modules) == 0 {
		return nil
	}
	var out []Finding
	for _, need := range needs {
		i := slices.IndexFunc(p.Modules, func(m Module) bool { return m.Name == need })
		f := Finding{Level: Error, Subject: p.Name}
		word := strings.TrimSuffix(need, "_module")
		switch {
		case i >= 0 && p.Modules[i].Loaded:
			continue
		case i >= 0:
			f.Message = need + " is there, and not loaded"
			f.Hint = "load it with LoadModule"
			if p.Name == "apache" && family == "debian" {
				f.Hint = "a2enmod " + word
			}
		default:
			f.Message = need + " is not on this machine"
			f.Hint = "install the package of " + p.Name + " that has it"
		}
		out = append(out, f)
	}
	return out
}

// configurations are where lines stand that include other files.
func configurations(server string) []string {
	switch server {
	case "nginx":
		return []string{"/etc/nginx", "/usr/local/etc/nginx", "/opt/homebrew/etc/nginx"}
	case "lighttpd":
		return []string{"/etc/lighttpd", "/usr/local/etc/lighttpd", "/opt/homebrew/etc/lighttpd"}
	case "apache":
		return []string{"/etc/apache2", "/etc/httpd", "/usr/local/etc/apache24", "/opt/homebrew/etc/httpd", "/usr/local/etc/httpd"}
	case "caddy":
		return []string{"/etc/caddy", "/usr/local/etc/caddy", "/opt/homebrew/etc/caddy"}
	case "haproxy":
		return []string{"/etc/haproxy", "/etc/default/haproxy", "/usr/local/etc/haproxy"}
	}
	return nil
}

// places says of each place of a web server whether it is there, and how it is read.
func (m *Machine) places(t *tree, o *Options) {
	include := make(map[string][]string)
	for _, a := range o.Places {
		p, ok := m.Program(a.Target)
		if !ok || p.Kind != WebServer {
			continue
		}
		place := Place{Target: a.Target, Word: a.Word, Path: a.Path, There: t.isDir(a.Path), Read: ReadAlways}
		if a.Manual != "" {
			if _, ok := include[a.Target]; !ok {
				include[a.Target] = includes(t, configurations(a.Target))
			}
			place.Read = ReadLine
			if !slices.ContainsFunc(include[a.Target], func(word string) bool { return leads(word, a.Path) }) {
				place.Read, place.Hint = ReadNever, a.Manual
			}
		}
		m.Places = append(m.Places, place)
	}
}

// leads reports whether an included path, relative to whatever its server takes it
// to be relative to, is that of files in a folder.
func leads(word, folder string) bool {
	dir := path.Dir(word)
	return dir == folder || !path.IsAbs(word) && dir != "." && strings.HasSuffix(folder, "/"+dir)
}

// maxWalk is how many files of a configuration are read.
const maxWalk = 1000

// includes returns the paths that configurations include. Nothing else of them is kept.
func includes(t *tree, roots []string) []string {
	var out []string
	left := maxWalk
	var walk func(p string, depth int)
	walk = func(p string, depth int) {
		if left <= 0 || depth > 4 {
			return
		}
		if !t.isDir(p) {
			left--
			for line := range strings.Lines(t.read(p)) {
				f := strings.Fields(line)
				if len(f) > 1 && slices.Contains([]string{"include", "includeoptional", "import"}, strings.ToLower(f[0])) {
					out = append(out, strings.Trim(f[1], `";'`))
				}
			}
			return
		}
		for _, name := range t.list(p) {
			walk(path.Join(p, name), depth+1)
		}
	}
	for _, root := range roots {
		walk(root, 0)
	}
	return out
}
