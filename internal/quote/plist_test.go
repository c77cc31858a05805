package quote

import (
	"encoding/xml"
	"testing"
)

func TestPlist(t *testing.T) {
	for in, want := range map[string]string{"": "", "a b": "a b", `<&>"'`: `&lt;&amp;&gt;"'`, "é%$": "é%$", "]]>": "]]&gt;"} {
		if got, err := Plist(in); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"a\nb", "\t", "\x00", "\x7f", "\xff", "\u0085", "\ufffe", "\uffff"} {
		refused(t, Plist, in)
	}
}

func FuzzPlist(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, Plist, value, func(quoted string) (string, bool) {
			var got string
			err := xml.Unmarshal([]byte("<string>"+quoted+"</string>"), &got)
			return got, err == nil
		})
	})
}
