package generate_test

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/generate"
)

// TestGatewayAwkwardStatic has Caddy serve folders, and index files, of every awkward
// name: it is refused by name, or the file in it is sent.
func TestGatewayAwkwardStatic(t *testing.T) {
	f := &gateways[2]
	f.find(t)
	target, _ := generate.Lookup(string(f.program))
	dir, blog := publicDir(t), startGateway(t, "fastcgi", "blog", "")
	statics, served := "", make(map[string]string)
	for i, value := range awkward {
		if !usable(value) {
			continue
		}
		folder := filepath.Join(dir, fmt.Sprintf("%d-", i)+value) + "/"
		line := fmt.Sprintf("    - {url: /blog/s%d/, dir: %s}\n", i, yamlText(folder))
		project, problems := tryLoad(strings.NewReplacer("OPTIONS\n", "", "REDIRECTS", "pass").Replace(
			gatewayApp("fastcgi", "blog", tcp(blog.backend), "/blog/", "  static:\n"+line)))
		if !problems.HasErrors() {
			_, problems = render(t, target, project)
		}
		if problems.HasErrors() {
			namesField(t, problems, "http.static[0].dir", value)
			continue
		}
		writeFile(t, filepath.Join(folder, "x.txt"), value+"\n")
		statics += line
		served[fmt.Sprintf("/blog/s%d/x.txt", i)] = value
	}
	for i, value := range awkward {
		line := fmt.Sprintf("    - {url: /blog/i%d/, dir: %s, index: %s}\n", i, yamlText(filepath.Join(dir, "index", fmt.Sprint(i))+"/"), yamlText(value))
		project, problems := tryLoad(strings.NewReplacer("OPTIONS\n", "", "REDIRECTS", "pass").Replace(
			gatewayApp("fastcgi", "blog", tcp(blog.backend), "/blog/", "  static:\n"+line)))
		if !problems.HasErrors() {
			_, problems = render(t, target, project)
		}
		if problems.HasErrors() {
			namesField(t, problems, "http.static[0].index", value)
			continue
		}
		writeFile(t, filepath.Join(dir, "index", fmt.Sprint(i), value), value+"\n")
		statics += line
		served[fmt.Sprintf("/blog/i%d/", i)] = value
	}
	server := f.start(t, gatewayApp("fastcgi", "blog", tcp(blog.backend), "/blog/", "  static:\n"+statics))
	if len(served) < 50 {
		t.Errorf("only %d of %d folders and index files are carried", len(served), 2*len(awkward))
	}
	for url, value := range served {
		if r := get(t, server.Addr, url); r.Status != 200 || r.Body != value+"\n" {
			t.Errorf("folder %q: %d %.80q", value, r.Status, r.Body)
		}
	}
}

// TestGatewayAwkwardUsers has users of awkward names: one is refused by name, or
// may come in, and the app is told exactly this name.
func TestGatewayAwkwardUsers(t *testing.T) {
	for _, f := range []*front{&gateways[0], &gateways[2]} {
		t.Run(f.name, func(t *testing.T) {
			f.find(t)
			target, _ := generate.Lookup(string(f.program))
			blog := startGateway(t, "fastcgi", "blog", "")
			app := func(users string) string {
				return strings.Replace(gatewayApp("fastcgi", "blog", tcp(blog.backend), "/blog/", ""), "OPTIONS\n",
					fmt.Sprintf("options: {%s: {users: {%s}}}\n", f.program, users), 1)
			}
			var users, names []string
			for _, value := range awkward {
				if value == "" || strings.ContainsAny(value, ":\n") {
					continue
				}
				key := strings.ReplaceAll(yamlText(value), "$$", "$") // no variables in keys
				user := fmt.Sprintf("%s: %q", key, gatewayUsers[f.program])
				project, problems := tryLoad(strings.Replace(app(user), "REDIRECTS", "pass", 1))
				if !problems.HasErrors() {
					_, problems = render(t, target, project)
				}
				if problems.HasErrors() {
					if text := problems.Error(); !strings.Contains(text, "options."+string(f.program)+".users") && !strings.Contains(text, "[bad-character]") {
						t.Errorf("%q: %s", value, text)
					}
					continue
				}
				users, names = append(users, user), append(names, value)
			}
			if len(names) < 15 {
				t.Errorf("only %d of %d names are carried", len(names), len(awkward))
			}
			server := f.start(t, app(strings.Join(users, ", ")))
			for _, name := range names {
				r := get(t, server.Addr, "/blog/x", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(name+":x")))
				if r.Received == nil {
					t.Errorf("user %q: %d", name, r.Status)
					continue
				}
				if got, _ := r.Received.get("REMOTE_USER"); got != name {
					t.Errorf("user %q is %q to the app", name, got)
				}
			}
		})
	}
}
