package servertest

import (
	"maps"
	"slices"
	"testing"
)

// residue is what the three servers do not agree on, and why that is so.
var residue = map[string]string{
	"SERVER_SOFTWARE": "each names itself",
	"SERVER_PORT":     "each has its own port here",
	"HTTP_HOST":       "holds that port",
	"REMOTE_PORT":     "the client's port, a new one each time",

	"DOCUMENT_ROOT":         "each has its own here",
	"PATH_TRANSLATED":       "derived from it by two of them",
	"SERVER_ADMIN":          "Apache only",
	"SERVER_SIGNATURE":      "Apache only",
	"CONTEXT_PREFIX":        "Apache only",
	"CONTEXT_DOCUMENT_ROOT": "Apache only",
	"REDIRECT_STATUS":       "Lighttpd only",
	"REDIRECT_URI":          "Lighttpd only",
	"HTTP_CONNECTION":       "hop by hop",
}

func compareEnvironments(t *testing.T, environments map[string]map[string]string) {
	t.Helper()
	servers := slices.Sorted(maps.Keys(environments))
	if len(servers) < 3 {
		return // one was skipped, and has said so
	}
	names := make(map[string]bool)
	for _, env := range environments {
		for name := range env {
			names[name] = true
		}
	}
	var equal []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if residue[name] != "" {
			continue
		}
		first, inFirst := environments[servers[0]][name]
		same := true
		for _, server := range servers[1:] {
			value, ok := environments[server][name]
			same = same && ok == inFirst && value == first
		}
		if same {
			equal = append(equal, name)
			continue
		}
		for _, server := range servers {
			value, ok := environments[server][name]
			t.Errorf("%s differs: %s has %q (%t)", name, server, value, ok)
		}
	}
	t.Logf("%d variables are equal on %v: %v", len(equal), servers, equal)
	for _, name := range []string{
		"CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "HTTP_COOKIE", "HTTP_X_PROBE", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR",
		"REQUEST_METHOD", "REQUEST_SCHEME", "REQUEST_URI", "SCRIPT_FILENAME", "SCRIPT_NAME", "SERVER_ADDR", "SERVER_NAME", "SERVER_PROTOCOL",
	} {
		if !slices.Contains(equal, name) {
			t.Errorf("%s is not equal on all servers, or absent", name)
		}
	}
}
