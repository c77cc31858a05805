package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// family is a host of another family, as far as web servers go: what its packages
// ship that decides which further files are read.
type family struct {
	detected bool              // it is recognised by itself
	files    map[string]string // below the root
	links    map[string]string
	main     [3]string // the files that nginx, Apache and Lighttpd start with
	init     string    // the target that starts services
	want     []string  // of ours
}

// families are those that the real programs are not tried on.
//
// Source: for RHEL and Fedora https://docs.fedoraproject.org/en-US/fedora/latest/system-administrators-guide/servers/Web_Servers/
// and the nginx package's nginx.conf; https://gitlab.alpinelinux.org/alpine/aports (main/nginx, main/apache2,
// main/lighttpd); https://cgit.freebsd.org/ports (www/nginx, www/apache24, www/lighttpd);
// https://github.com/Homebrew/homebrew-core (nginx, httpd, lighttpd). What follows has
// their includes, and little else.
func families() map[string]family {
	brew := func(prefix string) family {
		etc := prefix + "/etc"
		return family{
			detected: true,
			files: map[string]string{
				etc + "/nginx/nginx.conf":       "events { worker_connections 1024; }\nhttp {\n  include mime.types;\n  server {\n    listen 8080;\n  }\n  include servers/*;\n}\n",
				etc + "/nginx/mime.types":       "types { text/html html; }\n",
				etc + "/httpd/httpd.conf":       "ServerRoot \"" + prefix + "/opt/httpd\"\nListen 8080\n<IfModule proxy_html_module>\nInclude " + etc + "/httpd/extra/proxy-html.conf\n</IfModule>\n",
				etc + "/httpd/extra/mpm.conf":   "",
				etc + "/lighttpd/lighttpd.conf": "var.conf_dir = \"" + etc + "/lighttpd\"\ninclude \"modules.conf\"\n",
				etc + "/lighttpd/modules.conf":  "server.modules = ( \"mod_access\" )\n",
			},
			main: [3]string{etc + "/nginx/nginx.conf", etc + "/httpd/httpd.conf", etc + "/lighttpd/lighttpd.conf"},
			init: "launchd",
			want: []string{
				etc + "/nginx/scgikit/blog.location.conf", etc + "/nginx/servers/scgikit-50-www.example.org.server.conf",
				etc + "/httpd/scgikit/scgikit-51-blog.conf", etc + "/httpd/extra/scgikit-50-www.example.org.vhost.conf",
				etc + "/lighttpd/scgikit/51-scgikit-blog.conf", "/Library/LaunchDaemons/local.scgikit.blog.plist",
			},
		}
	}
	apple, intel := brew("/opt/homebrew"), brew("/usr/local")
	intel.files["/usr/local/Homebrew/README.md"] = ""
	return map[string]family{
		"homebrew": apple, "homebrew-intel": intel,
		"rhel": {
			detected: true,
			files: map[string]string{
				"/etc/os-release":                         "NAME=\"AlmaLinux\"\nID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\n",
				"/etc/nginx/nginx.conf":                   "include /usr/share/nginx/modules/*.conf;\nevents { worker_connections 1024; }\nhttp {\n    include             /etc/nginx/mime.types;\n    # Modular files.\n    include /etc/nginx/conf.d/*.conf;\n    server {\n        listen       80;\n        root         /usr/share/nginx/html;\n        include /etc/nginx/default.d/*.conf;\n        error_page 404 /404.html;\n        location = /404.html {\n        }\n    }\n}\n",
				"/etc/nginx/mime.types":                   "types { }\n",
				"/etc/nginx/conf.d/php.conf":              "upstream php { server unix:/run/php; }\n",
				"/etc/nginx/default.d/p.conf":             "index index.php;\n",
				"/etc/httpd/conf/httpd.conf":              "ServerRoot \"/etc/httpd\"\nListen 80\nInclude conf.modules.d/*.conf\n<Directory />\n    Require all denied\n</Directory>\nIncludeOptional conf.d/*.conf\n",
				"/etc/httpd/conf.d/ssl.conf":              "",
				"/etc/httpd/conf.modules.d/00-proxy.conf": "LoadModule proxy_module modules/mod_proxy.so\n",
				"/etc/lighttpd/lighttpd.conf":             "var.conf_dir = \"/etc/lighttpd\"\ninclude conf_dir + \"/modules.conf\"\ninclude conf_dir + \"/vhosts.d/*.conf\"\n",
				"/etc/lighttpd/modules.conf":              "server.modules = ( \"mod_access\" )\n#include conf_dir + \"/conf.d/scgi.conf\"\n",
				"/etc/systemd/system/x.target":            "",
			},
			main: [3]string{"/etc/nginx/nginx.conf", "/etc/httpd/conf/httpd.conf", "/etc/lighttpd/lighttpd.conf"},
			init: "systemd",
			want: []string{
				"/etc/nginx/default.d/scgikit-blog.location.conf", "/etc/nginx/conf.d/scgikit-50-www.example.org.server.conf",
				"/etc/httpd/scgikit/scgikit-51-blog.conf", "/etc/httpd/conf.d/scgikit-50-www.example.org.vhost.conf",
				"/etc/lighttpd/scgikit/51-scgikit-blog.conf", "/etc/systemd/system/blog.service",
			},
		},
		"alpine": {
			detected: true,
			files: map[string]string{
				"/etc/os-release":                "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.3\n",
				"/etc/nginx/nginx.conf":          "user nginx;\ninclude /etc/nginx/modules/*.conf;\ninclude /etc/nginx/conf.d/*.conf;\nevents { worker_connections 1024; }\nhttp {\n\tinclude /etc/nginx/mime.types;\n\tmap $http_upgrade $connection_upgrade {\n\t\tdefault upgrade;\n\t\t'' close;\n\t}\n\tinclude /etc/nginx/http.d/*.conf;\n}\n",
				"/etc/nginx/mime.types":          "types { }\n",
				"/etc/nginx/http.d/default.conf": "server {\n\tlisten 80 default_server;\n}\n",
				"/etc/apache2/httpd.conf":        "ServerRoot /var/www\nListen 80\nLoadModule mpm_prefork_module modules/mod_mpm_prefork.so\nIncludeOptional /etc/apache2/conf.d/*.conf\n",
				"/etc/apache2/conf.d/x.conf":     "",
				"/etc/lighttpd/lighttpd.conf":    "var.basedir = \"/var/www/localhost\"\nserver.modules = ( \"mod_access\" )\ninclude \"mime-types.conf\"\n#   include \"mod_fastcgi.conf\"\n",
				"/etc/lighttpd/mime-types.conf":  "mimetype.assign = ( \".html\" => \"text/html\" )\n",
				"/etc/init.d/x":                  "",
			},
			main: [3]string{"/etc/nginx/nginx.conf", "/etc/apache2/httpd.conf", "/etc/lighttpd/lighttpd.conf"},
			init: "openrc",
			want: []string{
				"/etc/nginx/scgikit/blog.location.conf", "/etc/nginx/http.d/scgikit-50-www.example.org.server.conf",
				"/etc/apache2/scgikit/scgikit-51-blog.conf", "/etc/apache2/conf.d/scgikit-50-www.example.org.vhost.conf",
				"/etc/lighttpd/scgikit/51-scgikit-blog.conf", "/etc/init.d/blog",
			},
		},
		"freebsd": {
			detected: true,
			files: map[string]string{
				"/var/run/os-release":                                "NAME=FreeBSD\nVERSION=\"14.1-RELEASE\"\nID=freebsd\n",
				"/usr/local/etc/nginx/nginx.conf":                    "events { worker_connections 1024; }\nhttp {\n    include       mime.types;\n    server {\n        listen       80;\n        location / {\n            root   /usr/local/www/nginx;\n        }\n    }\n}\n",
				"/usr/local/etc/nginx/mime.types":                    "types { }\n",
				"/usr/local/etc/apache24/httpd.conf":                 "ServerRoot \"/usr/local\"\nListen 80\nInclude etc/apache24/modules.d/[0-9][0-9][0-9]_*.conf\n<IfModule proxy_html_module>\nInclude etc/apache24/extra/proxy-html.conf\n</IfModule>\nInclude etc/apache24/Includes/*.conf\n",
				"/usr/local/etc/apache24/Includes/no-accf.conf":      "<IfDefine NOHTTPACCEPT>\n</IfDefine>\n",
				"/usr/local/etc/apache24/modules.d/020_mod_ssl.conf": "",
				"/usr/local/etc/lighttpd/lighttpd.conf":              "var.conf_dir = \"/usr/local/etc/lighttpd\"\ninclude conf_dir + \"/modules.conf\"\n#include conf_dir + \"/vhosts.d/*.conf\"\n",
				"/usr/local/etc/lighttpd/modules.conf":               "server.modules = ( \"mod_access\" )\n",
				"/usr/local/etc/rc.d/x":                              "",
			},
			links: map[string]string{"/etc/os-release": "../var/run/os-release"},
			main:  [3]string{"/usr/local/etc/nginx/nginx.conf", "/usr/local/etc/apache24/httpd.conf", "/usr/local/etc/lighttpd/lighttpd.conf"},
			init:  "rcd",
			want: []string{
				"/usr/local/etc/nginx/scgikit/blog.location.conf", "/usr/local/etc/nginx/scgikit-http/50-www.example.org.server.conf",
				"/usr/local/etc/apache24/scgikit/scgikit-51-blog.conf", "/usr/local/etc/apache24/Includes/scgikit-50-www.example.org.vhost.conf",
				"/usr/local/etc/lighttpd/scgikit/51-scgikit-blog.conf", "/usr/local/etc/rc.d/blog",
			},
		},
	}
}

// reading finds the files that a web server reads, each with the innermost block or
// section that it is read in.
type reading struct {
	root, base string // base is what relative paths begin with
	vars       map[string]string
	read       map[string]string
}

// include follows a pattern.
func (r *reading) include(pattern, section string, next func(file, section string)) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(r.base, pattern)
	}
	names, _ := filepath.Glob(filepath.Join(r.root, pattern))
	for _, name := range names {
		file := strings.TrimPrefix(name, r.root)
		r.read[file] = section
		next(file, section)
	}
}

func (r *reading) text(file string) string {
	text, _ := os.ReadFile(filepath.Join(r.root, file))
	return string(text)
}

var nginxWord = regexp.MustCompile(`#.*|'[^']*'|"[^"]*"|[{};]|[^\s{};]+`)

// nginx: words up to ; or {, comments with #; a relative include starts in the folder
// of the main file.
//
// Source: https://nginx.org/en/docs/ngx_core_module.html#include
func (r *reading) nginx(file, section string) {
	var words []string
	sections := []string{section}
	for _, word := range nginxWord.FindAllString(r.text(file), -1) {
		switch {
		case strings.HasPrefix(word, "#"):
		case word == ";":
			if len(words) == 2 && words[0] == "include" {
				r.include(words[1], sections[len(sections)-1], r.nginx)
			}
			words = nil
		case word == "{":
			sections, words = append(sections, words[0]), nil
		case word == "}":
			sections, words = sections[:len(sections)-1], nil
		default:
			words = append(words, word)
		}
	}
}

// apache: a directive a line, sections in angle brackets; a relative include starts
// at ServerRoot.
//
// Source: https://httpd.apache.org/docs/2.4/mod/core.html#include
func (r *reading) apache(file, section string) {
	sections := []string{section}
	for line := range strings.Lines(r.text(file)) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch word := strings.ToLower(words[0]); {
		case strings.HasPrefix(word, "</"):
			sections = sections[:len(sections)-1]
		case strings.HasPrefix(word, "<"):
			sections = append(sections, strings.Trim(word, "<>"))
		case word == "serverroot":
			r.base = strings.Trim(words[1], `"`)
		case word == "include", word == "includeoptional":
			r.include(strings.Trim(words[1], `"`), sections[len(sections)-1], r.apache)
		}
	}
}

var lighttpdWord = regexp.MustCompile(`"[^"]*"|[\w.]+`)

// lighttpd: include with strings and variables put together; a relative one starts in
// the folder of the main file.
//
// Source: https://redmine.lighttpd.net/projects/lighttpd/wiki/Docs_Configuration
func (r *reading) lighttpd(file, section string) {
	for line := range strings.Lines(r.text(file)) {
		line, _, _ = strings.Cut(line, "#")
		words := lighttpdWord.FindAllString(line, -1)
		switch {
		case len(words) == 2 && strings.HasPrefix(words[0], "var."):
			r.vars[strings.TrimPrefix(words[0], "var.")] = strings.Trim(words[1], `"`)
		case len(words) > 1 && words[0] == "include":
			pattern := ""
			for _, word := range words[1:] {
				if value, ok := strings.CutPrefix(word, `"`); ok {
					pattern += strings.TrimSuffix(value, `"`)
				} else {
					pattern += r.vars[strings.TrimPrefix(word, "var.")]
				}
			}
			r.include(pattern, section, r.lighttpd)
		}
	}
}

// readOf returns what the three web servers read below a root.
func readOf(f *family, root string) map[string]string {
	all := make(map[string]string)
	for i, file := range f.main {
		r := &reading{root: root, base: filepath.Dir(file), vars: make(map[string]string), read: all}
		[]func(string, string){r.nginx, r.apache, r.lighttpd}[i](file, "")
	}
	return all
}

// byHand does what a hint says that is to be written once.
func byHand(t *testing.T, f *family, root, hint string) {
	t.Helper()
	where, line, _ := strings.Cut(hint, ": ")
	at, before := "", ""
	switch where {
	case "write inside the server block":
		at, before = f.main[0], "listen "
	case "write inside the http block":
		at, before = f.main[0], "include "
	case "write inside the virtual host":
		at = f.main[1]
		line = "<VirtualHost *:80>\n" + line + "\n</VirtualHost>"
	case "write in httpd.conf":
		at = f.main[1]
	case "write in lighttpd.conf":
		at = f.main[2]
	default:
		t.Fatalf("what does %q mean?", hint)
	}
	name := filepath.Join(root, at)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	out := string(text) + line + "\n"
	if before != "" {
		if !strings.Contains(string(text), before) {
			// Alpine's server block is in a file of its own.
			byHandIn(t, filepath.Join(root, "/etc/nginx/http.d/default.conf"), before, line)
			return
		}
		out = strings.Replace(string(text), before, line+"\n"+before, 1)
	}
	if err := os.WriteFile(name, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
}

func byHandIn(t *testing.T, name, before, line string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, []byte(strings.Replace(string(text), before, line+"\n"+before, 1)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestFamilyTrees installs on trees of the families that the real programs are not
// tried on, with the family named and recognised: every file is where it is documented
// to be, its web server's stock configuration reads it there, once the line is written
// that install asks for, in the right block; and uninstalling leaves the tree as it was.
func TestFamilyTrees(t *testing.T) {
	for name, f := range families() {
		t.Run(name, func(t *testing.T) {
			dir, root := t.TempDir(), filepath.Join(t.TempDir(), "root")
			t.Setenv("HOME", filepath.Join(dir, "home"))
			t.Setenv("XDG_CONFIG_HOME", "")
			if name != "rhel" { // the parsers say the same of all
				for _, server := range []string{"NGINX", "APACHE", "LIGHTTPD"} {
					t.Setenv("SCGIKIT_VALIDATORS_"+server, filepath.Join(dir, "none"))
				}
			}
			for file, text := range f.files {
				at := filepath.Join(root, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			for file, to := range f.links {
				at := filepath.Join(root, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(to, at)); err != nil {
					t.Fatal(err)
				}
			}
			yaml := strings.Replace(blogYAML, "  mount: /blog/\n", "  mount: /blog/\n  host: [www.example.org]\n", 1)
			site := "options: {nginx: {as: server}, apache: {as: vhost}}\ntargets: [nginx, apache]\n"
			for file, text := range map[string]string{"place": yaml + "targets: [nginx, apache, lighttpd, " + f.init + "]\n", "site": strings.NewReplacer("name: blog", "name: site", "8040", "8041").Replace(yaml) + site} {
				at := filepath.Join(dir, file, "scgikit.yaml")
				if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			before := plainTree(t, root)
			stock := readOf(&f, root)
			var hints []string
			for _, host := range []string{name, ""} {
				for _, project := range []string{"place", "site"} {
					args := []string{"-C", filepath.Join(dir, project), "install", "all", "--render", "--yes", "--root", root}
					if host != "" {
						args = append(args, "--host", host)
					} else if !f.detected {
						continue
					}
					code, stdout, stderr := runOnce(t, args...)
					if code != exitOK {
						t.Fatalf("%v: %d\n%s", args, code, stderr)
					}
					if host == "" && stdout != "" {
						t.Errorf("recognised, it is another host than named:\n%s", stdout)
					}
					for line := range strings.Lines(stderr) {
						if hint, ok := strings.CutPrefix(strings.TrimSpace(line), "scgikit: hint: "); ok && strings.HasPrefix(hint, "write in") && !slices.Contains(hints, hint) {
							hints = append(hints, hint)
						}
					}
				}
			}
			for _, file := range f.want {
				if info, err := os.Stat(filepath.Join(root, file)); err != nil || !info.Mode().IsRegular() {
					t.Errorf("%s: %v", file, err)
				}
			}
			if t.Failed() {
				t.Fatalf("there is\n%s", plainTree(t, root))
			}
			// Without the line nothing but the stock folders is read.
			direct := readOf(&f, root)
			for _, hint := range hints {
				byHand(t, &f, root, hint)
			}
			read := readOf(&f, root)
			for i, file := range f.want[:5] {
				section, ok := read[file]
				want := []string{"server", "http", "virtualhost", "", ""}[i]
				if !ok || section != want {
					t.Errorf("%s is read: %v, in %q and not in %q, with %q", file, ok, section, want, hints)
				}
				_, already := direct[file]
				if _, was := stock[file]; was || already == slices.ContainsFunc(hints, func(h string) bool { return strings.Contains(h, filepath.Base(filepath.Dir(file))+"/") }) {
					t.Errorf("%s is read by itself: %v, and the hints are %q", file, already, hints)
				}
			}
			for file, text := range f.files {
				if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if code, _, stderr := runOnce(t, "uninstall", "all", "--yes", "--purge", "--root", root); code != exitOK {
				t.Fatal(stderr)
			}
			if now := plainTree(t, root); now != before {
				t.Errorf("it leaves\n%s\nnot\n%s", now, before)
			}
		})
	}
}

// plainTree lists files with their bytes, links and folders.
func plainTree(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b.WriteString(info.Mode().String() + " " + strings.TrimPrefix(name, root))
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			b.WriteString(" " + string(text))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
