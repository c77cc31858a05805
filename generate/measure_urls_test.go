package generate_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/webserver"
)

// TestHostOrder gives a block to any host, to a pattern, to a longer one and to
// a name: the most exact one takes a request, whatever the names of the apps.
func TestHostOrder(t *testing.T) {
	long := strings.Repeat("a", 60)
	want := map[string]string{"other.test": "any", "x.w.test": "wild", "x.m.w.test": "deep", "b.test": "exact", long + ".test": "exact"}
	hosts := map[string]string{"any": "", "wild": "  host: \"*.w.test\"\n", "deep": "  host: \"*.m.w.test\"\n", "exact": "  host: [b.test, " + long + ".test]\n"}
	var text string
	for i, name := range []string{"any", "wild", "deep", "exact"} {
		text += app(name, tcp(startBackend(t, name, "")), fmt.Sprintf("/m%d/", i), hosts[name])
	}
	forFronts(t, []string{"nginx", "lighttpd", "apache", "mod_scgi"}, func(t *testing.T, f *front) {
		server := f.start(t, text)
		for _, host := range slices.Sorted(maps.Keys(want)) {
			for i, name := range []string{"any", "wild", "deep", "exact"} {
				r := ask(t, server.Addr, fmt.Sprintf("GET /m%d/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", i, host))
				if reached := r.Received != nil; reached != (name == want[host]) {
					t.Errorf("%s: the app %s is reached: %v", host, name, reached)
				}
			}
		}
	})
}

func TestHosts(t *testing.T) {
	blog := startBackend(t, "blog", "")
	for _, host := range []string{"h.test", "[h.test, x.test]", "\"*.test\"", "[\"*.w.test\", h.test]"} {
		text := app("blog", tcp(blog), "/blog/", "  host: "+host+"\n")
		t.Run(host, func(t *testing.T) {
			forFronts(t, []string{"nginx", "apache", "mod_scgi"}, func(t *testing.T, f *front) {
				site := f.site(t, text)
				// Some other site that takes what no block names.
				other := map[webserver.Program]fileset.File{
					webserver.Nginx:  {Path: "nginx/0.server.conf", Place: "http", Data: []byte("server {\n    listen 80 default_server;\n    return 404;\n}\n")},
					webserver.Apache: {Path: "apache/0.vhost.conf", Place: "server", Data: []byte("<VirtualHost *:80>\n    ServerName none.test\n    RedirectMatch 404 .\n</VirtualHost>\n")},
				}
				if file, ok := other[f.program]; ok {
					site.Files = append(site.Files, file)
					if err := site.Write(); err != nil {
						t.Fatal(err)
					}
				}
				server, err := site.Start(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(server.Stop)
				if got := told(get(t, server.Addr, "/blog/x")); got != `blog "/blog" "/x"` {
					t.Errorf("h.test: %s", got)
				}
				if r := ask(t, server.Addr, "GET /blog/x HTTP/1.1\r\nHost: evil-h.testing\r\nConnection: close\r\n\r\n"); r.Status != 404 {
					t.Errorf("another host: %d", r.Status)
				}
			})
		})
	}
}

// TestQueries records what a query becomes; lighttpd decodes what needs no
// escape, and escapes a lone percent sign.
func TestQueries(t *testing.T) {
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", "")
	changed := residue{"a=%zz": {"lighttpd": "a=%25zz"}, "%41": {"lighttpd": "A"}}
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		for _, query := range []string{"a=b&c=d", "a=%20b", "a=%2F", "?x", "a=b;c", "%C3%A9", "a=%zz", "%41", "x=$y", "+"} {
			want := query
			if other, ok := changed[query][f.name]; ok {
				want = other
			}
			if got, _ := get(t, server.Addr, "/blog/x?"+query).Received.get("QUERY_STRING"); got != want {
				t.Errorf("?%s: QUERY_STRING is %q, want %q", query, got, want)
			}
		}
	})
}

// TestAbsoluteForm sends the whole URL as request target, as a proxy would.
func TestAbsoluteForm(t *testing.T) {
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", "")
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		if got := told(get(t, server.Addr, "http://h.test:99/blog/a%20b?x")); got != `blog "/blog" "/a b"` {
			t.Error(got)
		}
	})
}

// TestInternalRedirects has Apache resolve a relative redirect itself, where
// the description asks for that; the other servers do not.
func TestInternalRedirects(t *testing.T) {
	blog := startBackend(t, "blog", "")
	f := &fronts[3]
	for redirects, want := range map[string]string{"pass": "200 /blog/target", "internal": `blog "/blog" "/target"`} {
		server := f.start(t, strings.ReplaceAll(app("blog", tcp(blog), "/blog/", ""), "REDIRECTS", redirects))
		// Without a Status line: with one, even Apache passes the answer on.
		if got := told(get(t, server.Addr, "/blog/x?once", "X-Answer: local")); got != want {
			t.Errorf("%s: got %s, want %s", redirects, got, want)
		}
	}
}

// TestRegexpNeighbours puts regular expressions of another site beside an app
// in one server block: they must not take its requests.
func TestRegexpNeighbours(t *testing.T) {
	f := &fronts[0]
	root := startBackend(t, "root", "")
	blog := startBackend(t, "blog", "")
	text := app("root", tcp(root), "/", "") + app("blog", tcp(blog), "/blog/", "")
	site := f.site(t, text)
	site.Files = append(site.Files, fileset.File{Path: "nginx/0.conf", Place: "server", Data: []byte("location ~ \\.(css|php)$ { return 410; }\n")})
	if err := site.Write(); err != nil {
		t.Fatal(err)
	}
	server, err := site.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	comparePaths(t, f, server.Addr, []path{{"/blog/x.css", `blog "/blog" "/x.css"`}, {"/x.php", `root "" "/x.php"`}}, nil)
}
