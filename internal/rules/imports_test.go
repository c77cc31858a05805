package rules

import (
	"slices"
	"strings"
	"testing"
)

// anything stands for a package that may import every other one of ours but
// those that only tests may.
const anything = "*"

// mayImport says which of our packages a package may import: the table of
// CONTRIBUTING.md. A new line, or a new word in a line, is a decision.
var mayImport = map[string][]string{
	// Floor 0: the words that the others speak in.
	"internal/diag":      {},
	"internal/accounts":  {},
	"internal/djberr":    {},
	"internal/printable": {},
	"internal/doctor":    {},
	"internal/fastcgi":   {},
	"internal/fileset":   {},
	"internal/lean":      {},
	"internal/loopback":  {},
	"internal/quote":     {},
	"internal/nowait":    {},
	"internal/scgi":      {"internal/nowait"},
	"internal/spawn":     {},
	"internal/tai64n":    {},
	"templates":          {},

	// Floor 1: one input each.
	"internal/appfile":    {"internal/diag"},
	"internal/chainload":  {"internal/accounts", "internal/djberr"},
	"internal/inetdconf":  {},
	"internal/layout":     {"internal/appfile", "internal/diag"},
	"internal/logread":    {"internal/tai64n"},
	"internal/osservice":  {"internal/quote"},
	"internal/servicedir": {"internal/tai64n"},
	"logrotate":           {"internal/djberr", "internal/tai64n"},

	// Floor 2: from a description to files, and what is done with the files.
	"generate":           {"internal/appfile", "internal/diag", "internal/fileset", "internal/inetdconf", "internal/quote", "templates"},
	"bridge":             {"internal/fastcgi", "internal/lean", "internal/nowait", "internal/scgi", "internal/spawn"},
	"internal/deploy":    {"internal/fileset"},
	"internal/importer":  {"internal/appfile", "internal/diag", "internal/inetdconf", "internal/printable"},
	"internal/flow":      {"generate", "internal/appfile"},
	"internal/install":   {"internal/fileset", "internal/servicedir"},
	"internal/lineage":   {"generate", "internal/appfile", "internal/fileset"},
	"internal/verify":    {"internal/fileset", "internal/inetdconf", "internal/webserver"},
	"internal/webserver": {"internal/fileset", "internal/loopback", "internal/quote"},
	"internal/devserver": {"internal/appfile", "internal/fastcgi", "internal/scgi", "supervise"},
	"supervise":          {"internal/accounts", "internal/lean", "internal/printable", "internal/servicedir", "internal/tai64n", "logrotate"},

	// Floor 3: programs.
	"cmd/scgikit":     {anything},
	"cmd/scgi-run":    {"bridge", "internal/accounts", "internal/chainload", "internal/djberr", "internal/lean", "internal/printable", "internal/servicedir", "internal/tai64n", "logrotate", "supervise"},
	"bench/bridge":    {"bench/measure", "internal/loopback", "internal/scgi"},
	"bench/faults":    {"internal/need", "internal/supervisetest"},
	"bench/generate":  {"bench/measure"},
	"bench/logrotate": {"bench/measure"},
	"bench/measure":   {},
	"bench/startup":   {"bench/measure"},
	"bench/supervise": {"bench/measure"},
	"bench/wsgi":      {"bench/measure", "internal/loopback"},
	"scripts/testsum": {},

	// For tests alone.
	"internal/crashtest":     {anything},
	"internal/multilogtest":  {anything},
	"internal/need":          {},
	"internal/selftest":      {},
	"internal/rules":         {anything},
	"internal/servertest":    {anything},
	"internal/supervisetest": {anything},

	"internal/supervisetest/actor": {},
}

// testsToo are programs that do what tests do, only longer. They are not shipped.
var testsToo = []string{"bench/faults"}

// testsOnly are imported by test files and by each other, and by nothing that
// is shipped.
var testsOnly = []string{"internal/crashtest", "internal/multilogtest", "internal/need", "internal/rules", "internal/selftest", "internal/servertest", "internal/supervisetest"}

func TestImports(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range goList(t, "./...") {
		seen[p.short()] = true
		allowed, known := mayImport[p.short()]
		if !known {
			t.Errorf("%s: no line in the import table of internal/rules", p.short())
			continue
		}
		for _, path := range p.Imports {
			ours, ok := strings.CutPrefix(path, module+"/")
			if !ok {
				continue
			}
			if slices.Contains(testsOnly, ours) && !slices.Contains(testsOnly, p.short()) && !slices.Contains(testsToo, p.short()) {
				t.Errorf("%s imports %s, which is for tests", p.short(), ours)
			}
			if !slices.Contains(allowed, anything) && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which is not in the import table of internal/rules", p.short(), ours)
			}
		}
	}
	for name := range mayImport {
		if !seen[name] {
			t.Errorf("the import table of internal/rules has a line for %s, which does not exist", name)
		}
	}
}

// mayDepend says which modules of others a part of the tree may import. Each
// is a decision of docs/adr.
var mayDepend = map[string][]string{
	"internal/appfile":    {"go.yaml.in/yaml/v4"},
	"internal/layout":     {"go.yaml.in/yaml/v4"},
	"generate":            {"github.com/Masterminds/sprig/v3"},
	"cmd/scgikit":         {"github.com/klauspost/compress/zstd", "github.com/rogpeppe/go-internal/diff", "github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/spf13/viper", "go.yaml.in/yaml/v4", "golang.org/x/sys"},
	"cmd/scgi-run":        {"golang.org/x/sys"},
	"bridge":              {"golang.org/x/sys"},
	"logrotate":           {"golang.org/x/sys"},
	"internal/lean":       {"golang.org/x/sys"},
	"internal/nowait":     {"golang.org/x/sys"},
	"internal/spawn":      {"golang.org/x/sys"},
	"supervise":           {"golang.org/x/sys"},
	"internal/chainload":  {"golang.org/x/sys"},
	"internal/servicedir": {"golang.org/x/sys"},
	"internal/osservice":  {"github.com/kardianos/service"},
	"internal/logread":    {"github.com/klauspost/compress/zstd", "golang.org/x/sys"},
	"bench/logrotate":     {"golang.org/x/sys"},
	"bench/supervise":     {"golang.org/x/sys"},
	"bench/wsgi":          {"golang.org/x/sys"},
	"internal/scgi":       {"golang.org/x/sys"},
	"internal/devserver":  {"golang.org/x/sys"},
	"internal/deploy":     {"golang.org/x/sys"},
	"internal/install":    {"golang.org/x/sys"},

	"internal/crashtest":     {"golang.org/x/sys"},
	"internal/multilogtest":  {"golang.org/x/sys"},
	"internal/supervisetest": {"golang.org/x/sys"},

	"internal/supervisetest/actor": {"golang.org/x/sys"},
}

func TestDependencies(t *testing.T) {
	for _, p := range goList(t, "./...") {
		for _, path := range p.Imports {
			first, _, _ := strings.Cut(path, "/")
			if !strings.Contains(first, ".") {
				continue // the standard library and ours
			}
			if !slices.ContainsFunc(mayDepend[p.short()], func(dep string) bool {
				return path == dep || strings.HasPrefix(path, dep+"/")
			}) {
				t.Errorf("%s imports %s, which internal/rules does not allow it; see docs/adr", p.short(), path)
			}
		}
	}
}

// TestSmallProgram holds scgi-run to what its start-up can afford: it is
// started once per request.
func TestSmallProgram(t *testing.T) {
	for _, p := range goList(t, "-deps", "./cmd/scgi-run") {
		switch {
		case p.ImportPath == "net/http", strings.HasPrefix(p.ImportPath, "crypto/tls"):
			t.Errorf("scgi-run depends on %s, which costs milliseconds at every start", p.ImportPath)
		case p.Standard:
		case p.ImportPath == module, strings.HasPrefix(p.ImportPath, module+"/"):
		case strings.HasPrefix(p.ImportPath, "golang.org/x/sys/"):
		default:
			t.Errorf("scgi-run depends on %s; only the standard library and golang.org/x/sys are allowed", p.ImportPath)
		}
	}
}
