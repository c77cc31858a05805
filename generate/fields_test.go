package generate_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// webSamples is, for every field that concerns a web server, a description of
// two backends with it, in lines for http (or for the top level, with "top:").
// A new field has to get one here.
var webSamples = map[string]string{
	"http.host":                  "  host: example.net\n",
	"http.mount":                 "  mount: /other/\n",
	"http.redirect_bare":         "  redirect_bare: false\n",
	"http.base_url":              "  base_url: https://example.net:81\n",
	"http.static[].url":          "  static: [{url: /base/t/, dir: /srv/s/}]\n",
	"http.static[].dir":          "  static: [{url: /base/s/, dir: /srv/t/}]\n",
	"http.static[].expires":      "  static: [{url: /base/s/, dir: /srv/s/, expires: 1h}]\n",
	"http.static[].index":        "  static: [{url: /base/s/, dir: /srv/s/, index: x.html}]\n",
	"http.max_body":              "  max_body: 1MiB\n",
	"http.timeouts.connect":      "  timeouts: {connect: 7s}\n",
	"http.timeouts.send":         "  timeouts: {send: 7s}\n",
	"http.timeouts.read":         "  timeouts: {read: 7s}\n",
	"http.buffering":             "  buffering: false\n",
	"http.params":                "  params: {SAMPLE: x}\n",
	"http.pass_headers":          "  pass_headers: [Status]\n",
	"http.hide_headers":          "  hide_headers: [X-Sample]\n",
	"http.relative_redirects":    "  relative_redirects: internal\n",
	"http.allow":                 "  allow: [192.0.2.0/24]\n",
	"http.deny":                  "  deny: [192.0.2.0/24]\n",
	"http.balance.method":        "  balance: {method: least-conn}\n",
	"http.balance.max_fails":     "  balance: {max_fails: 0}\n",
	"http.balance.fail_timeout":  "  balance: {fail_timeout: 7s}\n",
	"http.extra.nginx":           "  extra: {nginx: /etc/x.conf}\n",
	"http.extra.lighttpd":        "  extra: {lighttpd: /etc/x.conf}\n",
	"http.extra.apache":          "  extra: {apache: /etc/x.conf}\n",
	"listen.tcp":                 "top:listen: {tcp: \"127.0.0.1:9000\"}\n",
	"listen.unix":                "top:listen: {unix: /run/x.sock, group: www-data}\n",
	"run.instances":              "top:run: {command: [/srv/x], user: www, instances: 3}\n",
	"protocol":                   "top:protocol: uwsgi\n",
	"name":                       "top:name: other\n",
	"options.nginx.as":           "top:options: {nginx: {as: server}}\n",
	"options.lighttpd.version":   "top:options: {lighttpd: {version: 1.4.55}}\n",
	"options.apache.as":          "top:options: {apache: {as: vhost}}\n",
	"options.apache.module":      "top:options: {apache: {module: mod_scgi}}\n",
	"options.apache.ajp_secret":  "top:options: {apache: {ajp_secret: /etc/x}}\n",
	"options.haproxy.as":         "top:options: {haproxy: {as: frontend}}\n",
	"options.haproxy.map":        "top:options: {haproxy: {map: /etc/x.map}}\n",
	"options.caddy.as":           "top:options: {caddy: {as: site}}\n",
	"options.caddy.users":        "top:options: {caddy: {users: {a: $$2b$$04$$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ/fW7zEJv8I8C8e}}}\n",
	"options.apache.mount_point": "top:options: {apache: {mount_point: /usr/x}}\n",
}

// sampleText is a description with the lines of a sample in the place of its
// own.
func sampleText(sample string) string {
	top := map[string]string{
		"name":   "name: base\n",
		"run":    "run: {command: [/srv/x], user: www, instances: 2}\n",
		"listen": "listen: {tcp: \"127.0.0.1:8000\"}\n",
	}
	http := map[string]string{"mount": "  mount: /base/\n", "static": "  static: [{url: /base/s/, dir: /srv/s/}]\n"}
	if line, ok := strings.CutPrefix(sample, "top:"); ok {
		key, _, _ := strings.Cut(line, ":")
		top[key] = line
	} else if sample != "" {
		key, _, _ := strings.Cut(strings.TrimSpace(sample), ":")
		http[key] = sample
		if key == "mount" {
			delete(http, "static")
		}
	}
	var b strings.Builder
	b.WriteString("apiVersion: scgikit/v1\ntype: server\n")
	for _, key := range []string{"name", "protocol", "run", "listen", "options"} {
		b.WriteString(top[key])
	}
	b.WriteString("http:\n")
	for _, key := range slices.Sorted(maps.Keys(http)) {
		b.WriteString(http[key])
	}
	return b.String()
}

// fastcgiText is sampleText for servers that speak no SCGI, and for HAProxy,
// which serves no files.
func fastcgiText(sample string) string {
	text := sampleText(sample)
	if !strings.Contains(text, "protocol:") {
		text = strings.Replace(text, "type: server\n", "type: server\nprotocol: fastcgi\n", 1)
	}
	if !strings.Contains(sample, "static:") {
		text = strings.Replace(text, "  static: [{url: /base/s/, dir: /srv/s/}]\n", "", 1)
	}
	return text
}

// TestNothingIsDropped sets every field alone. Under each web server it changes
// the output, or a problem names it, or the matrix says that another part of
// the set-up carries it.
func TestNothingIsDropped(t *testing.T) {
	for _, info := range appfile.Fields() {
		path := info.Path
		concerned := strings.HasPrefix(path, "http.") || path == "listen.tcp" || path == "listen.unix" || path == "run.instances" || path == "protocol" || path == "name"
		if _, ok := webSamples[path]; concerned && !ok {
			t.Errorf("%s has no sample here", path)
		}
	}
	for _, name := range []string{"nginx", "lighttpd", "apache", "haproxy", "caddy"} {
		target, _ := generate.Lookup(name)
		sampleText := sampleText
		if target.Fits(load(t, sampleText("")).Apps[0]) != "" {
			sampleText = fastcgiText
		}
		base := withoutInputs(mustRender(t, name, load(t, sampleText(""))).Txtar())
		for path, sample := range webSamples {
			project, problems := tryLoad(sampleText(sample))
			if problems.HasErrors() {
				t.Errorf("%s: the sample is refused: %v", path, problems)
				continue
			}
			set, problems := render(t, target, project)
			named := false
			for _, p := range problems {
				named = named || strings.HasPrefix(appfile.FieldOf(p.Path), path) || strings.HasPrefix(path, p.Path)
				if p.Severity == diag.Error && p.Hint == "" {
					t.Errorf("%s: %s is refused without a hint: %v", name, path, p)
				}
			}
			changed := set != nil && string(withoutInputs(set.Txtar())) != string(base)
			field, _ := target.Fields.Lookup(appfile.FieldOf(path))
			elsewhere := field.Support == generate.Elsewhere || strings.HasPrefix(path, "options.") && !strings.HasPrefix(path, "options."+name+".")
			if (name == "apache" || name == "haproxy") && path == "http.buffering" {
				continue // what false asks for is the only way it knows; true is named
			}
			if !changed && !named && !elsewhere {
				t.Errorf("%s drops %s silently", name, path)
			}
			if changed && elsewhere {
				t.Errorf("%s uses %s, and the matrix says that another part does", name, path)
			}
		}
	}
}

// TestExtremes lets the real programs read the largest and smallest values that
// a description can have.
func TestExtremes(t *testing.T) {
	const longest = "87600h" // ten years
	blog := startBackend(t, "blog", "")
	for name, lines := range map[string]string{
		"large": "  max_body: 1024GiB\n  timeouts: {connect: " + longest + ", send: " + longest + ", read: " + longest + "}\n" +
			"  static: [{url: /blog/static/, dir: /srv/, expires: " + longest + "}]\n",
		"small": "  max_body: 0\n  static: [{url: /blog/static/, dir: /srv/, expires: 1ms}]\n",
		"short": "  timeouts: {connect: 1ms, send: 1ms, read: 1ms}\n",
		"long":  "  params: {P: \"" + strings.Repeat("x", 4000) + "\"}\n  hide_headers: [" + strings.Repeat("X", 46) + "]\n",
		"both":  "  allow: [0.0.0.0/0, \"::/0\", \"::/1\", 192.0.2.1]\n  deny: [192.0.2.1, 192.0.2.1/32, 192.0.2.1]\n  balance: {fail_timeout: 1ms}\n",
		"many":  "  deny: [" + networks(200) + "]\n",
	} {
		t.Run(name, func(t *testing.T) {
			forFronts(t, nil, func(t *testing.T, f *front) {
				server := f.start(t, app("blog", tcp(blog), "/blog/", lines))
				if name == "short" {
					return // that it starts is all; a busy machine answers too late
				}
				if r := get(t, server.Addr, "/blog/x"); r.Received == nil {
					t.Errorf("%d", r.Status)
				}
				if r := post(t, server.Addr, "/blog/x", 100_000); r.Status == 413 {
					t.Error("a body of 100,000 bytes is too large")
				}
			})
		})
	}
}

// networks lists n addresses.
func networks(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("192.0.2.%d", i))
	}
	return strings.Join(list, ", ")
}
