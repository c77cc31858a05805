package generate_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/generate"
)

// TestAwkwardSockets puts every awkward value in the path of a socket, and in a
// parameter where the protocol has them. It is refused by name, or the running
// server has exactly this value.
func TestAwkwardSockets(t *testing.T) {
	forProtocols(t, fewFronts, func(t *testing.T, f *front, p protocol) {
		dir := publicDir(t)
		target, _ := generate.Lookup(string(f.program))
		var all strings.Builder
		carried := make(map[string]string)
		for i, value := range awkward {
			if !usable(value) {
				continue
			}
			name := fmt.Sprintf("v%d", i)
			socket := filepath.Join(dir, name+value)
			params := ""
			if _, err := target.Quote(value); err == nil && (p.name == "fastcgi" || p.name == "uwsgi") {
				params = "  params: {P: " + yamlText(value) + "}\n"
			}
			text := speaking(p.name, strings.NewReplacer("OPTIONS\n", "", "REDIRECTS", "pass").Replace(
				app(name, "group: www-data, unix: "+yamlText(socket), "/"+name+"/", params)))
			project, problems := tryLoad(text)
			if !problems.HasErrors() {
				_, problems = render(t, target, project)
			}
			if problems.HasErrors() {
				namesField(t, problems, "listen.unix", value)
				continue
			}
			startSpeaking(t, p.speak, name, socket)
			all.WriteString(text)
			carried[name] = ""
			if params != "" {
				carried[name] = value
			}
		}
		if len(carried) < 25 {
			t.Errorf("only %d of %d values are carried", len(carried), len(awkward))
		}
		server := f.start(t, all.String())
		for name, value := range carried {
			r := get(t, server.Addr, "/"+name+"/x")
			if r.Received == nil || r.Received.Backend != name {
				t.Errorf("%s: %d %.80q", name, r.Status, r.Body)
				continue
			}
			if got, _ := r.Received.get("P"); got != value {
				t.Errorf("%s: parameter %q reaches the app as %q", name, value, got)
			}
		}
	})
}
