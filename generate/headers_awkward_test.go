package generate_test

import (
	"strings"
	"testing"

	"scgikit/generate"
)

// headerMarks are what the name of a header may have besides letters and digits.
//
// Source: RFC 9110 section 5.6.2, token.
const headerMarks = "!#$%&'*+-.^_`|~"

// awkwardHeaders are names of headers with each of these, at every place.
func awkwardHeaders() []string {
	var names []string
	for _, mark := range strings.Split(headerMarks, "") {
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
			server := x.f.start(t, x.text(b, "  hide_headers: ["+strings.Join(list, ", ")+"]\n"))
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
