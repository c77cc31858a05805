package generate

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
	"scgikit/internal/quote"
)

// apache writes configuration for mod_proxy with the module of the app's
// protocol, or for mod_scgi.
//
// Where the protocol carries variables, an Alias leads every URL of an app to a file of its own,
// the mount point, and a <Directory> around that file hands the request to the
// proxy. The file is never served: it makes httpd split the URL into
// SCRIPT_NAME and PATH_INFO, which ProxyPass does not do. And a <Directory>
// belongs to one app, while a <Location> would pass its settings on to apps
// that are mounted below it.
//
// HTTP and AJP carry the path itself, and a SetHandler would send that of the
// file: for them there is a ProxyPass, and a <ProxyMatch> for what belongs to the app.
// So it is for uwsgi, whose module cuts the length of PATH_INFO off what is not
// the whole path any more, but for the mount itself, where it cuts nothing, and
// which keeps its Alias.
// mod_proxy looks at URLs before mod_alias, so a folder, or an app of another
// protocol, that lies inside such an app is taken out of it by a ProxyPass to
// "!". Neither connection is kept: one that the app closes while a request is
// under way would lose it.
//
// The first Alias that matches wins, and the first ProxyPass, so a file of Alias lines has a number
// that falls with the depth of its URL: in the order of names, /blog/admin
// comes before /blog. SCGIMount of mod_scgi keeps the same rule. <Location>,
// which mod_scgi needs, goes the other way: the last one wins.
//
// Source: https://httpd.apache.org/docs/2.4/mod/mod_proxy.html and
// mod_proxy_{scgi,fcgi,uwsgi,ajp,http}.html beside it;
// modules/proxy/mod_proxy_uwsgi.c, uwsgi_send_headers;
// server/util_script.c, ap_add_cgi_vars; server/request.c, ap_directory_walk;
// https://github.com/nascheme/scgi apache2/mod_scgi.c.
var apache = &Target{
	Name:    "apache",
	Kind:    WebServer,
	Summary: "mod_proxy for all protocols, or SCGIMount of mod_scgi",
	Source:  "https://httpd.apache.org/docs/2.4/mod/mod_proxy.html",
	Options: new(apacheOptions),
	Fields: webFields(Fields{
		"protocol":                {Support: Carried, Note: "scgi alone with mod_scgi"},
		"http.params":             {Support: Carried, Note: "refused with http and ajp, which have no parameters"},
		"http.extra.apache":       {Support: Carried},
		"http.host":               {Support: Carried, Note: "as: conf leaves it to the virtual host around it"},
		"http.buffering":          {Support: Carried, Note: "Apache always streams; true is a warning"},
		"http.pass_headers":       {Support: Carried, Note: "it passes all but Status, which is refused"},
		"http.balance.method":     {Support: Carried, Note: "ip-hash is refused"},
		"http.balance.max_fails":  {Support: Carried, Note: "1, or 0 for never; others are refused"},
		"http.timeouts.*":         {Support: Carried, Note: "send and read are one time, the longer one, in whole seconds; mod_scgi has read alone"},
		"http.max_body":           {Support: Carried, Note: "an upload whose client says no length is answered 411, unless it is 0 with fastcgi, http or ajp"},
		"http.relative_redirects": {Support: Carried, Note: "pass is refused with mod_scgi, which cannot"},
		"listen.unix":             {Support: Carried, Note: "at most 95 bytes; refused with mod_scgi"},
		"run.instances":           {Support: Carried, Note: "several are refused with mod_scgi"},
	}),
	Fits:     fitsWeb,
	Accept:   acceptApache,
	Files:    filesApache,
	Quote:    quote.Apache,
	Printers: map[string]func(string) (string, error){"variable": apacheVariable},
}

// apacheModule is the module that speaks SCGI.
type apacheModule string

const (
	apacheProxy apacheModule = "proxy"
	apacheSCGI  apacheModule = "mod_scgi"
)

// Values lists both modules.
func (apacheModule) Values() []string { return []string{string(apacheProxy), string(apacheSCGI)} }

// apacheForm is what Apache files are made for.
type apacheForm string

const (
	apacheConf  apacheForm = "conf"
	apacheVHost apacheForm = "vhost"
)

// Values lists both forms.
func (apacheForm) Values() []string { return []string{string(apacheConf), string(apacheVHost)} }

// apacheOptions are the keys of options.apache.
type apacheOptions struct {
	As         apacheForm   `yaml:"as" default:"conf" doc:"conf: files to include inside a virtual host; vhost: a whole virtual host for each host"`
	Listen     []string     `yaml:"listen" default:"80" doc:"addresses of the virtual host: 80, 127.0.0.1:8080, [::1]:80; the server needs a Listen line for each"`
	Root       string       `yaml:"root" doc:"document root of the virtual host; default is the server's own" format:"path"`
	Module     apacheModule `yaml:"module" default:"proxy" doc:"proxy: mod_proxy, part of Apache; mod_scgi: the older module with SCGIMount, for TCP and one backend"`
	MountPoint string       `yaml:"mount_point" default:"/usr/share/scgikit/mount-point" doc:"folder for the files that Alias lines lead to; the app's own is NAME/app below it" format:"path"`
	AJPSecret  string       `yaml:"ajp_secret" doc:"a file of Apache's, which only root has to read, with the line: Define SCGIKIT_AJP_NAME SECRET, the app's name in capitals with _ for -; needs 2.4.42" format:"path"`
}

func apacheOptionsOf(a *appfile.App) apacheOptions {
	return option(a, "apache", apacheOptions{
		As: apacheConf, Listen: []string{"80"}, Module: apacheProxy, MountPoint: "/usr/share/scgikit/mount-point",
	})
}

// apacheHostBlock returns what the virtual host of an app is written with,
// where it has one.
func apacheHostBlock(a *appfile.App) (hostBlock, bool) {
	o := apacheOptionsOf(a)
	return hostBlock{Listen: o.Listen, Root: o.Root}, o.As == apacheVHost
}

// apacheApp is an app as the templates see it.
type apacheApp struct {
	*webApp
	BarePattern string // of RedirectMatch
	MountFile   string // what the Alias of the mount leads to; "" where there is none
	MountDir    string
	AliasURL    string
	AliasTo     string
	Handler     string
	Workers     []string
	Balancer    string
	Method      string   // "lbmethod=byrequests"
	Settings    []string // of every backend: "timeout=60"
	Internal    bool
	Allow, Deny []string
	Modules     []apacheNeed

	PassURL    string // of ProxyPass, for uwsgi, HTTP and AJP
	PassTo     string
	NotPassed  string // what of these URLs goes the other way, as a pattern; "" is nothing
	Section    string // of <ProxyMatch>: the beginning of where all requests of the app go, as a pattern
	Inside     bool   // an app around this one has a ProxyPass
	SecretFile string
	Secret     string   // the variable that it defines
	Dropped    []string // fields that do not reach an HTTP app

	ModSCGI     bool
	Address     string // of SCGIMount
	ReadSeconds int64
	Location    string
}

// apacheNeed is a module that the file needs, and what to say where it is
// missing.
type apacheNeed struct{ Module, Text string }

// apacheFile is one file: the mount, folders, or both.
type apacheFile struct {
	*apacheApp
	Mounts  bool
	Folders []apacheFolder // the longest URL first
}

// apacheFolder is a folder that Apache serves.
type apacheFolder struct {
	*apacheApp
	webStatic
	DirPath  string // without its final slash, for <Directory>
	Age      string
	Excluded bool // a ProxyPass would take its URLs
}

// numbered is a file and the place it has in the order of files.
type numbered struct {
	number int
	name   string
	file   *apacheFile
}

// apacheFiles returns the parts of an app, one for each depth at which it has
// URLs: numbered for Alias lines, where the deepest has to come first.
func apacheFiles(s *Scope, a *appfile.App, app *apacheApp) []numbered {
	byDepth, depths := app.staticsByDepth(a.Depth())
	if !slices.Contains(depths, a.Depth()) {
		depths = append(depths, a.Depth())
	}
	var parts []numbered
	for _, depth := range depths {
		// "_" is in no app's name.
		part := numbered{number: 50 - depth, name: a.Name + "_static", file: &apacheFile{apacheApp: app, Mounts: depth == a.Depth()}}
		if part.file.Mounts {
			part.name = a.Name
		}
		for _, st := range byDepth[depth] {
			part.file.Folders = append(part.file.Folders, apacheFolder{
				apacheApp: app, webStatic: st, DirPath: path.Clean(st.Dir), Age: fmt.Sprintf("access plus %d seconds", st.Expires),
				Excluded: app.PassURL != "" && strings.HasPrefix(st.URL, app.Mount) || apachePasses(around(s, a, st.URL)),
			})
		}
		parts = append(parts, part)
	}
	return parts
}

func filesApache(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		app := newApacheApp(s, a)
		if app.MountFile != "" {
			specs = append(specs, Spec{
				Path: "mount-point/" + a.Name + "/app", Kind: fileset.Regular, Mode: 0o644, Place: app.MountFile, Apps: []*appfile.App{a},
				Raw: []byte("Apache looks for this file to split the URLs of " + a.Name + "; it is never served.\n"),
			})
		}
		if apacheOptionsOf(a).As == apacheVHost {
			continue
		}
		for _, part := range apacheFiles(s, a, app) {
			spec := func(number int, suffix, template string) Spec {
				return Spec{
					Path: fmt.Sprintf("scgikit-%02d-%s%s.conf", number, part.name, suffix), Kind: fileset.Regular, Mode: 0o644,
					Place: "vhost", Apps: []*appfile.App{a}, Template: template, Data: part.file, Tidy: indentSections,
				}
			}
			specs = append(specs, spec(part.number, "_paths", "paths.conf.tmpl"), spec(100-part.number, "", "app.conf.tmpl"))
		}
	}
	return append(specs, apacheVHosts(s)...), nil
}

// apacheHost is a virtual host.
type apacheHost struct {
	Addresses []string
	Name      string // ServerName, which can not be a pattern
	Aliases   []string
	Root      string
	Paths     []*apacheFile // in the order of Alias lines
	Sections  []*apacheFile // in the order of <Location> sections
}

func apacheVHosts(s *Scope) []Spec {
	var specs []Spec
	for _, g := range groupByHosts(s, apacheHostBlock) {
		host := &apacheHost{Root: g.Root}
		for _, l := range g.Listen {
			if !strings.Contains(l, ":") {
				l = "*:" + l
			}
			host.Addresses = append(host.Addresses, l)
		}
		for _, h := range g.hosts {
			if host.Name == "" && !strings.HasPrefix(h, "*") && h[0] != '[' {
				host.Name = h
			} else {
				// An IPv6 address is no ServerName, and is compared without its brackets.
				host.Aliases = append(host.Aliases, strings.Trim(h, "[]"))
			}
		}
		var parts []numbered
		for _, a := range g.apps {
			parts = append(parts, apacheFiles(s, a, newApacheApp(s, a))...)
		}
		slices.SortStableFunc(parts, func(a, b numbered) int { return a.number - b.number })
		for i := range parts {
			host.Paths = append(host.Paths, parts[i].file)
			host.Sections = append(host.Sections, parts[len(parts)-1-i].file)
		}
		specs = append(specs, Spec{
			Path: g.fileName() + ".vhost.conf", Kind: fileset.Regular, Mode: 0o644, Place: "server", Apps: g.apps,
			Template: "vhost.conf.tmpl", Data: host, Tidy: indentSections,
		})
	}
	return specs
}

// apachePasses reports whether one of the apps has a ProxyPass.
func apachePasses(apps []*appfile.App) bool {
	return slices.ContainsFunc(apps, func(a *appfile.App) bool { return a.Protocol != appfile.SCGI && a.Protocol != appfile.FastCGI })
}

// apacheScheme is the scheme of a backend's address, and the end of its
// module's name.
func apacheScheme(p appfile.Protocol) string {
	switch p {
	case appfile.SCGI:
		return "scgi"
	case appfile.FastCGI:
		return "fcgi"
	case appfile.UWSGI:
		return "uwsgi"
	case appfile.AJP:
		return "ajp"
	case appfile.HTTP1:
		return "http"
	}
	return ""
}

func newApacheApp(s *Scope, a *appfile.App) *apacheApp {
	o := apacheOptionsOf(a)
	app := &apacheApp{
		webApp: newWebApp(a, a.HTTP.Extra.Apache), Internal: a.HTTP.RelativeRedirects == appfile.RedirectsInternal,
		BarePattern: "^" + literal(a.Prefix()) + "$", ModSCGI: o.Module == apacheSCGI,
		Allow: halves(a.HTTP.Allow), Deny: halves(a.HTTP.Deny), Inside: apachePasses(around(s, a, a.HTTP.Mount)),
		Dropped: slices.Concat(otherForwarded[:], smuggled()),
	}
	needs := []string{"alias"}
	if app.ModSCGI {
		app.Address, app.ReadSeconds = a.Addr().String(), wholeSeconds(a.HTTP.Timeouts.Read)
		app.Location = a.Prefix()
		if app.Root {
			app.Location = "/"
		}
		needs = append(needs, "scgi", "headers")
	} else {
		app.proxy(a, o)
		needs = append(needs, "proxy", "proxy_"+apacheScheme(a.Protocol))
		if app.Balancer != "" {
			needs = append(needs, "proxy_balancer", strings.Replace(app.Method, "=", "_", 1))
		}
	}
	if len(app.Params) > 0 || app.MaxBody == 0 && (app.FastCGI || app.HTTP) {
		needs = append(needs, "env")
	}
	if len(app.Hide) > 0 || app.PassURL != "" {
		needs = append(needs, "headers")
	}
	if len(app.Statics) > 0 {
		needs = append(needs, "dir", "expires")
	}
	slices.Sort(needs)
	for _, module := range slices.Compact(needs) {
		need := apacheNeed{Module: module + "_module", Text: "scgikit: " + a.Name + " needs mod_" + module + "; on Debian: a2enmod " + module}
		if module == "scgi" {
			need.Text = "scgikit: " + a.Name + " needs mod_scgi, which is no part of Apache: https://github.com/nascheme/scgi"
		}
		app.Modules = append(app.Modules, need)
	}
	return app
}

// proxy fills what mod_proxy needs.
func (app *apacheApp) proxy(a *appfile.App, o apacheOptions) {
	if app.SCGI || app.FastCGI || app.UWSGI && !app.Root {
		app.MountDir = path.Join(o.MountPoint, a.Name)
		app.MountFile = app.MountDir + "/app"
		app.AliasURL, app.AliasTo = a.Prefix(), app.MountFile
		if app.Root {
			// With "/" the rest of the URL has no slash of its own before it.
			app.AliasURL, app.AliasTo = "/", app.MountFile+"/"
		}
	}
	for i, b := range app.Backends {
		app.Workers = append(app.Workers, apacheWorker(a, i, b))
	}
	t := a.HTTP.Timeouts
	wait := t.Read
	if a.IsSet("http.timeouts.send") {
		wait = max(t.Send, t.Read)
	}
	// "timeout" is read up to the first character that is no digit, as seconds.
	app.Settings = []string{"connectiontimeout=" + apacheTime(t.Connect), "timeout=" + strconv.FormatInt(wholeSeconds(wait), 10)}
	if app.HTTP || app.AJP {
		app.Settings = append(app.Settings, "disablereuse=on")
	}
	if !app.Buffering && !app.SCGI {
		app.Settings = append(app.Settings, "flushpackets=on")
	}
	if app.AJP && o.AJPSecret != "" {
		app.SecretFile, app.Secret = o.AJPSecret, "SCGIKIT_AJP_"+strings.ToUpper(app.Ident)
	}
	if len(app.Workers) == 1 {
		app.Settings = append(app.Settings, "retry=0")
		app.toBackend(app.Workers[0])
		return
	}
	app.Balancer = "balancer://scgikit-" + a.Name
	app.toBackend(app.Balancer)
	app.Method = "lbmethod=byrequests"
	if a.HTTP.Balance.Method == appfile.LeastConn {
		app.Method = "lbmethod=bybusyness"
	}
	app.Settings = append(app.Settings, "retry="+strconv.FormatInt(wholeSeconds(a.HTTP.Balance.FailTimeout), 10))
	if a.HTTP.Balance.MaxFails == 0 {
		app.Settings = append(app.Settings, "status=+I") // never taken out
	}
}

// toBackend fills how requests get to a worker or a balancer.
func (app *apacheApp) toBackend(worker string) {
	if app.MountFile != "" {
		app.Handler = "proxy:" + worker
	}
	if app.SCGI || app.FastCGI {
		return
	}
	// The slash keeps out what another name begins with: scgikit-blog-2. Older
	// versions keep the path of a socket in what they compare.
	app.Section = "^" + literal(worker+"/")
	if _, name, ok := strings.Cut(worker, "|"); ok {
		app.Section = "^(unix:[^|]*[|])?" + literal(name+"/")
	}
	app.PassURL, app.PassTo = app.Mount, worker
	if app.Bare {
		app.PassURL = app.Prefix
	}
	if !app.UWSGI {
		app.PassTo += app.PassURL
		return
	}
	if !app.Bare {
		app.PassTo += "/"
	}
	if !app.Root {
		app.NotPassed = "^" + literal(app.Mount) + "$"
	}
}

// apacheWorker writes the address of a backend. The name behind a socket's
// path differs for each: Apache knows a worker by it, and would send the
// requests for two sockets with one name to the first.
func apacheWorker(a *appfile.App, i int, b appfile.Addr) string {
	scheme := apacheScheme(a.Protocol) + "://"
	if b.Unix != "" {
		name := "scgikit-" + a.Name
		if i > 0 {
			name += "-" + strconv.Itoa(i+1)
		}
		return "unix:" + b.Unix + "|" + scheme + name
	}
	return scheme + b.String()
}

// apacheTime writes a time in seconds, or in milliseconds where that is not
// whole.
func apacheTime(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10)
	}
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10) + "ms"
}

var apacheVariableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

// apacheVariable prints a reference to a variable of Define, inside quotes.
func apacheVariable(name string) (string, error) {
	if !apacheVariableName.MatchString(name) {
		return "", fmt.Errorf("%q is no variable of apache", name)
	}
	return "${" + name + "}", nil
}
