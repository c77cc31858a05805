package generate

import (
	"encoding/xml"
	"strings"
	"testing"

	"scgikit/internal/appfile"
)

// TestXMLHeader: names in the header of a file of XML leave it well-formed.
func TestXMLHeader(t *testing.T) {
	for _, name := range []string{"a.yaml", "a--b.yaml", "---", "-", "-->x", "\x01\xff\ufffe\uffff", "é <&>"} {
		app := &appfile.App{Name: "a--b-", File: name}
		text := withHeader([]byte("<?xml version=\"1.0\"?>\n<plist/>"), "launchd", []*appfile.App{app}, "0")
		var plist struct {
			XMLName xml.Name
			Comment string `xml:",comment"`
		}
		if err := xml.Unmarshal(text, &plist); err != nil || !strings.HasSuffix(string(text), " -->\n<plist/>\n") {
			t.Errorf("%q: %v:\n%s", name, err, text)
		}
		if strings.Count(string(text), "--") != 4 {
			t.Errorf("%q: a comment holds two hyphens:\n%s", name, text)
		}
	}
}
