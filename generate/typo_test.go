package generate_test

import (
	"fmt"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// slips returns every word that one slip of the finger makes of a key: a letter
// left out, doubled, put in or another one, and two that have changed places.
func slips(key string) []string {
	seen := map[string]bool{key: true, "": true}
	var words []string
	add := func(word string) {
		if !seen[word] {
			seen[word] = true
			words = append(words, word)
		}
	}
	for i := range len(key) + 1 {
		if i < len(key) {
			add(key[:i] + key[i+1:])
			add(key[:i] + key[i:i+1] + key[i:])
		}
		if i+1 < len(key) {
			add(key[:i] + key[i+1:i+2] + key[i:i+1] + key[i+2:])
		}
		for _, c := range []string{"a", "e", "s", "x", "_"} {
			add(key[:i] + c + key[i:])
			if i < len(key) {
				add(key[:i] + c + key[i+1:])
			}
		}
	}
	return words
}

// TestEveryOptionTypo makes every slip in every option of every target, and in the
// name of the target. Each is refused where it stands, and nine in ten hints name
// what was meant.
func TestEveryOptionTypo(t *testing.T) {
	t.Parallel()
	const before = "apiVersion: scgikit/v1\nname: a\ntype: server\nrun: {command: [/x], user: www}\nlisten: {tcp: \"127.0.0.1:8000\"}\nhttp: {mount: /a}\n"
	tried, named := 0, 0
	try := func(text, typo, key string, line, column int) {
		tried++
		_, problems := tryLoad(before + text)
		for _, p := range problems {
			if p.Severity == diag.Error && p.Span.Line == line && p.Span.Column == column && strings.HasPrefix(p.Code, "unknown-") {
				if p.Hint == "did you mean "+key+"?" {
					named++
				}
				return
			}
		}
		t.Errorf("%s for %s is not refused at %d:%d: %v", typo, key, line, column, problems)
	}
	keys := make(map[string]map[string]bool) // of the options of each target
	for _, f := range appfile.OptionFields(generate.OptionTypes()) {
		parts := strings.Split(f.Path, ".")
		if keys[parts[1]] == nil {
			keys[parts[1]] = make(map[string]bool)
		}
		keys[parts[1]][parts[2]] = true
	}
	lines := strings.Count(before, "\n")
	for _, target := range generate.Targets() {
		if len(keys[target.Name]) == 0 {
			t.Errorf("%s has no options", target.Name)
		}
		for key := range keys[target.Name] {
			for _, typo := range slips(key) {
				if !keys[target.Name][typo] {
					try(fmt.Sprintf("options:\n  %s:\n    %s: x\n", target.Name, typo), typo, key, lines+3, 5)
				}
			}
		}
		for _, typo := range slips(target.Name) {
			if _, ok := generate.Lookup(typo); !ok {
				try("options:\n  "+typo+": {}\n", typo, target.Name, lines+2, 3)
				try("targets: ["+typo+"]\n", typo, target.Name, lines+1, 11)
			}
		}
	}
	t.Logf("%d typos, %d with the right name", tried, named)
	if tried < 5000 || named*10 < tried*9 {
		t.Errorf("of %d typos %d are answered with the right name", tried, named)
	}
}
