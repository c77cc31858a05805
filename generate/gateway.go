package generate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// What HAProxy and Caddy have in common: they speak FastCGI and HTTP to
// programs that keep running, and none of the other protocols.
//
// With FastCGI an app sees SCRIPT_NAME and PATH_INFO as behind the other web
// servers. HTTP has neither: the app gets the path as the client sent it, with
// the mount in X-Forwarded-Prefix.

// fitsGateway is Target.Fits of both.
func fitsGateway(a *appfile.App) string {
	switch a.Protocol {
	case appfile.SCGI, appfile.UWSGI, appfile.AJP:
		return fmt.Sprintf("it speaks %s, and haproxy and caddy speak fastcgi and http alone", a.Protocol)
	case appfile.FastCGI, appfile.HTTP1:
	}
	if bridged(a) && !scgiRunSpeaks(a) {
		return "scgi-run answers for it, which speaks scgi, and fastcgi for scripts where the bridge keeps running; uwsgi speaks both"
	}
	return ""
}

// gatewayFields says what becomes of the fields under both.
func gatewayFields(own Fields) Fields {
	fields := Fields{
		"protocol":                {Support: Carried, Note: "fastcgi and http; scgi, uwsgi and ajp are refused"},
		"http.params":             {Support: Carried, Note: "with fastcgi; http has none, and they are refused"},
		"http.pass_headers":       {Support: Carried, Note: "it passes all but Status of fastcgi"},
		"http.relative_redirects": {Support: Carried, Note: "internal: a warning; the browser follows the redirect"},
	}
	maps.Copy(fields, own)
	return webFields(fields)
}

// gatewayDropped returns the fields that do not reach an app from a client: to an
// HTTP app none that programs believe.
func gatewayDropped(a *appfile.App) []string {
	if a.Protocol == appfile.HTTP1 {
		return otherForwarded[:]
	}
	return []string{"Forwarded", "Proxy", "X-Forwarded-Port", "X-Forwarded-Server", "X-Real-Ip"}
}

// acceptGateway returns the problems that both have with an app.
func acceptGateway(s *Scope, a *appfile.App) diag.List {
	list := contradictions(a)
	if a.Protocol == appfile.HTTP1 {
		for _, p := range newWebApp(a, "").Params {
			list = append(list, a.Problem("http.params."+p.Name, codeCannotCarry, "http has no parameters besides the request", "set run.env, or protocol: fastcgi"))
		}
	}
	if a.HTTP.RelativeRedirects == appfile.RedirectsInternal {
		list = append(list, a.Warning("http.relative_redirects", codeNotCarried,
			s.Target.Name+" passes relative redirects on; the browser follows them", "the page is the same; remove the key where no Apache needs it"))
	}
	return list
}

// acceptShared returns a problem for each option that an earlier app of the run
// has another value for, of those that stand in a file which they share.
func acceptShared[T any](s *Scope, a *appfile.App, of func(*appfile.App) T, keys map[string]func(T) string) diag.List {
	var list diag.List
	for _, other := range s.Apps {
		if other == a {
			break
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if keys[key](of(a)) == keys[key](of(other)) {
				continue
			}
			field := "options." + s.Target.Name + "." + key
			p := a.Problem(field, "server-conflict", "is not that of "+other.Name+", with which it shares a file", "give both the same value")
			span := other.Origin(field).Span
			p.Other = &span
			list = append(list, p)
		}
	}
	return list
}

// acceptUsers returns the problems of names and hashes for Basic
// authentication.
func acceptUsers(s *Scope, a *appfile.App, users map[string]string, isHash func(string) bool, hint string) diag.List {
	var list diag.List
	for _, name := range slices.Sorted(maps.Keys(users)) {
		field := "options." + s.Target.Name + ".users." + name
		if name == "" || strings.Contains(name, ":") {
			list = append(list, a.Problem(field, codeCannotCarry, "Basic authentication has no empty names, and none with a colon", "use another name"))
		}
		if !isHash(users[name]) {
			list = append(list, a.Problem(field, codeCannotCarry, "is not the hash of a password", hint))
		}
	}
	return list
}

// usersOf returns the users in the order of their names.
func usersOf(users map[string]string) []param {
	var list []param
	for _, name := range slices.Sorted(maps.Keys(users)) {
		list = append(list, param{name, users[name]})
	}
	return list
}
