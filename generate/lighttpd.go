package generate

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
	"scgikit/internal/quote"
)

// lighttpd writes conditions with scgi.server, fastcgi.server or proxy.server.
//
// Every condition that matches a URL applies, and of several values for one
// key the last one counts. So a file's name begins with a number that grows
// with the depth of its URL: read in the order of names, /blog/admin comes
// after /blog and replaces its settings. For the same reason each block sets
// everything it depends on, and does not inherit from an app around it; where
// that one speaks another protocol, its module would take the requests, and is
// told that it has none here.
//
// The key of scgi.server has no final slash, which makes it SCRIPT_NAME; the
// condition has one, which keeps /blog2 out.
//
// Source: https://redmine.lighttpd.net/projects/lighttpd/wiki/Docs_ModSCGI;
// src/gw_backend.c, gw_check_extension; Docs_ModFastCGI and Docs_ModProxy there.
var lighttpd = &Target{
	Name:    "lighttpd",
	Kind:    WebServer,
	Summary: "conditions with scgi.server, fastcgi.server or proxy.server",
	Source:  "https://redmine.lighttpd.net/projects/lighttpd/wiki/Docs_ModSCGI",
	Options: new(lighttpdOptions),
	Fields: webFields(Fields{
		"protocol":                  {Support: Carried, Note: "ajp is refused: what lighttpd sends is not what apps read"},
		"http.extra.lighttpd":       {Support: Carried},
		"http.relative_redirects":   {Support: Carried, Note: "internal: a warning; the browser follows the redirect"},
		"http.params":               {Support: Carried, Note: "lower-case names are refused: it writes them in capitals; with http, which has no parameters, all are"},
		"http.pass_headers":         {Support: Carried, Note: "it passes all but Status, which is refused"},
		"http.balance.max_fails":    {Support: Carried, Note: "1, or 0 for never; others are refused"},
		"http.timeouts.*":           {Support: Carried, Note: "whole seconds; from version 1.4.60"},
		"http.balance.fail_timeout": {Support: Carried, Note: "whole seconds"},
		"http.max_body":             {Support: Carried, Note: "whole KiB"},
		"http.static[].expires":     {Support: Carried, Note: "whole seconds"},
	}),
	Fits:     fitsWeb,
	Accept:   acceptLighttpd,
	Files:    filesLighttpd,
	Quote:    quote.Lighttpd,
	Printers: map[string]func(string) (string, error){"word": lighttpdWord},
}

// lighttpdOptions are the keys of options.lighttpd.
type lighttpdOptions struct {
	Version string `yaml:"version" default:"1.4.65" doc:"oldest Lighttpd that has to read the files, at least 1.4.50; before 1.4.65 a URL that is not UTF-8 is answered 404"`
}

// Versions from which Lighttpd has what the templates use.
const (
	lighttpdOldest    = 50 // ${qsa} in url.redirect
	lighttpdTimeouts  = 60 // connect-timeout, read-timeout, write-timeout
	lighttpdPrefixing = 65 // the condition =^
)

var lighttpdVersion = regexp.MustCompile(`^1\.4\.([0-9]{1,3})$`)

// lighttpdPatch returns N of a version 1.4.N.
func lighttpdPatch(a *appfile.App) (int, bool) {
	m := lighttpdVersion.FindStringSubmatch(option(a, "lighttpd", lighttpdOptions{Version: "1.4.65"}).Version)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil && n >= lighttpdOldest
}

func acceptLighttpd(s *Scope, a *appfile.App) diag.List {
	list := append(acceptWeb(s, a), acceptDepth(s, a)...)
	list = append(list, acceptExtra(s, a, a.HTTP.Extra.Lighttpd, "*?[]{}")...)
	patch, ok := lighttpdPatch(a)
	if !ok {
		list = append(list, a.Problem("options.lighttpd.version", "bad-version", "is not a version of Lighttpd from 1.4.50 on", "write for example 1.4.65"))
	}
	if a.Protocol == appfile.AJP {
		list = append(list, a.Problem("protocol", codeCannotCarry,
			"lighttpd leaves the path behind the mount out of what it sends, and the length of a body, so that an app which speaks AJP gets neither",
			"set protocol: http, which programs that speak AJP speak as well, or leave lighttpd out of targets"))
	}
	if a.HTTP.RelativeRedirects == appfile.RedirectsInternal {
		list = append(list, a.Warning("http.relative_redirects", codeNotCarried,
			"lighttpd passes relative redirects on; the browser follows them", "the page is the same; remove the key where no Apache needs it"))
	}
	for _, p := range newWebApp(a, "").Params {
		if p.Name != strings.ToUpper(p.Name) {
			list = append(list, a.Problem("http.params."+p.Name, codeCannotCarry, "lighttpd writes the names of parameters in capitals", "name it "+strings.ToUpper(p.Name)))
		}
	}
	for i, h := range a.HTTP.PassHeaders {
		if strings.EqualFold(h, "Status") {
			list = append(list, a.Problem(fmt.Sprintf("http.pass_headers[%d]", i), codeCannotCarry, "lighttpd never passes the Status line of the app on", "remove it"))
		}
	}
	if a.HTTP.MaxBody%1024 != 0 {
		list = append(list, a.Warning("http.max_body", "rounded",
			fmt.Sprintf("lighttpd counts in KiB: it becomes %s", appfile.Size(lighttpdKiB(a)*1024)), "write whole KiB"))
	}
	list = append(list, warnRounding(s, a, lighttpdTimes(a))...)
	if ok && patch < lighttpdTimeouts {
		for _, field := range []string{"http.timeouts.connect", "http.timeouts.send", "http.timeouts.read"} {
			if a.IsSet(field) {
				list = append(list, a.Problem(field, codeCannotCarry, "lighttpd has it from version 1.4.60 on", "remove it, or raise options.lighttpd.version"))
			}
		}
	}
	if len(a.Backends()) > 1 && a.HTTP.Balance.MaxFails > 1 {
		list = append(list, a.Problem("http.balance.max_fails", codeCannotCarry,
			"lighttpd takes a backend out at its first failure", "set 1, or 0 for never"))
	}
	return list
}

// lighttpdTimes are the fields that Lighttpd counts in seconds.
func lighttpdTimes(a *appfile.App) map[string]time.Duration {
	times := map[string]time.Duration{
		"http.timeouts.connect": a.HTTP.Timeouts.Connect, "http.timeouts.send": a.HTTP.Timeouts.Send, "http.timeouts.read": a.HTTP.Timeouts.Read,
	}
	if len(a.Backends()) > 1 {
		times["http.balance.fail_timeout"] = a.HTTP.Balance.FailTimeout
	}
	for i, st := range a.HTTP.Static {
		times[fmt.Sprintf("http.static[%d].expires", i)] = st.Expires
	}
	return times
}

func lighttpdKiB(a *appfile.App) int64 { return (int64(a.HTTP.MaxBody) + 1023) / 1024 }

// lighttpdApp is an app as the templates see it.
type lighttpdApp struct {
	*webApp
	lighttpdAccess
	Host, HostPattern string // one of them, or none
	Conditions        []lighttpdCondition
	RedirectTarget    string
	Module            string   // the first word of its settings: "scgi" of scgi.server
	Others            []string // modules that an app around this one uses
	UnlikeUWSGI       bool     // an app around this one speaks uwsgi, which is the same module
	UnlikeHTTP        bool     // an app around this one gets fields of its own
	Dropped           []string // fields that do not reach an HTTP app
	ScriptName        string   // the prefix
	Key               string   // of scgi.server: the prefix, or "/"
	Bound             []lighttpdBackend
	Several           bool
	Balance           string
	Timeouts          bool // the version has them
	Prefixing         bool // the version has =^
	DisableTime       int64
	KiB               int64

	ConnectSeconds, SendSeconds, ReadSeconds int64
}

// lighttpdCondition selects URLs: one of its fields is set.
type lighttpdCondition struct {
	*lighttpdApp
	Equal, Prefix, Pattern string
}

type lighttpdBackend struct {
	Socket string // path, or ""
	Host   string
	Port   int64
}

// lighttpdAccess is a chain of conditions on the client's address, the first
// that matches decides.
type lighttpdAccess struct {
	Rules []lighttpdRule
	Else  bool // all others are refused
}

type lighttpdRule struct {
	First   bool
	Network string
	Refuse  bool
}

// lighttpdFile is one file: the mount, folders, or both.
type lighttpdFile struct {
	*lighttpdApp
	Mounts  bool
	Folders []lighttpdFolder
	Modules []string
}

// lighttpdFolder is a folder that Lighttpd serves.
type lighttpdFolder struct {
	*lighttpdApp
	webStatic
	Condition lighttpdCondition
	Age       string
	Silent    []string // modules that have nothing to do here
}

func filesLighttpd(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		app := newLighttpdApp(s, a)
		byDepth, depths := app.staticsByDepth(a.Depth())
		if !slices.Contains(depths, a.Depth()) {
			depths = append(depths, a.Depth())
		}
		for _, depth := range depths {
			file := &lighttpdFile{lighttpdApp: app, Mounts: depth == a.Depth(), Modules: []string{"mod_access"}}
			name := a.Name + "_static" // "_" is in no app's name
			if file.Mounts {
				name = a.Name
				file.Modules = append(file.Modules, "mod_redirect", "mod_setenv")
			}
			file.Modules = append(file.Modules, "mod_expire")
			if len(byDepth[depth]) > 0 {
				file.Modules = append(file.Modules, "mod_alias")
			}
			silent := []string{app.Module}
			if file.Mounts {
				silent = append(silent, app.Others...)
			}
			// Short URLs first, as between files.
			for _, st := range slices.Backward(byDepth[depth]) {
				folder := lighttpdFolder{lighttpdApp: app, webStatic: st, Condition: app.condition(st.URL)}
				folder.Age = fmt.Sprintf("access plus %d seconds", st.Expires)
				folder.Silent = append([]string{app.Module}, otherModules(app.Module, around(s, a, st.URL))...)
				silent = append(silent, folder.Silent...)
				file.Folders = append(file.Folders, folder)
			}
			// Behind the others: they take a request as soon as they see it.
			slices.Sort(silent)
			for _, module := range slices.Compact(silent) {
				file.Modules = append(file.Modules, "mod_"+module)
			}
			specs = append(specs, Spec{
				Path: fmt.Sprintf("%02d-scgikit-%s.conf", 50+depth, name), Kind: fileset.Regular, Mode: 0o644,
				Place: "server", Apps: []*appfile.App{a}, Template: "app.conf.tmpl", Data: file, Tidy: indentBraces,
			})
		}
	}
	return specs, nil
}

// lighttpdModule is the word that the settings of a protocol's module begin
// with.
func lighttpdModule(p appfile.Protocol) string {
	switch p {
	case appfile.SCGI, appfile.UWSGI:
		return "scgi"
	case appfile.FastCGI:
		return "fastcgi"
	case appfile.HTTP1:
		return "proxy"
	case appfile.AJP: // refused
	}
	return ""
}

// lighttpdWord prints such a word, which cannot stand in quotes.
func lighttpdWord(s string) (string, error) {
	if !slices.Contains([]string{"scgi", "fastcgi", "proxy"}, s) {
		return "", fmt.Errorf("%q is no module of lighttpd", s)
	}
	return s, nil
}

// otherModules returns the modules of apps, without one, sorted.
func otherModules(module string, apps []*appfile.App) []string {
	var others []string
	for _, a := range apps {
		if other := lighttpdModule(a.Protocol); other != module && other != "" {
			others = append(others, other)
		}
	}
	slices.Sort(others)
	return slices.Compact(others)
}

func newLighttpdApp(s *Scope, a *appfile.App) *lighttpdApp {
	patch, _ := lighttpdPatch(a)
	balance := a.HTTP.Balance
	app := &lighttpdApp{
		webApp: newWebApp(a, a.HTTP.Extra.Lighttpd), Key: a.Prefix(), Timeouts: patch >= lighttpdTimeouts, Prefixing: patch >= lighttpdPrefixing, KiB: lighttpdKiB(a),
		ConnectSeconds: wholeSeconds(a.HTTP.Timeouts.Connect), SendSeconds: wholeSeconds(a.HTTP.Timeouts.Send), ReadSeconds: wholeSeconds(a.HTTP.Timeouts.Read),
	}
	app.ScriptName = app.Prefix // a condition has a field of that name
	outer := around(s, a, a.HTTP.Mount)
	app.Module = lighttpdModule(a.Protocol)
	app.Others = otherModules(app.Module, outer)
	app.Dropped = slices.Concat(forwardedNames[:3], otherForwarded[:], smuggled())
	for _, other := range outer {
		app.UnlikeUWSGI = app.UnlikeUWSGI || app.SCGI && other.Protocol == appfile.UWSGI
		app.UnlikeHTTP = app.UnlikeHTTP || !app.HTTP && other.Protocol == appfile.HTTP1
	}
	if app.Root {
		app.Key = "/"
	}
	// Lighttpd puts the query behind it, with its "?".
	app.RedirectTarget = app.RedirectTo + "${qsa}"
	switch {
	case len(app.Hosts) == 1 && !strings.HasPrefix(app.Hosts[0], "*."):
		app.Host = app.Hosts[0]
	case len(app.Hosts) > 0:
		app.HostPattern = hostPattern(app.Hosts)
	}
	if app.Bare {
		app.Conditions = append(app.Conditions, lighttpdCondition{lighttpdApp: app, Equal: app.Prefix})
	}
	app.Conditions = append(app.Conditions, app.condition(app.Mount))
	app.Several = len(app.Backends) > 1
	app.Balance = map[appfile.BalanceMethod]string{
		appfile.RoundRobin: "round-robin", appfile.LeastConn: "least-connection", appfile.IPHash: "sticky",
	}[balance.Method]
	if balance.MaxFails > 0 {
		app.DisableTime = wholeSeconds(balance.FailTimeout)
	}
	for _, b := range app.Backends {
		app.Bound = append(app.Bound, lighttpdBackend{Socket: b.Unix, Host: b.Host, Port: int64(b.Port)})
	}
	add := func(network string, refuse bool) {
		// Two equal conditions are one to Lighttpd, which then complains.
		if !slices.ContainsFunc(app.Rules, func(r lighttpdRule) bool { return r.Network == network }) {
			app.Rules = append(app.Rules, lighttpdRule{Network: network, Refuse: refuse})
		}
	}
	for _, network := range halves(app.Deny) {
		add(network, true)
	}
	for _, network := range halves(app.Allow) {
		add(network, false)
	}
	if len(app.Rules) > 0 {
		app.Rules[0].First = true
	}
	app.Else = len(app.Allow) > 0
	return app
}

// condition selects the URLs below a prefix that ends in a slash.
func (app *lighttpdApp) condition(prefix string) lighttpdCondition {
	if app.Prefixing {
		return lighttpdCondition{lighttpdApp: app, Prefix: prefix}
	}
	return lighttpdCondition{lighttpdApp: app, Pattern: "^" + literal(prefix)}
}
