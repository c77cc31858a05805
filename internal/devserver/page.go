package devserver

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"time"
)

// failure is a request that dev answers itself, with a page that says why.
type failure struct {
	status int
	reason string        // one sentence
	hint   string        // what to do about it
	app    *app          // whose last log lines the page shows; nil for none
	retry  time.Duration // for Retry-After; 0 for none
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
<head><meta charset="utf-8"><title>{{.Status}} {{.Text}}</title>
<style>body{font:16px/1.5 sans-serif;max-width:50em;margin:3em auto;padding:0 1em}pre{background:#eee;color:#222;padding:1em;overflow:auto}</style></head>
<body>
<h1>{{.Status}} {{.Text}}</h1>
<p>{{.Reason}}</p>
{{with .Hint}}<p><strong>Hint:</strong> {{.}}</p>
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

// fail answers with the page of a failure.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f *failure) {
	data := pageData{Status: f.status, Text: http.StatusText(f.status), Reason: printable(f.reason), Hint: f.hint}
	if f.app != nil {
		data.App = f.app.desc.Name
		for _, line := range f.app.log.lines() {
			data.Log = append(data.Log, printable(line))
		}
	}
	if f.status == http.StatusNotFound {
		data.Mounts = s.mountLinks(hostName(r.Host))
	}
	var page bytes.Buffer
	if err := s.page.Execute(&page, data); err != nil {
		s.say("error page: %v", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retry.Seconds()))))
	}
	w.WriteHeader(f.status)
	// An error here means that the client has gone.
	_, _ = w.Write(page.Bytes())
}

// mountLinks lists the apps that a host reaches.
func (s *Server) mountLinks(host string) []mountLink {
	var links []mountLink
	for _, a := range s.apps {
		if m, ok := s.routes.find(host, a.desc.Prefix()+"/"); ok && m.app == a {
			links = append(links, mountLink{Name: a.desc.Name, URL: a.desc.Prefix() + "/", Description: a.desc.Description})
		}
	}
	return links
}
