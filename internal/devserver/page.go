package devserver

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"scgikit/internal/scgi"
)

// maxAgain is the longest time after which a page asks again by itself.
const maxAgain = time.Minute

// failure is a request that dev answers itself, with a page that says why.
type failure struct {
	status int
	reason string        // one sentence
	hint   string        // what to do about it
	app    *app          // whose last log lines the page shows; nil for none
	retry  time.Duration // for Retry-After; 0 for none
	facts  []fact        // about the app's programs
}

func failed(status int, format string, args ...any) *failure {
	return &failure{status: status, reason: fmt.Sprintf(format, args...)}
}

func (f *failure) withHint(hint string) *failure {
	f.hint = hint
	return f
}

// pageData is what the page shows. html/template escapes all of it: paths, Host
// fields and log lines are the client's and the app's text.
type pageData struct {
	Status int
	Text   string
	Reason string
	Hint   string
	App    string
	Facts  []fact
	Again  int // seconds after which the page asks again; 0: never
	Log    []string
	Mounts []mountLink
}

// mountLink is one app on the page for 404.
type mountLink struct {
	Name, URL, Description string
}

func newPage() *template.Template {
	return template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8">{{with .Again}}<meta http-equiv="refresh" content="{{.}}">{{end}}<title>{{.Status}} {{.Text}}</title>
<style>body{font:16px/1.5 sans-serif;max-width:50em;margin:3em auto;padding:0 1em}pre{background:#eee;color:#222;padding:1em;overflow:auto}dt{font-weight:bold}</style></head>
<body>
<h1>{{.Status}} {{.Text}}</h1>
<p>{{.Reason}}</p>
{{with .Hint}}<p><strong>Hint:</strong> {{.}}</p>
{{end}}{{with .Facts}}<dl>
{{range .}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>
{{end}}</dl>
{{end}}{{with .Mounts}}<p>What is here:</p>
<ul>
{{range .}}<li><a href="{{.URL}}">{{.URL}}</a> {{.Name}}{{if ne .Name .Description}}: {{.Description}}{{end}}</li>
{{end}}</ul>
{{end}}{{if .Log}}<p>The last lines of {{.App}}'s log:</p>
<pre>{{range .Log}}{{.}}
{{end}}</pre>
{{end}}<hr><p><small>This page is from scgikit dev, not from the app.</small></p>
</body></html>
`))
}

// unavailable is the answer where no connection to an app could be had: 503 for
// one that is known not to run, 502 for one that does not answer.
func (a *app) unavailable(err error) *failure {
	f := failed(http.StatusBadGateway, "%s: %v", a.desc.Name, err)
	if down, ok := errors.AsType[*downError](err); ok {
		f = failed(http.StatusServiceUnavailable, "%s", down.reason)
		f.retry = down.retry
	}
	if isTimeout(err) {
		f.status = http.StatusGatewayTimeout
	}
	f.app, f.facts = a, a.backend.facts()
	return f.withHint("look at its log below; a change of its source starts it at once, and this page asks again when it is due")
}

// noAnswer is the answer where what came back on a connection, which is closed by
// now, is no CGI response.
func (a *app) noAnswer(conn *link, err error) *failure {
	facts := conn.settle()
	name := a.desc.Name
	var f *failure
	var syntax *scgi.SyntaxError
	switch {
	case isTimeout(err):
		f = failed(http.StatusGatewayTimeout, "%s was silent for %v (http.timeouts.read)", name, a.desc.HTTP.Timeouts.Read).
			withHint("raise http.timeouts.read, or find out what it waits for")
	case errors.Is(err, scgi.ErrNoHead):
		f = failed(http.StatusBadGateway, "%s sent no response head", name).
			withHint("an answer starts with header lines, \"Content-Type: text/html\" for one, and an empty line; a program that fails before it prints them shows why in its log")
	case errors.As(err, &syntax), errors.Is(err, scgi.ErrHeadSize):
		f = failed(http.StatusBadGateway, "%s sent a response head that web servers refuse: %v", name, err)
	default:
		f = failed(http.StatusBadGateway, "%s broke off before it answered: %v", name, err)
	}
	f.app, f.facts = a, append(a.backend.facts(), facts...)
	return f
}

// fail answers with the page of a failure.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f *failure) {
	header, page := s.errorPage(f, r.Method, hostName(r.Host))
	maps.Copy(w.Header(), header)
	w.WriteHeader(f.status)
	// An error here means that the client has gone.
	_, _ = w.Write(page)
}

// errorPage returns the page of a failure, for a request with this method to a
// host, as hostName returns it.
func (s *Server) errorPage(f *failure, method, host string) (http.Header, []byte) {
	data := pageData{Status: f.status, Text: http.StatusText(f.status), Reason: printable(f.reason), Hint: f.hint}
	if f.app != nil {
		data.App = f.app.desc.Name
		for _, line := range f.app.log.lines() {
			data.Log = append(data.Log, printable(line))
		}
	}
	for _, row := range f.facts {
		data.Facts = append(data.Facts, fact{printable(row.Name), printable(row.Value)})
	}
	// What was posted is not to be sent twice.
	if f.retry > 0 && f.retry <= maxAgain && (method == http.MethodGet || method == http.MethodHead) {
		data.Again = int(math.Ceil(f.retry.Seconds()))
	}
	if f.status == http.StatusNotFound {
		data.Mounts = s.mountLinks(host)
	}
	var page bytes.Buffer
	if err := s.page.Execute(&page, data); err != nil {
		s.say("error page: %v", err)
	}
	h := make(http.Header)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retry.Seconds()))))
	}
	return h, page.Bytes()
}

// mountLinks lists the apps that a host reaches.
func (s *Server) mountLinks(host string) []mountLink {
	var links []mountLink
	g := s.current.Load()
	for _, a := range g.apps {
		if m, ok := g.routes.find(host, a.desc.Prefix()+"/"); ok && m.app == a {
			links = append(links, mountLink{Name: a.desc.Name, URL: a.desc.Prefix() + "/", Description: a.desc.Description})
		}
	}
	return links
}
