package rules

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/logrotate"
)

// loggingPage describes the language of scripts.
const loggingPage = "docs/logging.md"

// rows returns the cells of the tables below a heading of a page. The row above
// a rule is the head of a table, and not among them.
func rows(t *testing.T, page, heading string) [][]string {
	t.Helper()
	_, text, ok := strings.Cut(read(t, page), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", page, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var out [][]string
	for line := range strings.Lines(text) {
		cells, isRow := strings.CutPrefix(strings.TrimSpace(line), "| ")
		switch {
		case isRow:
			out = append(out, strings.Split(strings.TrimSuffix(cells, "|"), " |"))
		case strings.HasPrefix(line, "|---"):
			out = out[:len(out)-1]
		}
	}
	if len(out) < 5 {
		t.Fatalf("%s: only %d rows below %q", page, len(out), heading)
	}
	return out
}

// code returns what stands between backquotes.
func code(cell string) []string {
	var out []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

// parses reports whether a script that begins with a word is understood.
func parses(word string) error {
	_, err := logrotate.ParseScript([]string{word, "./folder"})
	return err
}

// TestLoggingWords holds the table of words to the language: every word in it
// is understood, and whatever byte a word can begin with stands in it.
func TestLoggingWords(t *testing.T) {
	var documented []byte
	for _, row := range rows(t, loggingPage, "The words") {
		for _, word := range code(row[0]) {
			documented = append(documented, word[0])
			if err := parses(word); err != nil {
				t.Errorf("%s: %v", loggingPage, err)
			}
		}
	}
	for b := 1; b < 256; b++ {
		c := string([]byte{byte(b)})
		understood := slices.ContainsFunc([]string{c, c + "0", c + "none"}, func(word string) bool { return parses(word) == nil })
		if understood != slices.Contains(documented, byte(b)) {
			t.Errorf("%s: words that begin with %q are understood: %v; this is not what the table says", loggingPage, c, understood)
		}
	}
}

// TestLoggingHelp asks for a line of the program's own help for every word of
// the table.
func TestLoggingHelp(t *testing.T) {
	help, err := command(t, root, filepath.Join(programs(t), "scgi-run"), "help", "multilog")
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	for _, row := range rows(t, loggingPage, "The words") {
		word := code(row[0])[0]
		// Folders begin with one of two bytes, and patterns share a line.
		start := map[byte]string{'.': "DIR", '/': "DIR", '+': "-"}[word[0]]
		if start == "" {
			start = word[:1]
		}
		if !strings.Contains(help, "\n  "+start) {
			t.Errorf("scgi-run help multilog does not explain %s:\n%s", word, help)
		}
	}
}

// TestLoggingTranslations reads the words that are to be written in the place
// of another program's.
func TestLoggingTranslations(t *testing.T) {
	for _, row := range rows(t, loggingPage, "Coming from svlogd or s6-log") {
		for _, word := range code(row[1]) {
			if err := parses(word); err != nil && word != "current" {
				t.Errorf("%s: %v", loggingPage, err)
			}
		}
	}
}

// TestLoggingFields renders each field that the table of fields shows.
func TestLoggingFields(t *testing.T) {
	target, ok := generate.Lookup("daemontools")
	if !ok {
		t.Fatal("there is no target daemontools")
	}
	loader := &appfile.Loader{Options: generate.OptionTypes()}
	for _, row := range rows(t, loggingPage, "In a description") {
		field := code(row[0])[0]
		text := "apiVersion: scgikit/v1\nname: app\ntype: server\nrun: {command: [/srv/x], user: www}\n" +
			"listen: {tcp: \"127.0.0.1:8040\"}\nhttp: {mount: /}\nlog: {" + field + "}\n"
		project, list := loader.Load([]appfile.Source{{Name: "app.yaml", Data: []byte(text)}})
		if project == nil {
			t.Errorf("%s: %s: %v", loggingPage, field, list)
			continue
		}
		set, list := new(generate.Renderer).Render(target, project, project.Apps)
		if set == nil {
			t.Errorf("%s: %s: %v", loggingPage, field, list)
			continue
		}
		run, _ := set.Get("daemontools/app/log/run")
		logger := " multilog "
		if strings.TrimSpace(row[1]) == "scgi-run" {
			logger = "/scgi-run multilog "
		}
		for _, words := range append(code(row[2]), strings.TrimSpace(logger)) {
			if !strings.Contains(string(run.Data), words+" ") {
				t.Errorf("%s: %s gives\n%s\nwithout %s", loggingPage, field, run.Data, words)
			}
		}
		if logger == " multilog " && strings.Contains(string(run.Data), "scgi-run") {
			t.Errorf("%s: %s is left to scgi-run:\n%s", loggingPage, field, run.Data)
		}
	}
}
