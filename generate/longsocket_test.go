package generate_test

import (
	"fmt"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/need"
	"scgikit/internal/verify"
)

// TestLongSocket: the real web servers take the longest path of a socket that is not
// refused, in every protocol, of one backend and of several.
func TestLongSocket(t *testing.T) {
	t.Parallel()
	const most = 103 // of a description
	for server, limit := range map[string]struct {
		program   string
		length    int
		protocols []string
	}{
		"nginx":    {"nginx", most, []string{"scgi", "fastcgi", "uwsgi", "http"}},
		"lighttpd": {"lighttpd", most, []string{"scgi", "fastcgi", "uwsgi", "http"}},
		"apache":   {"apache2", 95, []string{"scgi", "fastcgi", "uwsgi", "ajp", "http"}},
		"haproxy":  {"haproxy", 97, []string{"fastcgi", "http"}},
		"caddy":    {"caddy", most, []string{"fastcgi", "http"}},
	} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			need.Program(t, limit.program)
			target, _ := generate.Lookup(server)
			for _, protocol := range limit.protocols {
				for _, instances := range []int{1, 3} {
					name := fmt.Sprintf("%s, %d instances", protocol, instances)
					set, problems := render(t, target, load(t, longSocket(protocol, instances, limit.length)))
					if problems.HasErrors() {
						t.Errorf("%s: %v", name, problems)
						continue
					}
					results, err := verify.Check(t.Context(), set, new(verify.Options))
					if err != nil || len(results) != 1 || results[0].Outcome != verify.Accepted {
						t.Errorf("%s: %+v, %v", name, results, err)
					}
					if limit.length == most {
						continue
					}
					if _, problems := render(t, target, load(t, longSocket(protocol, instances, limit.length+1))); !problems.HasErrors() {
						t.Errorf("%s: one byte more is not refused", name)
					}
				}
			}
		})
	}
}

// longSocket describes an app whose longest socket has so many bytes. Of several
// instances each has a number behind a hyphen.
func longSocket(protocol string, instances, length int) string {
	if instances > 1 {
		length -= len("-1")
	}
	socket := "/run/" + strings.Repeat("x", length-len("/run/"))
	return fmt.Sprintf(`apiVersion: scgikit/v1
name: blog
type: server
protocol: %s
run: {command: [/srv/blog], user: www, instances: %d}
listen: {unix: %s, group: www-data}
http: {mount: /blog/}
`, protocol, instances, socket)
}
