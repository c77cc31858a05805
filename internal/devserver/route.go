package devserver

import (
	"slices"
	"strings"
)

// route is a URL prefix and what answers below it: an app, or one of its
// static folders.
type route struct {
	app    *app
	prefix string     // ends in "/": "/blog/", "/blog/static/"
	static *staticDir // nil for the app itself
}

// match is what a path leads to.
type match struct {
	app      *app
	static   *staticDir // nil for the app itself
	bare     bool       // the path is the mount without its slash, and a redirect is due
	script   string     // SCRIPT_NAME
	pathInfo string     // PATH_INFO; in a static folder, the name of the file
}

// routes is every route, longest prefix first: the longest match wins, as on
// the web servers, whatever order the apps come in.
type routes []route

// newRoutes builds the table of all apps.
func newRoutes(apps []*app) routes {
	var table routes
	for _, a := range apps {
		table = append(table, route{app: a, prefix: a.desc.Prefix() + "/"})
		for _, dir := range a.statics {
			table = append(table, route{app: a, prefix: dir.url, static: dir})
		}
	}
	slices.SortStableFunc(table, func(a, b route) int { return len(b.prefix) - len(a.prefix) })
	return table
}

// find returns what a path leads to on a host, as hostName returns it. Apps
// that name the host come before those that take any. A host that no app names
// (localhost) reaches every app; where two of them share a mount, the first by
// name.
func (t routes) find(host, path string) (match, bool) {
	named := t.names(host)
	var found *route
	for i := range t {
		r := &t[i]
		if found != nil && len(r.prefix) < len(found.prefix) {
			break
		}
		if !r.matches(path) || (named && !r.app.answers(host)) {
			continue
		}
		// Of two routes with one prefix, the one that names the host is better.
		if found == nil || (!found.app.names(host) && r.app.names(host)) {
			found = r
		}
	}
	if found == nil {
		return match{}, false
	}
	return found.match(path), true
}

// names reports whether any app names the host.
func (t routes) names(host string) bool {
	return slices.ContainsFunc(t, func(r route) bool { return r.app.names(host) })
}

// matches reports whether a path is below the route. A mount takes its own name
// without the slash as well ("/blog", never "/blog2"); a static folder does not.
func (r *route) matches(path string) bool {
	if strings.HasPrefix(path, r.prefix) {
		return true
	}
	return r.static == nil && path+"/" == r.prefix
}

func (r *route) match(path string) match {
	if r.static != nil {
		return match{app: r.app, static: r.static, pathInfo: path[len(r.prefix):]}
	}
	script := r.app.desc.Prefix()
	m := match{app: r.app, script: script, pathInfo: path[len(script):]}
	m.bare = m.pathInfo == "" && r.app.desc.HTTP.RedirectBare
	return m
}

// names reports whether the app names the host in http.host.
func (a *app) names(host string) bool {
	return slices.ContainsFunc(a.desc.HTTP.Host, func(name string) bool { return matchHost(name, host) })
}

// answers reports whether the app names the host, or takes any.
func (a *app) answers(host string) bool {
	return len(a.desc.HTTP.Host) == 0 || a.names(host)
}
