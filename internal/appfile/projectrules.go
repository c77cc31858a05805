package appfile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// projectRules checks what no single app shows. A problem stands at the later
// of two apps and shows the place in the other one.
func projectRules(apps []*loaded, out *collector) {
	p := &projectChecker{out: out}
	p.names(apps)
	p.listeners(apps)
	p.mounts(apps)
	p.static(apps)
	p.logDirs(apps)
}

type projectChecker struct {
	out *collector
}

// refuse reports a problem at a field of one app that a field of another causes.
func (p *projectChecker) refuse(a *App, field string, other *App, otherField, code, message, hint string) {
	problem := a.Problem(field, code, message, hint)
	if a.Origin(field).Span.Line == 0 {
		problem.Span = a.Origin("name").Span
	}
	span := other.Origin(otherField).Span
	if span.Line == 0 {
		span = other.Origin("name").Span
	}
	problem.Other = &span
	p.out.add(problem)
}

func (p *projectChecker) names(apps []*loaded) {
	first := make(map[string]*App)
	for _, l := range apps {
		if !l.sound("name") {
			continue
		}
		if other, ok := first[l.app.Name]; ok {
			p.refuse(l.app, "name", other, "name", "duplicate-name", "two apps are named "+l.app.Name, "a name is also the name of services and files; use another one")
			continue
		}
		first[l.app.Name] = l.app
	}
}

// claimant is an app that holds a listener or a folder.
type claimant struct {
	app   *App
	field string
	index int // of the instance
}

// listeners refuses a socket or port that two backends would share.
func (p *projectChecker) listeners(apps []*loaded) {
	sockets := make(map[string]claimant)
	ports := make(map[int][]portClaim)
	for _, l := range apps {
		if !l.sound("listen", "run.instances") {
			continue
		}
		for _, inst := range l.app.Instances {
			addr := inst.Addr()
			switch {
			case inst.Listen.Unix != "":
				c := claimant{app: l.app, field: "listen.unix", index: inst.Index}
				if other, ok := sockets[socketKey(addr.Unix)]; ok {
					p.shared(addr.Unix, c, other)
					continue
				}
				sockets[socketKey(addr.Unix)] = c
			case inst.Listen.TCP != "":
				c := portClaim{claimant{app: l.app, field: "listen.tcp", index: inst.Index}, addressOf(addr.Host)}
				i := slices.IndexFunc(ports[addr.Port], func(o portClaim) bool { return covers(o.ip, c.ip) || covers(c.ip, o.ip) })
				if i >= 0 {
					p.shared(addr.String(), c.claimant, ports[addr.Port][i].claimant)
					continue
				}
				ports[addr.Port] = append(ports[addr.Port], c)
			}
		}
	}
}

// portClaim is a claimant of a port at an address.
type portClaim struct {
	claimant
	ip netip.Addr
}

// covers reports whether a listener at one address takes the port at another:
// 0.0.0.0 at each of IPv4, and :: at each, because it takes IPv4 as well unless
// the program says otherwise.
func covers(ip, other netip.Addr) bool {
	return ip == other || ip.IsUnspecified() && (ip.Is6() || other.Is4())
}

// socketKey is equal for two paths of one socket: /var/run is a link to /run on
// systems that have both.
func socketKey(socket string) string {
	if rest, ok := strings.CutPrefix(socket, "/var/run/"); ok {
		return "/run/" + rest
	}
	return socket
}

// addressOf returns the address of a checked host.
func addressOf(host string) netip.Addr {
	if host == "localhost" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap()
}

func (p *projectChecker) shared(name string, c, other claimant) {
	message := fmt.Sprintf("%s is taken by the app %s", name, other.app.Name)
	if other.app.Run.Instances > 1 {
		message += fmt.Sprintf(" (instance %d of %d)", other.index, other.app.Run.Instances)
	}
	p.refuse(c.app, c.field, other.app, other.field, "duplicate-listener", message, "use another one")
}

// shareHost reports whether one request can be meant for both apps. An app
// without a host is there on every one.
func shareHost(a, b *App) bool {
	if len(a.HTTP.Host) == 0 || len(b.HTTP.Host) == 0 {
		return true
	}
	return slices.ContainsFunc(a.HTTP.Host, func(h string) bool {
		return slices.ContainsFunc(b.HTTP.Host, func(o string) bool { return HostCovers(h, o) || HostCovers(o, h) })
	})
}

// HostCovers reports whether all requests for one host name are requests for
// another one as well: *.example.org covers a.example.org, *.a.example.org and
// itself, but not example.org.
func HostCovers(name, other string) bool {
	suffix, wild := strings.CutPrefix(name, "*")
	return name == other || wild && strings.HasSuffix(other, suffix)
}

func (p *projectChecker) mounts(apps []*loaded) {
	at := make(map[string][]*App)
	for _, l := range apps {
		if !l.sound("http.mount", "http.host") {
			continue
		}
		mount := l.app.HTTP.Mount
		for _, other := range at[mount] {
			if shareHost(l.app, other) {
				p.refuse(l.app, "http.mount", other, "http.mount", "duplicate-mount",
					fmt.Sprintf("the app %s is mounted at %s as well", other.Name, mount), "use another mount, or give each app its own http.host")
				break
			}
		}
		at[mount] = append(at[mount], l.app)
	}
}

// urlClaim is a URL prefix that an app answers: its mount or a static folder.
type urlClaim struct {
	app    *App
	field  string
	prefix string
	static bool
	number int // in the order of sources
}

// static refuses a static folder whose place between the mounts of other apps
// cannot be kept. The longest prefix must win, but the locations of an app
// stand together in its own file, and the files are in the order of their
// mounts, deeper ones first. So of two prefixes of different apps, where one
// is inside the other, the longer must be that of the app with the deeper
// mount.
func (p *projectChecker) static(apps []*loaded) {
	claims := make(map[string][]urlClaim)
	var all []urlClaim
	for _, l := range apps {
		if !l.sound("http.mount", "http.host", "http.static") {
			continue
		}
		all = append(all, urlClaim{app: l.app, field: "http.mount", prefix: l.app.HTTP.Mount})
		for i, s := range l.app.HTTP.Static {
			all = append(all, urlClaim{app: l.app, field: fmt.Sprintf("http.static[%d].url", i), prefix: s.URL, static: true})
		}
	}
	for i := range all {
		all[i].number = i
		claims[all[i].prefix] = append(claims[all[i].prefix], all[i])
	}
	for _, c := range all {
		for prefix := c.prefix; prefix != ""; prefix = parentPrefix(prefix) {
			for _, outer := range claims[prefix] {
				if misplaced(c, outer) {
					p.misplaced(c, outer)
				}
			}
		}
	}
}

// parentPrefix returns the prefix one segment up: "/a/b/" is in "/a/", that in
// "/", and that in nothing, "".
func parentPrefix(prefix string) string {
	return prefix[:strings.LastIndexByte(strings.TrimSuffix(prefix, "/"), '/')+1]
}

// misplaced reports whether the order of files does not let the inner of two
// prefixes win.
func misplaced(inner, outer urlClaim) bool {
	if inner.app == outer.app || !inner.static && !outer.static || !shareHost(inner.app, outer.app) {
		return false
	}
	if inner.prefix == outer.prefix {
		return inner.number > outer.number // the pair is met both ways
	}
	return inner.app.Depth() <= outer.app.Depth()
}

func (p *projectChecker) misplaced(inner, outer urlClaim) {
	here, there := inner, outer
	if !here.static {
		here, there = there, here
	}
	message := fmt.Sprintf("%s belongs to the app %s, which answers %s", here.prefix, there.app.Name, there.prefix)
	hint := "use a URL below the app's own mount, or declare the folder in " + there.app.Name
	if len(here.prefix) < len(there.prefix) {
		message = fmt.Sprintf("%s would hide %s of the app %s", here.prefix, there.prefix, there.app.Name)
	}
	p.refuse(here.app, here.field, there.app, there.field, "static-overlap", message, hint)
}

// logDirs refuses a folder that two loggers would write: multilog locks it, so
// the second one would never start.
func (p *projectChecker) logDirs(apps []*loaded) {
	taken := make(map[string]*App)
	for _, l := range apps {
		if !l.sound("log.dir", "run.instances", "name") { // the name is in its default
			continue
		}
		dirs := []string{l.app.Log.Dir}
		for _, inst := range l.app.Instances {
			dirs = append(dirs, inst.LogDir())
		}
		slices.Sort(dirs)
		for _, dir := range slices.Compact(dirs) {
			other, shared := taken[dir]
			if !shared {
				taken[dir] = l.app
				continue
			}
			p.refuse(l.app, "log.dir", other, "log.dir", "duplicate-log-dir",
				fmt.Sprintf("%s is the log folder of the app %s as well", dir, other.Name), "one folder takes one logger; use another folder")
			break
		}
	}
}
