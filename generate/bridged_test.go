package generate_test

import (
	"slices"
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
