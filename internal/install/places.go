package install

import (
	"maps"
	"path"
	"strings"
)

// Place is where the files of one target go that have one word for a place.
type Place struct {
	Dir    string // the folder
	Prefix string // put before the names, where others share the folder
	Link   string // folder of links to the files, or to the folders of services, that programs read
	Shared string // a file of the machine, in which each app has a block, in place of Dir
	Manual string // what an administrator has to write once, where nothing reads Dir by itself
}

// Places is where the programs of a family of hosts read their configuration.
type Places struct {
	Family string
	Table  map[string]Place // by target and the target's word, as "nginx/server"
}

// Families returns the words for families of hosts, sorted.
func Families() []string {
	return []string{"alpine", "debian", "freebsd", "homebrew", "homebrew-intel", "rhel"}
}

// common are places that differ between families in their prefix alone.
func common(etc string) map[string]Place {
	return map[string]Place{
		"inetd/inetd.conf":      {Shared: "/etc/inetd.conf"},
		"inetd/tmpfiles.d":      {Dir: "/etc/tmpfiles.d", Prefix: "scgikit-inetd-"},
		"xinetd/xinetd.d":       {Dir: etc + "/xinetd.d"},
		"systemd/unit":          {Dir: "/etc/systemd/system"},
		"openrc/init.d":         {Dir: "/etc/init.d"},
		"sysv/init.d":           {Dir: "/etc/init.d"},
		"rcd/rc.d":              {Dir: etc + "/rc.d"},
		"launchd/LaunchDaemons": {Dir: "/Library/LaunchDaemons"},
		"s6-rc/definition":      {Dir: s6rcSource},

		"s6-rc/definition elsewhere": {Dir: s6rcSource}, // it is named after a service of another folder
		"s6/service":                 {Dir: "/var/lib/scgikit/s6", Link: "/run/service"},
		"daemontools/service":        {Dir: "/var/lib/scgikit/daemontools", Link: "/service"},
		"runit/service":              {Dir: etc + "/sv", Link: "/var/service"},
		"haproxy/config":             {Dir: etc + "/haproxy/scgikit", Manual: "start haproxy with -f " + etc + "/haproxy/scgikit behind its own -f"},
		"haproxy/frontend":           {Dir: etc + "/haproxy/scgikit-rules", Manual: "copy its lines into the frontend"},
		"caddy/site":                 {Dir: etc + "/caddy/scgikit", Manual: "write inside the site: import " + etc + "/caddy/scgikit/*.caddy"},
		"caddy/config":               {Dir: etc + "/caddy/scgikit-sites", Manual: "write in the Caddyfile: import " + etc + "/caddy/scgikit-sites/*.caddy"},
		"nginx/server":               {Dir: etc + "/nginx/scgikit", Manual: "write inside the server block: include " + etc + "/nginx/scgikit/*.location.conf;"},
		"nginx/http":                 {Dir: etc + "/nginx/conf.d", Prefix: "scgikit-"},
		"lighttpd/server":            {Dir: etc + "/lighttpd/scgikit", Manual: `write in lighttpd.conf: include "` + etc + `/lighttpd/scgikit/*.conf"`},
		"apache/vhost":               {Dir: etc + "/apache2/scgikit", Manual: "write inside the virtual host: Include " + etc + "/apache2/scgikit/*.conf"},
		"apache/server":              {Dir: etc + "/apache2/conf.d", Prefix: "scgikit-"},
	}
}

// prefix is what a family has before etc.
//
// Source: https://docs.brew.sh/Installation (the default prefix of both processors).
func prefix(family string) string {
	switch family {
	case "freebsd", "homebrew-intel":
		return "/usr/local"
	case "homebrew":
		return "/opt/homebrew"
	}
	return ""
}

// PlacesOf returns the places of a family; ok is false for a word that is none.
//
// Source: the packages' own lists of files; Debian's, nginx's and Lighttpd's were
// looked at, the others are from their documentation.
func PlacesOf(family string) (Places, bool) {
	etc := prefix(family) + "/etc"
	table := common(etc)
	var change map[string]Place
	switch family {
	case "debian":
		change = map[string]Place{
			"nginx/server":        {Dir: "/etc/nginx/snippets", Prefix: "scgikit-", Manual: "write inside the server block: include snippets/scgikit-*.location.conf;"},
			"lighttpd/server":     {Dir: "/etc/lighttpd/conf-available", Link: "/etc/lighttpd/conf-enabled"},
			"apache/vhost":        {Dir: "/etc/apache2/conf-available", Manual: "write inside the virtual host: Include conf-available/scgikit-*.conf"},
			"apache/server":       {Dir: "/etc/apache2/sites-available", Prefix: "scgikit-", Link: "/etc/apache2/sites-enabled"},
			"daemontools/service": {Dir: "/var/lib/scgikit/daemontools", Link: "/etc/service"},
			"runit/service":       {Dir: "/etc/sv", Link: "/etc/service"},
		}
	case "rhel":
		change = map[string]Place{
			"nginx/server":  {Dir: "/etc/nginx/default.d", Prefix: "scgikit-"},
			"apache/vhost":  {Dir: "/etc/httpd/scgikit", Manual: "write inside the virtual host: Include scgikit/*.conf"},
			"apache/server": {Dir: "/etc/httpd/conf.d", Prefix: "scgikit-"},
		}
	case "alpine":
		change = map[string]Place{
			"nginx/http": {Dir: "/etc/nginx/http.d", Prefix: "scgikit-"},
		}
	case "freebsd":
		change = map[string]Place{
			"nginx/http":          {Dir: etc + "/nginx/scgikit-http", Manual: "write inside the http block: include scgikit-http/*.conf;"},
			"apache/vhost":        {Dir: etc + "/apache24/scgikit", Manual: "write inside the virtual host: Include etc/apache24/scgikit/*.conf"},
			"apache/server":       {Dir: etc + "/apache24/Includes", Prefix: "scgikit-"},
			"daemontools/service": {Dir: "/var/db/scgikit/daemontools", Link: "/var/service"},
		}
	case "homebrew", "homebrew-intel":
		change = map[string]Place{
			"nginx/http":    {Dir: etc + "/nginx/servers", Prefix: "scgikit-"},
			"apache/vhost":  {Dir: etc + "/httpd/scgikit", Manual: "write inside the virtual host: Include " + etc + "/httpd/scgikit/*.conf"},
			"apache/server": {Dir: etc + "/httpd/extra", Prefix: "scgikit-", Manual: "write in httpd.conf: Include " + etc + "/httpd/extra/scgikit-*.conf"},
		}
	default:
		return Places{}, false
	}
	maps.Copy(table, change)
	return Places{Family: family, Table: table}, true
}

// Recognise returns the family of the host below a root, or "".
//
// Source: https://www.freedesktop.org/software/systemd/man/os-release.html
// (ID and ID_LIKE).
func (m *Machine) Recognise() (string, error) {
	for _, p := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		s, err := m.look(p)
		if err == nil && s.Kind == Symlink {
			link := s.Link
			if !path.IsAbs(link) {
				link = path.Join(path.Dir(p), link)
			}
			s, err = m.look(path.Clean(link))
		}
		if err != nil {
			return "", err
		}
		if family := familyOf(string(s.data)); family != "" {
			return family, nil
		}
	}
	for _, brew := range [][2]string{{"/opt/homebrew/etc", "homebrew"}, {"/usr/local/Homebrew", "homebrew-intel"}} {
		// It is a user's, so that root would not look through it to write there.
		if info, err := m.root.Stat(strings.TrimPrefix(brew[0], "/")); err == nil && info.IsDir() {
			return brew[1], nil
		}
	}
	return "", nil
}

func familyOf(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "ID" || key == "ID_LIKE" {
			words = append(words, strings.Fields(strings.Trim(value, `"'`))...)
		}
	}
	for _, word := range words {
		switch word {
		case "debian", "ubuntu":
			return "debian"
		case "rhel", "fedora", "centos":
			return "rhel"
		case "alpine":
			return "alpine"
		case "freebsd":
			return "freebsd"
		}
	}
	return ""
}
