package generate_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/webserver"
)

// headerMarks are what the name of a header may have besides letters and digits.
//
// Source: RFC 9110 section 5.6.2, token.
const headerMarks = "!#$%&'*+-.^_`|~"

// awkwardHeaders are names of headers with each of these, at every place.
func awkwardHeaders() []string {
	var names []string
	for mark := range strings.SplitSeq(headerMarks, "") {
		names = append(names, "X-A"+mark+"b", "X-C"+mark, mark+"D-x")
	}
	return append(names, "X-$host", "X-%d", "X-0", "true", "off")
}

// nextToHeaders are names that a pattern would find for one of awkwardHeaders.
var nextToHeaders = [...]string{"X-Keep", "X-Aab", "X-Ab", "X-C", "X-Cd", "D-x", "AD-x", "X-Axxb"}

// namedHeaders is the part of an answer's head with all of them.
func namedHeaders() string {
	var b strings.Builder
	for _, name := range append(awkwardHeaders(), nextToHeaders[:]...) {
		b.WriteString(name + ": value\r\n")
	}
	return b.String()
}

// TestAwkwardHeaders hides headers of every awkward name. A name is refused where it
// stands, or the header does not reach the browser, and those next to it do.
func TestAwkwardHeaders(t *testing.T) {
	scgi := func(t *testing.T) *backend { return startBackend(t, "blog", "") }
	gateway := func(t *testing.T) *backend { return startGateway(t, "fastcgi", "blog", "").backend }
	for _, x := range []struct {
		f     *front
		start func(*testing.T) *backend
		text  func(b *backend, lines string) string
	}{
		{&fronts[0], scgi, func(b *backend, lines string) string { return app("blog", tcp(b), "/blog/", lines) }},
		{&fronts[2], scgi, func(b *backend, lines string) string { return app("blog", tcp(b), "/blog/", lines) }},
		{&fronts[3], scgi, func(b *backend, lines string) string { return app("blog", tcp(b), "/blog/", lines) }},
		{&gateways[0], gateway, func(b *backend, lines string) string { return gatewayApp("fastcgi", "blog", tcp(b), "/blog/", lines) }},
		{&gateways[2], gateway, func(b *backend, lines string) string { return gatewayApp("fastcgi", "blog", tcp(b), "/blog/", lines) }},
	} {
		t.Run(x.f.name, func(t *testing.T) {
			x.f.find(t)
			b := x.start(t)
			target, _ := generate.Lookup(string(x.f.program))
			hidden := make(map[string]bool)
			var list []string
			for _, name := range awkwardHeaders() {
				text := x.text(b, "  hide_headers: ["+yamlText(name)+"]\n")
				project, problems := tryLoad(strings.NewReplacer("OPTIONS\n", "", "REDIRECTS", "pass").Replace(text))
				if !problems.HasErrors() {
					_, problems = render(t, target, project)
				}
				if problems.HasErrors() {
					namesField(t, problems, "http.hide_headers[0]", name)
					continue
				}
				hidden[name], list = true, append(list, yamlText(name))
			}
			if len(list) < 5 {
				t.Errorf("only %d names are carried", len(list))
			}
			var pass []string // what is not hidden is passed, whatever its name
			for _, name := range awkwardHeaders() {
				if !hidden[name] && !strings.Contains(name, "$") {
					pass = append(pass, yamlText(name))
				}
			}
			server := x.f.start(t, x.text(b, "  hide_headers: ["+strings.Join(list, ", ")+"]\n  pass_headers: ["+strings.Join(pass, ", ")+"]\n"))
			came := make(map[string]bool)
			for name := range get(t, server.Addr, "/blog/x", "X-Answer: names").Header {
				came[strings.ToLower(name)] = true
			}
			for _, name := range append(awkwardHeaders(), nextToHeaders[:]...) {
				there := came[strings.ToLower(name)]
				if there && hidden[name] {
					t.Errorf("%s is not hidden", name)
				}
				if !there && !hidden[name] && strings.Trim(name, headerMarks) == name {
					t.Errorf("%s is hidden", name)
				}
			}
			t.Logf("%d of %d names are carried", len(list), len(awkwardHeaders()))
		})
	}
}

// TestAwkwardRoots has document roots of every awkward name, and the file behind
// which Apache mounts an app: they are refused by name, or the server finds the files
// in there, and the app.
func TestAwkwardRoots(t *testing.T) {
	dir := publicDir(t)
	for _, x := range []struct {
		f      *front
		option string
	}{{&fronts[1], "root"}, {&fronts[4], "root"}, {&gateways[3], "root"}, {&fronts[4], "mount_point"}} {
		t.Run(x.f.name+" "+x.option, func(t *testing.T) {
			x.f.find(t)
			target, _ := generate.Lookup(string(x.f.program))
			field := "options." + string(x.f.program) + "." + x.option
			carried := 0
			var all strings.Builder
			served := make(map[string]string)
			for i, value := range awkward {
				if !usable(value) {
					continue
				}
				host, protocol := fmt.Sprintf("v%d.test", i), "scgi"
				name := fmt.Sprintf("v%d", i)
				place := filepath.Join(dir, string(x.f.program)+x.option, name+"-"+value)
				if x.f.program == webserver.Caddy {
					protocol = "fastcgi"
				}
				kind := map[webserver.Program]string{webserver.Nginx: "as: server, ", webserver.Apache: "as: vhost, ", webserver.Caddy: "as: site, "}[x.f.program]
				text := gatewayApp(protocol, name, "group: www-data, unix: "+filepath.Join(dir, name+".none"), "/"+name+"/", "  host: "+host+"\n")
				text = strings.Replace(text, "OPTIONS\n", "options: {"+string(x.f.program)+": {"+kind+x.option+": "+yamlText(place)+"}}\n", 1)
				project, problems := tryLoad(strings.ReplaceAll(text, "REDIRECTS", "pass"))
				if !problems.HasErrors() {
					_, problems = render(t, target, project)
				}
				if problems.HasErrors() {
					namesField(t, problems, field, value)
					continue
				}
				carried++
				if x.option == "root" {
					writeFile(t, filepath.Join(place, "x.css"), value)
				} else {
					writeFile(t, filepath.Join(place, name, "app"), "")
				}
				all.WriteString(text)
				served[host] = value
			}
			if carried < 20 {
				t.Errorf("only %d of %d values are carried", carried, len(awkward))
			}
			server := x.f.start(t, all.String())
			for host, value := range served {
				path, status, body := "/x.css", 200, value
				if x.option == "mount_point" {
					path, status, body = "/"+strings.TrimSuffix(host, ".test")+"/x", 503, "" // the app is asked for, and does not run
				}
				r := ask(t, server.Addr, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
				if r.Status != status || body != "" && r.Body != body {
					t.Errorf("%q: %d %.80q", value, r.Status, r.Body)
				}
			}
		})
	}
}
