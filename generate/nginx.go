package generate

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

// nginx writes locations for ngx_http_scgi_module, or for the modules of
// FastCGI, uwsgi and HTTP, or whole server blocks.
//
// In both forms a prefix is two locations: "= /blog" and "^~ /blog/". The
// second one matches no /blog2, and the "^~" keeps regular expressions of the
// same server ("location ~ \.php$") from taking requests away. Of several
// prefixes the longest wins, so the order of files does not matter.
//
// Source: https://nginx.org/en/docs/http/ngx_http_scgi_module.html, and
// ngx_http_fastcgi_module.html, ngx_http_uwsgi_module.html,
// ngx_http_proxy_module.html beside it
var nginx = &Target{
	Name:    "nginx",
	Kind:    WebServer,
	Summary: "locations or server blocks, for all protocols but AJP",
	Source:  "https://nginx.org/en/docs/http/ngx_http_scgi_module.html",
	Options: new(nginxOptions),
	Fields: webFields(Fields{
		"protocol":                  {Support: Carried, Note: "ajp is refused: nginx does not speak it"},
		"http.params":               {Support: Carried, Note: "refused with http, which has no parameters"},
		"http.extra.nginx":          {Support: Carried},
		"http.relative_redirects":   {Support: Carried, Note: "internal: a warning; the browser follows the redirect"},
		"http.hide_headers":         {Support: Carried, Note: "names of at most 46 bytes"},
		"http.balance.fail_timeout": {Support: Carried, Note: "whole seconds"},
		"http.static[].expires":     {Support: Carried, Note: "whole seconds"},
		"http.host":                 {Support: Carried, Note: "as: location leaves it to the server block around it"},
	}),
	Fits:   fitsWeb,
	Accept: acceptNginx,
	Files:  filesNginx,
	Quote:  quote.Nginx,
}

// nginxForm is what nginx files are made for.
type nginxForm string

const (
	nginxLocation nginxForm = "location"
	nginxServer   nginxForm = "server"
)

// Values lists both forms.
func (nginxForm) Values() []string { return []string{string(nginxLocation), string(nginxServer)} }

// nginxOptions are the keys of options.nginx.
type nginxOptions struct {
	As            nginxForm `yaml:"as" default:"location" doc:"location: a file to include inside a server block; server: a whole server block for each host"`
	Listen        []string  `yaml:"listen" default:"80" doc:"addresses of the server block, as nginx writes them: 80, 127.0.0.1:8080, [::]:80"`
	DefaultServer bool      `yaml:"default_server" default:"false" doc:"the server block answers for hosts that no other names"`
	Root          string    `yaml:"root" doc:"document root of the server block; without it, what no app serves is 404" format:"path"`
}

func nginxOptionsOf(a *appfile.App) nginxOptions {
	return option(a, "nginx", nginxOptions{As: nginxLocation, Listen: []string{"80"}})
}

// nginxMaxHidden is the length of a header name that fits in the table of
// hidden headers: a bucket of 64 bytes holds a pointer, the name with two
// bytes, rounded up to eight, and a pointer at the end. scgi_* has no directive
// for its size.
//
// Source: nginx src/core/ngx_hash.c, NGX_HASH_ELT_SIZE;
// src/http/modules/ngx_http_scgi_module.c, ngx_http_scgi_merge_loc_conf.
const nginxMaxHidden = 46

// nginxMaxName is the length of a server name that fits in a bucket of the
// size that server_names_hash_bucket_size has where a cache line is 64 bytes.
//
// Source: nginx src/core/ngx_hash.c, NGX_HASH_ELT_SIZE;
// https://nginx.org/en/docs/http/server_names.html#optimization
const nginxMaxName = 46

// nginxMarks is what makes the name of a header one that nginx passes on, and does
// not look at.
//
// Source: src/http/ngx_http_parse.c, ngx_http_parse_header_line, invalid_header.
var nginxMarks = regexp.MustCompile(`[^A-Za-z0-9_-]`)

func acceptNginx(s *Scope, a *appfile.App) diag.List {
	list := append(acceptWeb(s, a), acceptExtra(s, a, a.HTTP.Extra.Nginx, "*?[")...)
	o := nginxOptionsOf(a)
	switch {
	case a.Protocol == appfile.AJP:
		list = append(list, a.Problem("protocol", codeCannotCarry, "nginx has no module that speaks AJP",
			"set protocol: http, which programs that speak AJP speak as well, or leave nginx out of targets"))
	case a.Protocol == appfile.HTTP1 && strings.Contains(a.Listen.Unix, ":"):
		list = append(list, a.Problem("listen.unix", codeCannotQuote, "nginx takes what follows a colon in the path of an HTTP socket for a URL", "use a path without it"))
	}
	if a.HTTP.RelativeRedirects == appfile.RedirectsInternal {
		list = append(list, a.Warning("http.relative_redirects", codeNotCarried,
			"nginx passes relative redirects on; the browser follows them", "the page is the same; remove the key where no Apache needs it"))
	}
	for i, st := range a.HTTP.Static {
		if st.Expires%time.Second != 0 {
			list = append(list, warnRounding(s, a, map[string]time.Duration{fmt.Sprintf("http.static[%d].expires", i): st.Expires})...)
		}
	}
	if len(a.Backends()) > 1 {
		list = append(list, warnRounding(s, a, map[string]time.Duration{"http.balance.fail_timeout": a.HTTP.Balance.FailTimeout})...)
	}
	for i, h := range a.HTTP.HideHeaders {
		if len(h) > nginxMaxHidden {
			list = append(list, a.Problem(fmt.Sprintf("http.hide_headers[%d]", i), codeCannotCarry,
				fmt.Sprintf("nginx takes at most %d bytes for the name of a hidden header", nginxMaxHidden), "give the header a shorter name in the app"))
		}
	}
	list = append(list, acceptHidden(a, nginxMarks.MatchString, "nginx does not find a header whose name has more than letters, digits, - and _")...)
	if o.As == nginxLocation {
		list = append(list, noHostHere(s, a, "the server block")...)
		for _, key := range []string{"listen", "root", "default_server"} {
			if a.IsSet("options.nginx." + key) {
				list = append(list, a.Warning("options.nginx."+key, codeNotCarried, "belongs to a server block", "set options.nginx.as: server, or remove it"))
			}
		}
		return list
	}
	for _, h := range hostNames(a) {
		if len(h) > nginxMaxName {
			list = append(list, a.Warning("http.host", "server-setting",
				fmt.Sprintf("nginx has room for a server name of %d bytes, and %s has %d", nginxMaxName, h, len(h)),
				"set server_names_hash_bucket_size 512; in http{} of the server's own nginx.conf"))
		}
	}
	return append(list, acceptHostBlock(s, a, nginxHostBlock)...)
}

// nginxHostBlock returns what the server block of an app is written with, where
// it has one.
func nginxHostBlock(a *appfile.App) (hostBlock, bool) {
	o := nginxOptionsOf(a)
	return hostBlock{Listen: o.Listen, Root: o.Root, Default: o.DefaultServer}, o.As == nginxServer
}

// nginxApp is an app as the templates see it.
type nginxApp struct {
	*webApp
	Module    string   // the first word of directives: "scgi" of scgi_pass
	PassTo    string   // argument of scgi_pass
	Dropped   []string // fields that do not reach an HTTP app
	Split     string   // pattern that cuts the prefix off the decoded path
	Upstream  *nginxUpstream
	Locations []nginxLocationBlock
	Folders   []nginxFolder

	ConnectTime, SendTime, ReadTime, BodySize string
}

// nginxLocationBlock is a location that passes requests to the app.
type nginxLocationBlock struct {
	*nginxApp
	Exact bool // PREFIX itself: PATH_INFO is empty
}

// nginxFolder is a location that serves files.
type nginxFolder struct {
	webStatic
	ExpiresTime string
}

// nginxUpstream is a group of backends.
type nginxUpstream struct {
	Name     string
	LeastCon bool
	IPHash   bool
	Servers  []string
	MaxFails int64
	FailTime string
}

// nginxBlock is a server block.
type nginxBlock struct {
	hostBlock
	Hosts  []string
	NoRoot bool // no app at / and no document root
	Apps   []*nginxApp
}

func filesNginx(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		if nginxOptionsOf(a).As == nginxServer {
			continue
		}
		app := newNginxApp(a)
		if app.Upstream != nil {
			specs = append(specs, Spec{
				Path: a.Name + ".http.conf", Mode: 0o644, Place: "http", Apps: []*appfile.App{a},
				Template: "http.conf.tmpl", Data: app, Tidy: indentBraces,
			})
		}
		specs = append(specs, Spec{
			Path: a.Name + ".location.conf", Mode: 0o644, Place: "server", Apps: []*appfile.App{a},
			Template: "location.conf.tmpl", Data: app, Tidy: indentBraces,
		})
	}
	for _, g := range groupByHosts(s, nginxHostBlock) {
		block := &nginxBlock{hostBlock: g.hostBlock, Hosts: g.hosts, NoRoot: g.Root == ""}
		for _, a := range g.apps {
			app := newNginxApp(a)
			block.NoRoot = block.NoRoot && !app.Root
			block.Apps = append(block.Apps, app)
		}
		specs = append(specs, Spec{
			Path: g.fileName() + ".server.conf", Mode: 0o644, Place: "http", Apps: g.apps,
			Template: "server.conf.tmpl", Data: block, Tidy: indentBraces,
		})
	}
	return specs, nil
}

func newNginxApp(a *appfile.App) *nginxApp {
	app := &nginxApp{webApp: newWebApp(a, a.HTTP.Extra.Nginx), Module: nginxModule(a.Protocol), Dropped: otherForwarded[:]}
	// "(?s)": a decoded path may hold a newline, which a dot does not match
	// otherwise. There is no "$" at the end: it means the same without.
	app.Split = "(?s)^(" + literal(app.Prefix) + ")(/.*)"
	app.ConnectTime, app.SendTime, app.ReadTime = nginxTime(app.Connect), nginxTime(app.Send), nginxTime(app.Read)
	app.BodySize = nginxSize(app.MaxBody)
	for _, st := range app.Statics {
		app.Folders = append(app.Folders, nginxFolder{webStatic: st, ExpiresTime: strconv.FormatInt(st.Expires, 10) + "s"})
	}
	if app.Bare {
		app.Locations = append(app.Locations, nginxLocationBlock{nginxApp: app, Exact: true})
	}
	app.Locations = append(app.Locations, nginxLocationBlock{nginxApp: app})
	scheme := ""
	if app.HTTP {
		scheme = "http://"
	}
	if len(app.Backends) == 1 {
		app.PassTo = scheme + nginxAddr(app.Backends[0])
		return app
	}
	balance := a.HTTP.Balance
	app.Upstream = &nginxUpstream{
		Name: "scgikit_" + app.Ident, LeastCon: balance.Method == appfile.LeastConn, IPHash: balance.Method == appfile.IPHash,
		MaxFails: int64(balance.MaxFails), FailTime: strconv.FormatInt(wholeSeconds(balance.FailTimeout), 10) + "s",
	}
	for _, b := range app.Backends {
		app.Upstream.Servers = append(app.Upstream.Servers, nginxAddr(b))
	}
	app.PassTo = scheme + app.Upstream.Name
	return app
}

// nginxModule is the word that the directives of a protocol's module begin
// with.
func nginxModule(p appfile.Protocol) string {
	switch p {
	case appfile.SCGI:
		return "scgi"
	case appfile.FastCGI:
		return "fastcgi"
	case appfile.UWSGI:
		return "uwsgi"
	case appfile.HTTP1:
		return "proxy"
	case appfile.AJP: // refused
	}
	return ""
}

// nginxAddr writes an address as scgi_pass and server take it: without
// "scgi://", which would be taken for a host; proxy_pass alone has a scheme.
func nginxAddr(a appfile.Addr) string {
	if ip, err := netip.ParseAddr(a.Host); err == nil && ip.Is6() {
		return "[" + a.Host + "]:" + strconv.Itoa(a.Port)
	}
	return a.String()
}

// nginxTime writes a time in seconds, or in milliseconds where that is not
// whole.
func nginxTime(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10) + "ms"
}

// nginxSize writes a number of bytes in the largest unit that divides it.
func nginxSize(n int64) string {
	switch {
	case n != 0 && n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "m"
	case n != 0 && n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + "k"
	}
	return strconv.FormatInt(n, 10)
}
