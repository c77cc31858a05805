package generate

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/quote"
)

// caddy writes handle blocks to import inside a site, or whole sites.
//
// Caddy sorts the handle blocks of a site by the length of their path, the
// longest first, so the order of files does not matter. A path matches in any
// case of letters, so a pattern stands next to it; the pattern also cuts the
// mount off the path, which Caddy has decoded and cleaned. Inside a block,
// route keeps the order of the directives.
//
// Caddy 2.6 counts a request against a backend whose client broke off, or sent
// more than it may: whoever can send requests could have every backend taken
// out. So fail_duration is not used. With http, health checks find out what
// runs; with fastcgi they do not work.
//
// Source: https://caddyserver.com/docs/caddyfile; measured with Caddy 2.6.2.
var caddy = &Target{
	Name:    "caddy",
	Kind:    WebServer,
	Summary: "handle blocks or sites with reverse_proxy, for fastcgi and http",
	Source:  "https://caddyserver.com/docs/caddyfile/directives/reverse_proxy",
	Options: new(caddyOptions),
	Fields: gatewayFields(Fields{
		"http.host":                 {Support: Carried, Note: "as: snippet leaves it to the site around it; *. is one label"},
		"http.max_body":             {Support: Carried, Note: "a fastcgi upload whose client says no length is answered 411"},
		"http.static[].expires":     {Support: Carried, Note: "whole seconds"},
		"http.balance.method":       {Support: Carried, Note: "with fastcgi round-robin alone; others are refused"},
		"http.balance.max_fails":    {Support: Warned, Note: "Caddy 2.6 counts what clients break off as well; with http the app is asked instead, see health"},
		"http.balance.fail_timeout": {Support: Warned, Note: "Caddy 2.6 counts what clients break off as well; with http the app is asked instead, see health"},
		"health.path":               {Support: Carried, Note: "where http requests are balanced"},
		"health.interval":           {Support: Carried, Note: "where http requests are balanced"},
		"health.timeout":            {Support: Carried, Note: "where http requests are balanced"},
		"health.expect":             {Support: Carried, Note: "where http requests are balanced: 200-399, a whole hundred or one code; others are refused"},
	}),
	Fits:   fitsGateway,
	Accept: acceptCaddy,
	Files:  filesCaddy,
	Quote:  quote.Caddy,

	Printers: map[string]func(string) (string, error){"qplain": caddyPlain, "qindex": caddyIndex},
}

// caddyPlain prints what stands in a word with a placeholder, where there can
// be no quotes.
func caddyPlain(s string) (string, error) {
	quoted, err := quote.Caddy(s)
	if err == nil && quoted != s {
		err = &quote.Error{Syntax: "caddy", Value: s, Reason: "a character that needs quotes, before a placeholder"}
	}
	return s, err
}

// caddyIndex prints the name of an index file in the folder of the request.
func caddyIndex(s string) (string, error) {
	const folder = "{http.request.uri.path}"
	quoted, err := quote.Caddy(s)
	if err != nil || quoted == s {
		return folder + quoted, err
	}
	return quoted[:1] + folder + quoted[1:], nil
}

// caddyForm is what Caddy files are made for.
type caddyForm string

const (
	caddySnippet caddyForm = "snippet"
	caddySite    caddyForm = "site"
)

// Values lists both forms.
func (caddyForm) Values() []string { return []string{string(caddySnippet), string(caddySite)} }

// caddyScheme is what a site speaks.
type caddyScheme string

const (
	caddyHTTP  caddyScheme = "http"
	caddyHTTPS caddyScheme = "https"
)

// Values lists both.
func (caddyScheme) Values() []string { return []string{string(caddyHTTP), string(caddyHTTPS)} }

// caddyOptions are the keys of options.caddy.
type caddyOptions struct {
	As     caddyForm         `yaml:"as" default:"snippet" doc:"snippet: a file to import inside a site; site: a whole site for each set of hosts"`
	Scheme caddyScheme       `yaml:"scheme" default:"http" doc:"https: Caddy gets a certificate for the hosts and answers on port 443"`
	Listen []string          `yaml:"listen" default:"80" doc:"ports of an http site"`
	Root   string            `yaml:"root" doc:"document root of the site; without it, what no app serves is 404" format:"path"`
	Users  map[string]string `yaml:"users" doc:"names and hashes of passwords, as caddy hash-password writes them, for Basic authentication"`
}

func caddyOptionsOf(a *appfile.App) caddyOptions {
	return option(a, "caddy", caddyOptions{As: caddySnippet, Scheme: caddyHTTP, Listen: []string{"80"}})
}

// caddyHostBlock returns what the site of an app is written with, where it has
// one.
func caddyHostBlock(a *appfile.App) (hostBlock, bool) {
	o := caddyOptionsOf(a)
	return hostBlock{Listen: o.Listen, Root: o.Root}, o.As == caddySite
}

// caddyApp is an app as the templates see it.
type caddyApp struct {
	*webApp
	Matcher     string // "scgikit_blog"
	BarePattern string // matches PREFIX alone
	FastCGI     bool
	Users       []param
	Blocks      []caddyBlock
	Folders     []caddyFolder
	Dials       []string
	DropUp      []string // "-Proxy"
	HideDown    []string // "-X-Powered-By"
	Several     bool
	Policy      string
	Retries     int64
	Status      bool // the Status header of a fastcgi app reaches the browser
	Size        string

	ConnectTime, SendTime, ReadTime string

	Health                                              bool
	HealthPath, HealthInterval, HealthTimeout, HealthOK string
}

// caddyBlock is a handle block that passes requests to the app.
type caddyBlock struct {
	*caddyApp
	Matcher string // "scgikit_blog": name of the matcher, and of its pattern
	Path    string // "/blog/*"
	Pattern string // "(?s)^/blog(/.*)"
	Exact   bool   // PREFIX itself: PATH_INFO is empty
}

// caddyFolder is a handle block that serves files.
type caddyFolder struct {
	webStatic
	App                    *caddyApp
	Matcher, Path, Pattern string
	Strip                  string
	CacheControl           string
}

// caddySiteBlock is a whole site.
type caddySiteBlock struct {
	hostBlock
	Addresses []string
	NoRoot    bool // no app at / and no document root
	Apps      []*caddyApp
}

func filesCaddy(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		if caddyOptionsOf(a).As == caddySite {
			continue
		}
		specs = append(specs, Spec{
			Path: a.Name + ".caddy", Mode: 0o644, Place: "site", Apps: []*appfile.App{a},
			Template: "snippet.caddy.tmpl", Data: newCaddyApp(a), Tidy: indentTabs,
		})
	}
	for _, g := range groupByHosts(s, caddyHostBlock) {
		site := &caddySiteBlock{hostBlock: g.hostBlock, NoRoot: g.Root == "", Addresses: caddyAddresses(g)}
		for _, a := range g.apps {
			app := newCaddyApp(a)
			site.NoRoot = site.NoRoot && !app.Root
			site.Apps = append(site.Apps, app)
		}
		specs = append(specs, Spec{
			Path: g.fileName() + ".site.caddy", Mode: 0o644, Place: "config", Apps: g.apps,
			Template: "site.caddy.tmpl", Data: site, Tidy: indentTabs,
		})
	}
	return specs, nil
}

// caddyAddresses returns the addresses of a site.
func caddyAddresses(g *hostGroup) []string {
	var list []string
	if caddyOptionsOf(g.apps[0]).Scheme == caddyHTTPS {
		for _, h := range g.hosts {
			list = append(list, "https://"+h)
		}
		return list
	}
	hosts := g.hosts
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	for _, h := range hosts {
		for _, port := range g.Listen {
			list = append(list, "http://"+h+":"+port)
		}
	}
	return list
}

func newCaddyApp(a *appfile.App) *caddyApp {
	t := a.HTTP.Timeouts
	app := &caddyApp{
		webApp: newWebApp(a, ""), FastCGI: a.Protocol == appfile.FastCGI, Users: usersOf(caddyOptionsOf(a).Users),
		ConnectTime: caddyTime(t.Connect), SendTime: caddyTime(t.Send), ReadTime: caddyTime(t.Read),
		Status: slices.ContainsFunc(a.HTTP.PassHeaders, func(h string) bool { return strings.EqualFold(h, "Status") }),
	}
	app.Size = strconv.FormatInt(app.MaxBody, 10)
	ident := "scgikit_" + app.Ident
	app.Matcher, app.BarePattern = ident, "^"+literal(app.Prefix)+"$"
	for _, h := range gatewayDropped(a) {
		app.DropUp = append(app.DropUp, "-"+h)
	}
	for _, h := range app.Hide {
		app.HideDown = append(app.HideDown, "-"+h)
	}
	for i, st := range app.Statics {
		app.Folders = append(app.Folders, caddyFolder{
			webStatic: st, App: app, Matcher: fmt.Sprintf("%s__%d", ident, i), Path: st.URL + "*", Pattern: "^" + literal(st.URL),
			Strip: strings.TrimSuffix(st.URL, "/"), CacheControl: fmt.Sprintf("max-age=%d", st.Expires),
		})
	}
	if app.Bare {
		app.Blocks = append(app.Blocks, caddyBlock{
			caddyApp: app, Matcher: ident + "__bare", Path: app.Prefix, Pattern: app.BarePattern, Exact: true,
		})
	}
	// "(?s)": a decoded path may hold a newline, which a dot does not match
	// otherwise.
	app.Blocks = append(app.Blocks, caddyBlock{
		caddyApp: app, Matcher: ident, Path: app.Mount + "*", Pattern: "(?s)^" + literal(app.Prefix) + "(/.*)",
	})
	for _, b := range app.Backends {
		if b.Unix != "" {
			app.Dials = append(app.Dials, "unix/"+b.Unix)
		} else {
			app.Dials = append(app.Dials, nginxAddr(b))
		}
	}
	if len(app.Backends) == 1 {
		return app
	}
	app.Several, app.Retries = true, int64(len(app.Backends))
	app.Policy = map[appfile.BalanceMethod]string{
		appfile.RoundRobin: "round_robin", appfile.LeastConn: "least_conn", appfile.IPHash: "ip_hash",
	}[a.HTTP.Balance.Method]
	if !app.FastCGI {
		app.Health = true
		app.HealthPath = cmp.Or(a.Health.Path, app.Mount)
		app.HealthInterval, app.HealthTimeout = caddyTime(a.Health.Interval), caddyTime(a.Health.Timeout)
		app.HealthOK, _ = caddyExpect(a.Health.Expect)
	}
	return app
}

// caddyExpect returns the status that Caddy expects of a backend: "" is any
// from 200 to 399, "2xx" a whole hundred. It is not ok where Caddy has no word
// for a range.
func caddyExpect(expect string) (status string, ok bool) {
	low, high, isRange := strings.Cut(expect, "-")
	switch {
	case expect == "200-399" || expect == "":
		return "", true
	case !isRange || low == high:
		return low, true
	case len(low) == 3 && low[1:] == "00" && high == low[:1]+"99":
		return low[:1] + "xx", true
	}
	return "", false
}

// caddyTime writes a time as Caddy reads it.
func caddyTime(d time.Duration) string { return nginxTime(d) }

// indentTabs lays out a Caddyfile as "caddy fmt" does.
func indentTabs(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(indentBraces(text)) {
		rest := bytes.TrimLeft(line, " ")
		out = append(out, bytes.Repeat([]byte("\t"), (len(line)-len(rest))/len(indentStep))...)
		out = append(out, rest...)
	}
	return out
}
