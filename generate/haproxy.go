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
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

// haproxy writes a backend for each app, and a map that leads hosts and paths
// to them.
//
// HAProxy includes nothing in a frontend, but it reads any number of files,
// and looks things up in maps. So the rules that a frontend needs are the same
// five lines whatever the apps, to be pasted once or generated with a frontend
// around them, and all that belongs to an app stands in its backend. The map
// has patterns, of which the first that matches counts: the longest mount
// first, and of equal ones the host before the pattern of hosts before any.
//
// The rules look at the path as it is decoded, with several slashes as one.
// HAProxy resolves no "." and ".." without a directive that it calls
// experimental, so a backend refuses them with 400.
//
// Source: https://docs.haproxy.org/2.6/configuration.html, sections 4 and 10.
var haproxy = &Target{
	Name:    "haproxy",
	Kind:    WebServer,
	Summary: "backends with fcgi-app or http, and a map to them",
	Source:  "https://docs.haproxy.org/2.6/configuration.html",
	Options: new(haproxyOptions),
	Fields: gatewayFields(Fields{
		"http.static[].*":           {Support: Refused, Note: "HAProxy serves no files: let the app or another web server do that, or leave haproxy out of targets"},
		"http.buffering":            {Support: Carried, Note: "HAProxy always streams; true is a warning"},
		"http.params":               {Support: Carried, Note: "with fastcgi, and not empty; others are refused"},
		"listen.unix":               {Support: Carried, Note: "at most 97 bytes"},
		"http.max_body":             {Support: Carried, Note: "by the length that the client says; an upload without one is answered 411, unless it is 0"},
		"http.timeouts.*":           {Support: Carried, Note: "send and read are one time, the longer one; at most 24 days"},
		"http.balance.fail_timeout": {Support: Carried, Note: "the pause between looks at a backend; at most 24 days"},
	}),
	Fits:     fitsGateway,
	Accept:   acceptHAProxy,
	Files:    filesHAProxy,
	Quote:    quote.HAProxy,
	Printers: map[string]func(string) (string, error){"qfmt": quote.HAProxyFormat, "qmap": quote.HAProxyMap},
}

// haproxyForm is what the rules of a frontend are written as.
type haproxyForm string

const (
	haproxyRules    haproxyForm = "rules"
	haproxyFrontend haproxyForm = "frontend"
)

// Values lists both forms.
func (haproxyForm) Values() []string {
	return []string{string(haproxyRules), string(haproxyFrontend)}
}

// haproxyOptions are the keys of options.haproxy.
type haproxyOptions struct {
	As    haproxyForm       `yaml:"as" default:"rules" doc:"rules: lines to paste once into a frontend; frontend: a whole frontend"`
	Bind  []string          `yaml:"bind" default:":80" doc:"addresses of the frontend, as HAProxy writes them: :80, 127.0.0.1:8080, [::1]:80"`
	Map   string            `yaml:"map" default:"/etc/haproxy/scgikit.map" doc:"where the map of hosts and paths is installed" format:"file"`
	Root  string            `yaml:"root" default:"/nonexistent" doc:"DOCUMENT_ROOT of a fastcgi app, which HAProxy wants to have" format:"path"`
	Users map[string]string `yaml:"users" doc:"names and hashes of passwords, as mkpasswd writes them ($6$ and others of crypt(3)), for Basic authentication"`
}

func haproxyOptionsOf(a *appfile.App) haproxyOptions {
	return option(a, "haproxy", haproxyOptions{As: haproxyRules, Bind: []string{":80"}, Map: "/etc/haproxy/scgikit.map", Root: "/nonexistent"})
}

// haproxyMaxTime is the longest time that HAProxy counts, in milliseconds.
const haproxyMaxTime = (1<<31 - 1) * time.Millisecond

var (
	haproxyHash    = regexp.MustCompile(`^\$(?:1|2[abxy]|5|6|y)\$[./0-9A-Za-z$=,]{20,}$`)
	haproxyMapPath = regexp.MustCompile(`^/[A-Za-z0-9/._-]*\.(?:map|txt|lst)$`)
	haproxyBind    = regexp.MustCompile(`^(?:[0-9.]+|\[[0-9a-fA-F:.]+\]|\*)?:([0-9]{1,5})$`)
)

// maxHAProxySocket is what the path of a socket may have in HAProxy, which keeps room
// for names of its own behind those that it listens at.
//
// Source: measured with 2.6.12.
const maxHAProxySocket = 97

func acceptHAProxy(s *Scope, a *appfile.App) diag.List {
	o := haproxyOptionsOf(a)
	list := append(acceptGateway(s, a), acceptUsers(s, a, o.Users, haproxyHash.MatchString, "write what mkpasswd -m sha512crypt prints, with $$ for each $")...)
	list = append(list, acceptShared(s, a, haproxyOptionsOf, map[string]func(haproxyOptions) string{
		"as": func(o haproxyOptions) string { return string(o.As) }, "map": func(o haproxyOptions) string { return o.Map },
		"bind": func(o haproxyOptions) string { return strings.Join(o.Bind, " ") },
	})...)
	list = append(list, acceptHAProxyBind(a, o)...)
	if a.IsSet("http.buffering") && a.HTTP.Buffering {
		list = append(list, a.Warning("http.buffering", codeNotCarried, "haproxy passes an answer on as it comes", "nothing is lost; remove the key where no other web server needs it"))
	}
	for i, h := range a.HTTP.PassHeaders {
		if a.Protocol == appfile.FastCGI && strings.EqualFold(h, "Status") {
			list = append(list, a.Problem(fmt.Sprintf("http.pass_headers[%d]", i), codeCannotCarry, "haproxy never passes the Status line of a fastcgi app on", "remove it"))
		}
	}
	for _, p := range newWebApp(a, "").Params {
		if p.Value == "" && a.Protocol == appfile.FastCGI {
			list = append(list, a.Problem("http.params."+p.Name, codeCannotCarry, "haproxy sends no parameter without a value", "leave it out: to the app, a missing one is empty"))
		}
	}
	if strings.Contains(a.Listen.Unix, "$") {
		list = append(list, a.Problem("listen.unix", codeCannotQuote, "haproxy looks for variables in the path of a socket", "use a path without $"))
	}
	list = append(list, longSocket(s, a, maxHAProxySocket)...)
	if !haproxyMapPath.MatchString(o.Map) {
		list = append(list, a.Problem("options.haproxy.map", codeCannotQuote, "stands inside a rule, where haproxy takes other characters for parts of it", "use letters, digits and . _ - alone, with .map at the end"))
	}
	t := a.HTTP.Timeouts
	if t.Send != t.Read && a.IsSet("http.timeouts.send") {
		list = append(list, a.Warning("http.timeouts.send", codeNotCarried,
			fmt.Sprintf("haproxy has one time for sending and reading: %s", max(t.Send, t.Read)), "set both to one value"))
	}
	times := []struct {
		field string
		time  time.Duration
	}{{"http.timeouts.connect", t.Connect}, {"http.timeouts.send", t.Send}, {"http.timeouts.read", t.Read}}
	if len(a.Backends()) > 1 {
		times = append(times, struct {
			field string
			time  time.Duration
		}{"http.balance.fail_timeout", a.HTTP.Balance.FailTimeout})
	}
	for _, at := range times {
		if at.time > haproxyMaxTime {
			list = append(list, a.Warning(at.field, "rounded", fmt.Sprintf("haproxy counts no longer than %s", haproxyMaxTime), "write at most 596h"))
		}
	}
	return list
}

// acceptHAProxyBind looks at the addresses of a frontend.
func acceptHAProxyBind(a *appfile.App, o haproxyOptions) diag.List {
	var list diag.List
	if o.As == haproxyRules {
		if a.IsSet("options.haproxy.bind") {
			list = append(list, a.Warning("options.haproxy.bind", codeNotCarried, "belongs to a frontend", "set options.haproxy.as: frontend, or remove it"))
		}
		return list
	}
	if len(o.Bind) == 0 {
		list = append(list, a.Problem("options.haproxy.bind", "bad-address", "is empty", "write an address, for example [\":80\"], or leave the key out"))
	}
	for i, b := range o.Bind {
		m := haproxyBind.FindStringSubmatch(b)
		if m != nil {
			if port, err := strconv.ParseUint(m[1], 10, 16); err == nil && port > 0 {
				continue
			}
		}
		list = append(list, a.Problem(fmt.Sprintf("options.haproxy.bind[%d]", i), "bad-address", fmt.Sprintf("%q is not an address to listen on", b), "write :80, 127.0.0.1:8080 or [::1]:80"))
	}
	return list
}

// haproxyApp is an app as the templates see it.
type haproxyApp struct {
	*webApp
	Backend string // name of the backend, the fcgi-app and the userlist
	FastCGI bool
	Dropped []string // fields that do not reach the app, besides those that begin with X-Forwarded-
	Skip    int64    // bytes of the path before PATH_INFO
	DocRoot string
	Users   []param
	Servers []haproxyServer
	Several bool
	Balance string
	Checked bool // a backend that fails is taken out
	Fails   int64
	Retries int64

	ConnectTime, ServerTime, CheckTime string

	Deny4, Deny6, Allow4, Allow6 []string
	Limited                      bool // there is an allow list
}

type haproxyServer struct{ Name, Address string }

// haproxyEntry is a line of the map.
type haproxyEntry struct{ Pattern, Backend string }

// haproxyRouting is what a frontend needs.
type haproxyRouting struct {
	Map     string
	Bind    []string
	Entries []haproxyEntry
}

func filesHAProxy(s *Scope) ([]Spec, error) {
	if len(s.Apps) == 0 {
		return nil, nil
	}
	var specs []Spec
	for _, a := range s.Apps {
		specs = append(specs, Spec{
			Path: a.Name + ".cfg", Mode: 0o644, Place: "config", Apps: []*appfile.App{a},
			Template: "backend.cfg.tmpl", Data: newHAProxyApp(a), Tidy: indentProxies,
		})
	}
	o := haproxyOptionsOf(s.Apps[0])
	routing := &haproxyRouting{Map: o.Map, Bind: o.Bind, Entries: haproxyEntries(s.Apps)}
	specs = append(specs, Spec{
		Path: path.Base(o.Map), Mode: 0o644, Place: o.Map, Apps: s.Apps, Template: "hosts.map.tmpl", Data: routing,
	})
	// "_" is in no app's name.
	if o.As == haproxyFrontend {
		return append(specs, Spec{
			Path: "scgikit_frontend.cfg", Mode: 0o644, Place: "config", Apps: s.Apps, Template: "frontend.cfg.tmpl", Data: routing, Tidy: indentProxies,
		}), nil
	}
	return append(specs, Spec{
		Path: "scgikit_frontend.rules", Mode: 0o644, Place: "frontend", Apps: s.Apps, Template: "frontend.rules.tmpl", Data: routing,
	}), nil
}

// haproxyEntries returns the lines of the map in the order in which they are
// looked at. A key is the host, or "-" without one, and the path behind it.
func haproxyEntries(apps []*appfile.App) []haproxyEntry {
	type entry struct {
		haproxyEntry
		mount, host int
	}
	var list []entry
	for _, a := range apps {
		e := haproxyEntry{Backend: haproxyName(a)}
		end := literal(a.Prefix()) + "(/|$)"
		if a.Prefix() == "" {
			end = "/"
		}
		hosts := hostNames(a)
		if len(hosts) == 0 {
			e.Pattern = "^[^/]*" + end
			list = append(list, entry{e, len(a.Prefix()), 0})
		}
		for _, h := range hosts {
			exact := len(h)
			if rest, ok := strings.CutPrefix(h, "*."); ok {
				h = "[^/]+[.]" + literal(rest)
			} else {
				h, exact = literal(h), 1<<16
			}
			e.Pattern = "^" + h + end
			list = append(list, entry{e, len(a.Prefix()), exact})
		}
	}
	slices.SortStableFunc(list, func(a, b entry) int {
		if a.mount != b.mount {
			return b.mount - a.mount
		}
		return b.host - a.host
	})
	out := make([]haproxyEntry, len(list))
	for i := range list {
		out[i] = list[i].haproxyEntry
	}
	return out
}

func haproxyName(a *appfile.App) string { return "scgikit-" + a.Name }

func newHAProxyApp(a *appfile.App) *haproxyApp {
	o, balance := haproxyOptionsOf(a), a.HTTP.Balance
	app := &haproxyApp{
		webApp: newWebApp(a, ""), Backend: haproxyName(a), FastCGI: a.Protocol == appfile.FastCGI, DocRoot: o.Root, Users: usersOf(o.Users),
		ConnectTime: haproxyTime(a.HTTP.Timeouts.Connect), ServerTime: haproxyTime(haproxyServerTime(a)),
		CheckTime: haproxyTime(balance.FailTimeout), Fails: int64(balance.MaxFails),
		Limited: len(a.HTTP.Allow) > 0,
	}
	app.Skip = int64(len(app.Prefix))
	app.Dropped = slices.DeleteFunc(slices.Clone(gatewayDropped(a)), func(h string) bool { return strings.HasPrefix(h, "X-Forwarded-") })
	app.Several = len(app.Backends) > 1
	if app.Several {
		app.Checked, app.Retries = balance.MaxFails > 0, int64(len(app.Backends))
		app.Balance = map[appfile.BalanceMethod]string{
			appfile.RoundRobin: "roundrobin", appfile.LeastConn: "leastconn", appfile.IPHash: "source",
		}[balance.Method]
	}
	for i, b := range app.Backends {
		address := nginxAddr(b)
		if b.Unix != "" {
			address = "unix@" + b.Unix
		}
		app.Servers = append(app.Servers, haproxyServer{"s" + strconv.Itoa(i+1), address})
	}
	// An address of IPv4 is in "::/0" as HAProxy sees it.
	app.Deny4, app.Deny6 = byFamily(a.HTTP.Deny)
	app.Allow4, app.Allow6 = byFamily(a.HTTP.Allow)
	return app
}

// byFamily tells networks of IPv4 from those of IPv6.
func byFamily(networks []string) (four, six []string) {
	for _, n := range networks {
		if strings.Contains(n, ":") {
			six = append(six, n)
		} else {
			four = append(four, n)
		}
	}
	return four, six
}

// haproxyServerTime is the one time for sending and reading.
func haproxyServerTime(a *appfile.App) time.Duration {
	if a.IsSet("http.timeouts.send") {
		return max(a.HTTP.Timeouts.Send, a.HTTP.Timeouts.Read)
	}
	return a.HTTP.Timeouts.Read
}

// haproxyTime writes a time in milliseconds.
func haproxyTime(d time.Duration) string {
	d = min(d, haproxyMaxTime)
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10) + "ms"
}
