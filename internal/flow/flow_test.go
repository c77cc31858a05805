package flow_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/flow"
)

// hostile are texts that a drawing could take for more than text.
var hostile = []string{
	`<script>alert(1)</script>`, `"]; click a "http://x"`, "end", "a --> b", "%%{init: {}}%%", "`**x**`", "&lt;", "#quot;", "]]>", "<!--", "subgraph x", "é日本", "a;b|c{d}", strings.Repeat("x", 300), "'\"'",
}

func diagrams(t *testing.T, value string) []flow.Diagram {
	t.Helper()
	name := strings.ReplaceAll(value, "/", "_")
	socket := []rune(name)
	text := fmt.Sprintf(`apiVersion: scgikit/v1
name: blog
type: server
run: {user: www, command: [/srv/x, %s], directory: %s}
listen: {unix: %s}
log: {dir: %s}
http: {mount: /blog/, static: [{url: /blog/s/, dir: %s}]}
`, strconv.Quote(value), strconv.Quote("/srv/"+name+"x"), strconv.Quote("/srv/"+string(socket[:min(len(socket), 60)])+"s"),
		strconv.Quote("/var/log/"+name+"x"), strconv.Quote("/srv/"+name+"/"))
	loader := &appfile.Loader{Options: generate.OptionTypes()}
	project, list := loader.Load([]appfile.Source{{Name: "x.yaml", Data: []byte(text)}})
	if list.HasErrors() {
		t.Fatal(list)
	}
	var targets []*generate.Target
	for _, target := range generate.Targets() {
		if target.Fits(project.Apps[0]) == "" {
			targets = append(targets, target)
		}
	}
	return flow.Of(project.Apps[0], targets)
}

// TestSVG: whatever names hold, the drawing is XML of a few elements, and the
// text in it is what was meant.
func TestSVG(t *testing.T) {
	for _, value := range hostile {
		for _, d := range diagrams(t, value) {
			svg := flow.SVG(&d)
			dec := xml.NewDecoder(strings.NewReader(svg))
			var text strings.Builder
			for {
				token, err := dec.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%q: %v", value, err)
				}
				switch token := token.(type) {
				case xml.StartElement:
					if !slices.Contains([]string{"svg", "title", "rect", "text", "path"}, token.Name.Local) {
						t.Errorf("%q: an element %s", value, token.Name.Local)
					}
					for _, a := range token.Attr {
						if strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Name.Local, "href") || strings.Contains(a.Value, "script") {
							t.Errorf("%q: an attribute %s", value, a.Name.Local)
						}
					}
				case xml.CharData:
					text.WriteString(strings.TrimSuffix(string(token), "\n"))
				case xml.ProcInst, xml.Directive, xml.Comment:
					t.Errorf("%q: %T", value, token)
				}
			}
			if len(value) < 60 && !strings.Contains(text.String(), "/srv/x "+value) {
				t.Errorf("%q is not in %s", value, text.String())
			}
		}
	}
}

// TestMermaid: every line has one of two forms, and nothing but plain characters
// and numbers of characters between the quotes.
func TestMermaid(t *testing.T) {
	label := `"(?:[A-Za-z0-9 ./:,-]|#[0-9]+;|<br/>)*"`
	line := regexp.MustCompile(`^    (?:[a-z]+_\[` + label + `\]|[a-z]+_ -->\|` + label + `\| [a-z]+_)$`)
	number := regexp.MustCompile(`#[0-9]+;`)
	for _, value := range hostile {
		for _, d := range diagrams(t, value) {
			lines := strings.Split(strings.TrimSuffix(flow.Mermaid(&d), "\n"), "\n")
			if lines[0] != "flowchart TD" {
				t.Errorf("it begins with %s", lines[0])
			}
			for _, l := range lines[1:] {
				if !line.MatchString(l) {
					t.Errorf("%q: %s", value, l)
				}
			}
			plain := number.ReplaceAllStringFunc(strings.Join(lines, "\n"), func(s string) string {
				n, _ := strconv.Atoi(s[1 : len(s)-1])
				return string(rune(n))
			})
			if !strings.Contains(plain, "/srv/x "+value) {
				t.Errorf("%q is not in it", value)
			}
		}
	}
}

// TestEveryTarget: each has a way from the browser to the log, of nodes that are
// there.
func TestEveryTarget(t *testing.T) {
	for _, d := range diagrams(t, "x") {
		for _, e := range d.Edges {
			for _, id := range []string{e.From, e.To} {
				if !slices.ContainsFunc(d.Nodes, func(n flow.Node) bool { return n.ID == id }) {
					t.Errorf("%s: an edge with %s", d.Starter, id)
				}
			}
		}
		text := flow.Text(&d)
		for _, want := range []string{"browser\n", "web server: nginx or lighttpd or apache\n", "socket: unix:/srv/xs\n", "made by", "program: /srv/x x\n", "runs as www", "◄── supervisor: " + d.Starter} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", d.Starter, want, text)
			}
		}
	}
}
