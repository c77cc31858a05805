package generate

import (
	"fmt"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// What a web server speaks to an app. SCGI, FastCGI and uwsgi carry variables,
// and those are the same in all three. HTTP and AJP carry the request itself:
// the mount stands in its path, and the app has to know it. To an HTTP app four
// fields say what variables say to the others (see forwarded).

// speaks is a protocol as templates test it.
type speaks struct{ SCGI, FastCGI, UWSGI, AJP, HTTP bool }

func speaksOf(p appfile.Protocol) speaks {
	return speaks{
		SCGI: p == appfile.SCGI, FastCGI: p == appfile.FastCGI, UWSGI: p == appfile.UWSGI,
		AJP: p == appfile.AJP, HTTP: p == appfile.HTTP1,
	}
}

// Variables reports whether the protocol carries variables.
func (s speaks) Variables() bool { return s.SCGI || s.FastCGI || s.UWSGI }

// acceptProtocol returns what an app's protocol has no place for, on any web
// server, and refuses one that scgi-run, which answers for scripts and
// callables, does not speak.
func acceptProtocol(s *Scope, a *appfile.App) diag.List {
	var list diag.List
	if bridged(a) && !scgiRunSpeaks(a) {
		message, hint := "scgi-run, which answers for the app, speaks SCGI only", "set protocol: scgi"
		switch {
		case byUWSGI(a):
			message, hint = "uwsgi, which answers for the app, does not speak "+string(a.Protocol), "set it to scgi, fastcgi, uwsgi or http"
		case a.Type == appfile.TypeWSGI:
			hint += ", or wsgi.server: uwsgi, which speaks others"
		case residentBridge(a):
			message, hint = "scgi-run bridge, which answers for the app, speaks SCGI and FastCGI", "set it to scgi or fastcgi"
		case a.Protocol == appfile.FastCGI:
			hint += "; a bridge that keeps running speaks both"
		}
		list = append(list, a.Problem("protocol", codeCannotCarry, message, hint))
	}
	if len(a.HTTP.Params) == 0 || speaksOf(a.Protocol).Variables() {
		return list
	}
	return append(list, a.Problem("http.params", codeCannotCarry,
		fmt.Sprintf("%s has no parameters besides the request: %s could send them only as header fields, which clients send as well", a.Protocol, s.Target.Name),
		"set run.env, or a protocol with parameters: scgi, fastcgi or uwsgi"))
}

// forwardedNames are the fields that an HTTP app gets, in the place of
// REMOTE_ADDR, HTTP_HOST, REQUEST_SCHEME and SCRIPT_NAME.
var forwardedNames = [...]string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix"}

// otherForwarded are fields by which other proxies say such things, and which
// programs believe: they never reach an HTTP app from a client.
//
// Source: RFC 7239; https://httpoxy.org; the settings of gunicorn
// (forwarder_headers, secure_scheme_headers), of Werkzeug's ProxyFix, and of
// Tomcat's RemoteIpValve.
var otherForwarded = [...]string{
	"Forwarded", "Path-Info", "Proxy", "Remote-User", "Script-Name", "X-Forwarded-Port", "X-Forwarded-Protocol",
	"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-User", "X-Real-Ip", "X-Remote-User", "X-Script-Name",
}

// smuggled are names that an app which makes variables of fields cannot tell
// from those that it believes, because "-" and "_" are one to it: sorted. nginx
// passes no name with "_".
func smuggled() []string {
	var names []string
	for _, name := range slices.Concat(forwardedNames[:], []string{"Path-Info", "Remote-User", "Script-Name"}) {
		spelled := []string{""}
		for i, word := range strings.Split(name, "-") {
			var longer []string
			for _, s := range spelled {
				if i == 0 {
					longer = append(longer, word)
				} else {
					longer = append(longer, s+"-"+word, s+"_"+word)
				}
			}
			spelled = longer
		}
		names = append(names, slices.DeleteFunc(spelled, func(s string) bool { return s == name })...)
	}
	slices.Sort(names)
	return names
}

// around returns the other apps of a project that would get the requests for a
// URL, or for some below it, if nothing more exact were there: those whose mount
// the URL lies in. On which hosts is not asked, since what is written for them
// does no harm where they are not.
func around(s *Scope, a *appfile.App, url string) []*appfile.App {
	var outer []*appfile.App
	for _, other := range s.Project.Apps {
		if other != a && strings.HasPrefix(url, other.Prefix()+"/") {
			outer = append(outer, other)
		}
	}
	return outer
}
