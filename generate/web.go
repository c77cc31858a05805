package generate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// What the web servers have in common. All of them give the app the same
// SCRIPT_NAME (the mount without its final slash, "" for /) and PATH_INFO (the
// decoded rest), whatever the type of the app: for a folder of CGI scripts the
// bridge finds the script in PATH_INFO, because no two servers agree on
// SCRIPT_FILENAME.

// fitsWeb is Target.Fits of every web server: each app has a mount.
func fitsWeb(*appfile.App) string { return "" }

// webFields says what becomes of the fields under a web server; own holds what
// is different for one of them.
func webFields(own Fields) Fields {
	fields := Fields{
		"*":             {Support: Elsewhere},
		"name":          {Support: Carried},
		"protocol":      {Support: Carried},
		"run.instances": {Support: Carried},
		"listen.tcp":    {Support: Carried},
		"listen.unix":   {Support: Carried},
		"http.*":        {Support: Carried},
		"http.extra.*":  {Support: Elsewhere},
		"options":       {Support: Carried},
	}
	maps.Copy(fields, own)
	return fields
}

// acceptWeb returns the problems that every web server has with an app.
func acceptWeb(s *Scope, a *appfile.App) diag.List {
	return append(acceptProtocol(s, a), contradictions(a)...)
}

// contradictions returns a problem for each answer header that is to be passed
// and to be hidden.
func contradictions(a *appfile.App) diag.List {
	var list diag.List
	for i, hidden := range a.HTTP.HideHeaders {
		if slices.ContainsFunc(a.HTTP.PassHeaders, func(h string) bool { return strings.EqualFold(h, hidden) }) {
			list = append(list, a.Problem(fmt.Sprintf("http.hide_headers[%d]", i), "contradiction",
				hidden+" is in pass_headers as well", "take it out of one of the two"))
		}
	}
	return list
}

// acceptHidden refuses names of headers that a server would not find in an answer,
// or would find more than, and says why.
func acceptHidden(a *appfile.App, misread func(name string) bool, why string) diag.List {
	var list diag.List
	for i, h := range a.HTTP.HideHeaders {
		if misread(h) {
			list = append(list, a.Problem(fmt.Sprintf("http.hide_headers[%d]", i), codeCannotCarry, why, "give the header another name in the app, of letters, digits and -"))
		}
	}
	return list
}

// acceptExtra refuses a path that the server would read as a pattern of file
// names, with the characters that make one.
func acceptExtra(s *Scope, a *appfile.App, file, pattern string) diag.List {
	if !strings.ContainsAny(file, pattern) {
		return nil
	}
	return diag.List{a.Problem("http.extra."+s.Target.Name, codeCannotQuote,
		s.Target.Name+" takes any of "+pattern+" in the path of an include for a pattern", "name one file without them")}
}

// noHostHere warns that a file which is included inside a server of the
// user's own does not choose by host.
func noHostHere(s *Scope, a *appfile.App, where string) diag.List {
	if !a.IsSet("http.host") {
		return nil
	}
	return diag.List{a.Warning("http.host", codeNotCarried,
		s.Target.Name+" gets files without a host",
		"include them in "+where+" of "+strings.Join(a.HTTP.Host, " "))}
}

// webApp is what templates of web servers are given, of one app.
type webApp struct {
	Name    string
	Ident   string // the name as an identifier
	speaks         // one of its fields is set
	Mount   string // "/blog/", or "/"
	Prefix  string // "/blog", or "": SCRIPT_NAME
	Root    bool   // mounted at /
	Hosts   []string
	Statics []webStatic // the longest URL first

	Redirect   bool   // PREFIX is answered by a redirect to RedirectTo
	RedirectTo string // "/blog/", or with base_url "http://example.org:81/blog/"
	Bare       bool   // PREFIX itself goes to the app

	Backends  []appfile.Addr
	Params    []param
	Hide      []string
	Pass      []string
	Deny      []string
	Allow     []string // then all others are refused
	Extra     string
	Buffering bool
	MaxBody   int64

	Connect, Send, Read time.Duration
}

// param is a name and a value.
type param struct{ Name, Value string }

// webStatic is a folder that the server serves.
type webStatic struct {
	URL     string
	Dir     string
	Index   string
	Expires int64 // seconds; 0 is none
	App     *webApp
}

func newWebApp(a *appfile.App, extra string) *webApp {
	w := &webApp{
		Name: a.Name, Ident: a.Ident(), speaks: speaksOf(a.Protocol), Mount: a.Prefix() + "/", Prefix: a.Prefix(), Root: a.Prefix() == "",
		Hosts: hostNames(a), Backends: a.Backends(),
		Hide: a.HTTP.HideHeaders, Pass: a.HTTP.PassHeaders, Deny: a.HTTP.Deny, Allow: a.HTTP.Allow,
		Extra: extra, Buffering: a.HTTP.Buffering, MaxBody: int64(a.HTTP.MaxBody),
		Connect: a.HTTP.Timeouts.Connect, Send: a.HTTP.Timeouts.Send, Read: a.HTTP.Timeouts.Read,
	}
	if !w.Root {
		w.Redirect, w.Bare = a.HTTP.RedirectBare, !a.HTTP.RedirectBare
		w.RedirectTo = strings.TrimSuffix(a.HTTP.BaseURL, "/") + w.Mount
	}
	for _, name := range slices.Sorted(maps.Keys(a.HTTP.Params)) {
		w.Params = append(w.Params, param{name, a.HTTP.Params[name]})
	}
	for _, st := range a.HTTP.Static {
		index := st.Index
		if index == "" {
			// All three would use it, in their own settings; those may differ.
			index = "index.html"
		}
		w.Statics = append(w.Statics, webStatic{
			URL: st.URL, Dir: st.Dir, Index: index, Expires: wholeSeconds(st.Expires), App: w,
		})
	}
	slices.SortFunc(w.Statics, func(a, b webStatic) int {
		if len(a.URL) != len(b.URL) {
			return len(b.URL) - len(a.URL)
		}
		return strings.Compare(a.URL, b.URL)
	})
	return w
}

// hostNames returns the hosts as they stand in a Host header, sorted.
func hostNames(a *appfile.App) []string {
	var hosts []string
	for _, h := range a.HTTP.Host {
		if strings.Contains(h, ":") {
			h = "[" + h + "]" // an IPv6 address
		}
		hosts = append(hosts, h)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// staticsByDepth returns the folders by the depth of the file they belong in,
// and the depths from the smallest. A folder below the mount goes with the
// mount: what is mounted between the two would be refused as an overlap, and
// what is mounted below both is deeper than both.
func (w *webApp) staticsByDepth(mount int) (byDepth map[int][]webStatic, depths []int) {
	byDepth = make(map[int][]webStatic)
	for _, st := range w.Statics {
		depth := strings.Count(st.URL, "/") - 1
		if strings.HasPrefix(st.URL, w.Mount) {
			depth = mount
		}
		byDepth[depth] = append(byDepth[depth], st)
	}
	return byDepth, slices.Sorted(maps.Keys(byDepth))
}

// maxDepth is the depth that file names can carry, which order files by two
// digits around 50.
const maxDepth = 49

func acceptDepth(s *Scope, a *appfile.App) diag.List {
	var list diag.List
	if a.Depth() > maxDepth {
		list = append(list, a.Problem("http.mount", "too-deep", s.Target.Name+" files are ordered by the number of segments, and it has more than 49", "use a shorter path"))
	}
	for i, st := range a.HTTP.Static {
		if strings.Count(st.URL, "/") > maxDepth {
			list = append(list, a.Problem(fmt.Sprintf("http.static[%d].url", i), "too-deep", s.Target.Name+" files are ordered by the number of segments, and it has more than 49", "use a shorter path"))
		}
	}
	return list
}

// regexpChars are the characters that mean something in a pattern of PCRE. A
// class of one character takes the meaning from each of them, without a
// backslash, which not every syntax can carry.
var regexpChars = regexp.MustCompile(`[.+*?()|{}$\[\]]`)

// literal returns a pattern that matches the text and nothing else. The text
// is a URL path or a host name; it holds neither "^" nor "\".
func literal(s string) string { return regexpChars.ReplaceAllString(s, "[$0]") }

// hostPattern matches a Host header that names one of the hosts, with or
// without a port. "*.example.org" is any name below example.org, as in nginx.
func hostPattern(hosts []string) string {
	var words []string
	for _, h := range hosts {
		if rest, ok := strings.CutPrefix(h, "*."); ok {
			words = append(words, ".+[.]"+literal(rest))
			continue
		}
		words = append(words, literal(h))
	}
	return "^(" + strings.Join(words, "|") + ")(:[0-9]+)?$"
}

// halves returns networks without those of all addresses, each of which it
// writes as two: Apache refuses a mask of no bits, and Lighttpd takes it for a
// network that nobody is in.
//
// Source: apr network_io/unix/sockaddr.c, apr_ipsubnet_create; measured with
// Lighttpd 1.4.69.
func halves(networks []string) []string {
	var out []string
	for _, network := range networks {
		switch network {
		case "0.0.0.0/0":
			out = append(out, "0.0.0.0/1", "128.0.0.0/1")
		case "::/0":
			out = append(out, "::/1", "8000::/1")
		default:
			out = append(out, network)
		}
	}
	return out
}

// wholeSeconds rounds a time up.
func wholeSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// warnRounding warns of times that a server which counts in seconds rounds up.
func warnRounding(s *Scope, a *appfile.App, fields map[string]time.Duration) diag.List {
	var list diag.List
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if d := fields[field]; d%time.Second != 0 {
			list = append(list, a.Warning(field, "rounded",
				fmt.Sprintf("%s counts in seconds: %s becomes %ds", s.Target.Name, d, wholeSeconds(d)), "write whole seconds"))
		}
	}
	return list
}

// option returns the options of the target in the description, or its defaults.
func option[T any](a *appfile.App, target string, defaults T) T {
	if got, ok := a.Options[target].(*T); ok && got != nil {
		return *got
	}
	return defaults
}

// longSocket refuses a path of a socket that the kernel takes, and the web server does
// not, which would refuse all of its configuration for it.
func longSocket(s *Scope, a *appfile.App, most int) diag.List {
	for _, addr := range a.Backends() {
		if n := len(addr.Unix); n > most {
			return diag.List{a.Problem("listen.unix", codeCannotCarry, fmt.Sprintf("%s takes a path of at most %d bytes for a socket, and %s has %d", s.Target.Name, most, addr.Unix, n), "use a shorter path, or listen.tcp")}
		}
	}
	return nil
}
