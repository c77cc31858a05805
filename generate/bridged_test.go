package generate_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"scgikit/bridge"
	"scgikit/internal/appfile"
)

// TestAllowed: cgi.allow takes what the bridge takes, and nothing else.
func TestAllowed(t *testing.T) {
	var there []string
	for _, exception := range bridge.Exceptions() {
		there = append(there, string(exception))
	}
	if listed := appfile.Refused("").Values(); !slices.Equal(listed, there) {
		t.Errorf("cgi.allow lists %q, the bridge %q", listed, there)
	}
}

// TestWellEnded: a unit takes the end of uwsgi for a good one that scgi-run gives it.
func TestWellEnded(t *testing.T) {
	text, err := os.ReadFile("testdata/systemd/starter-uwsgi.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("\nSuccessExitStatus=%d\n", bridge.UWSGIEnded); strings.Count(string(text), want) != 4 {
		t.Errorf("%q is not in each of the four units", want)
	}
}
