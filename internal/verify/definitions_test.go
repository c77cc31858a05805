package verify

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
)

// goodDefinitions is a pipeline that comes after another one and after what
// another source folder defines, and a bundle of both.
func goodDefinitions() map[string]string {
	return map[string]string{
		"blog.srv/type": "longrun\n", "blog.srv/run": "#!/bin/sh\n", "blog.srv/producer-for": "blog.log\n",
		"blog.srv/notification-fd": "3\n", "blog.srv/timeout-up": "10000\n", "blog.srv/timeout-kill": "3000\n", "blog.srv/down-signal": "QUIT\n",
		"blog.srv/env/A": "1\n", "blog.srv/dependencies.d/wiki": "", "blog.srv/dependencies.d/net work": "", "blog.srv/flag-essential": "",
		"blog.log/type": "longrun\n", "blog.log/run": "#!/bin/sh\n", "blog.log/consumer-for": "# who\n  blog.srv\n", "blog.log/pipeline-name": "blog\n",
		"wiki.srv/type": "longrun\n", "wiki.srv/run": "#!/bin/sh\n", "wiki.srv/producer-for": "wiki.log\n",
		"wiki.log/type": "longrun\n", "wiki.log/run": "#!/bin/sh\n", "wiki.log/consumer-for": "wiki.srv\n", "wiki.log/pipeline-name": "wiki\n",
		"both/type": "bundle\n", "both/contents.d/blog": "", "both/contents.d/wiki": "",
	}
}

// definitionSet makes files of texts, with the folders above them.
func definitionSet(t *testing.T, texts map[string]string) *fileset.Set {
	t.Helper()
	var files []fileset.File
	folders := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		f := conf("s6-rc/"+name, "s6-rc", "definition", texts[name], "blog")
		if filepath.Base(name) == "run" {
			f.Mode = 0o755
		}
		if filepath.Base(name) == "net work" {
			f.Place = "definition elsewhere"
		}
		files = append(files, f)
		for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
			folders[dir] = true
		}
	}
	for dir := range folders {
		files = append(files, fileset.File{Path: "s6-rc/" + dir, Kind: fileset.Dir, Mode: 0o755, Target: "s6-rc", Place: "definition", Apps: []string{"blog"}})
	}
	return setOf(t, files...)
}

// TestDefinitions shows definitions with one mistake each to the reader, which
// names the file; and to s6-rc-compile, where this machine has it: what that
// refuses, the reader refuses.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	const none = "\x00" // takes the file away
	for name, tt := range map[string]struct {
		change map[string]string
		path   string
		more   bool // s6-rc-compile does not refuse it
	}{
		"good":                   {nil, "", false},
		"pipeline without name":  {map[string]string{"wiki.log/pipeline-name": none, "both/contents.d/wiki": none, "blog.srv/dependencies.d/wiki": none}, "", false},
		"no type":                {map[string]string{"both/type": "bundles\n"}, "both/type", false},
		"two lines of type":      {map[string]string{"wiki.srv/type": "longrun\nx\n"}, "wiki.srv/type", true},
		"type missing":           {map[string]string{"both/type": none}, "both/type", false},
		"no run":                 {map[string]string{"wiki.srv/run": none}, "wiki.srv", false},
		"reserved":               {map[string]string{"s6rc-x/type": "bundle\n", "s6rc-x/contents.d/blog": ""}, "s6rc-x", false},
		"reserved with a dash":   {map[string]string{"s6-rc-x/type": "bundle\n", "s6-rc-x/contents.d/blog": ""}, "s6-rc-x", false},
		"hidden":                 {map[string]string{".x/type": "bundle\n", ".x/contents.d/blog": ""}, ".x", true},
		"no contents":            {map[string]string{"both/contents.d/blog": none, "both/contents.d/wiki": none}, "both", false},
		"no such dependency":     {map[string]string{"blog.srv/dependencies.d/wika": ""}, "blog.srv/dependencies.d/wika", false},
		"nothing in contents":    {map[string]string{"both/contents.d/x": ""}, "both/contents.d/x", false},
		"cycle":                  {map[string]string{"wiki.srv/dependencies.d/blog.srv": ""}, "blog.srv", false},
		"cycle by a bundle":      {map[string]string{"wiki.srv/dependencies.d/both": ""}, "blog.srv", false},
		"after itself":           {map[string]string{"wiki.srv/dependencies.d/wiki": ""}, "wiki.log", false},
		"logger after program":   {map[string]string{"wiki.log/dependencies.d/wiki.srv": ""}, "wiki.log", false},
		"no consumer":            {map[string]string{"wiki.log/consumer-for": none, "wiki.log/pipeline-name": none, "both/contents.d/wiki": none, "blog.srv/dependencies.d/wiki": none}, "wiki.srv/producer-for", false},
		"other consumer":         {map[string]string{"wiki.srv/producer-for": "blog.log\n"}, "wiki.log/consumer-for", false},
		"two consumers":          {map[string]string{"wiki.srv/producer-for": "wiki.log\nblog.log\n"}, "wiki.srv/producer-for", false},
		"no producer":            {map[string]string{"wiki.log/consumer-for": "wiki\n"}, "wiki.log/consumer-for", false},
		"name of a first":        {map[string]string{"wiki.srv/pipeline-name": "x\n"}, "wiki.srv/pipeline-name", false},
		"two names":              {map[string]string{"wiki.log/pipeline-name": "wiki\nx\n"}, "wiki.log/pipeline-name", false},
		"name taken":             {map[string]string{"wiki.log/pipeline-name": "both\n"}, "wiki.log/pipeline-name", false},
		"name of another":        {map[string]string{"wiki.log/pipeline-name": "blog\n", "both/contents.d/wiki": none, "blog.srv/dependencies.d/wiki": none}, "wiki.log/pipeline-name", false},
		"no number":              {map[string]string{"blog.srv/timeout-up": "10s\n"}, "blog.srv/timeout-up", false},
		"large number":           {map[string]string{"blog.srv/timeout-kill": "4294967296\n"}, "blog.srv/timeout-kill", false},
		"no descriptor":          {map[string]string{"blog.srv/notification-fd": "2\n"}, "blog.srv/notification-fd", false},
		"no signal":              {map[string]string{"blog.srv/down-signal": "SIGQUITE\n"}, "blog.srv/down-signal", true},
		"file that nobody reads": {map[string]string{"blog.srv/down": ""}, "blog.srv/down", true},
		"folder that nobody has": {map[string]string{"blog.srv/log/run": "#!/bin/sh\n"}, "blog.srv/log", true},
		"cut variable":           {map[string]string{"blog.srv/env/B": "1 \n"}, "blog.srv/env/B", true},
		"no interpreter":         {map[string]string{"blog.srv/run": "echo\n"}, "blog.srv/run", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			texts := goodDefinitions()
			for file, text := range tt.change {
				if texts[file] = text; text == none {
					delete(texts, file)
				}
			}
			set := definitionSet(t, texts)
			r := only(t, set, new(Options), "definitions")
			want := ""
			if tt.path != "" {
				want = "s6-rc/" + tt.path
			}
			if (r.Outcome == Rejected) != (want != "") || want != "" && !slices.ContainsFunc(r.Complaints, func(c Complaint) bool { return c.Path == want }) {
				t.Errorf("%+v, want a complaint about %q", r, want)
			}
			if _, ok := need.Find("s6-rc-compile"); !ok {
				return
			}
			r = only(t, set, new(Options), "s6-rc-compile")
			if refused := want != "" && !tt.more; (r.Outcome == Rejected) != refused {
				t.Errorf("s6-rc-compile: %+v, want it refused: %v", r, refused)
			}
		})
	}
}

// TestCompile: where s6-rc-compile is missing, the reader stands for it, unless
// somebody has named it.
func TestCompile(t *testing.T) {
	set := definitionSet(t, goodDefinitions())
	results, err := Check(t.Context(), set, &Options{Programs: map[string]string{"s6-rc": filepath.Join(t.TempDir(), "none")}})
	if err != nil {
		t.Fatal(err)
	}
	var checkers []string
	for _, r := range results {
		checkers = append(checkers, r.Checker+" "+r.Outcome.String())
	}
	if want := []string{"definitions accepted", "s6-rc-compile not checked", "sh -n accepted"}; !slices.Equal(checkers, want) {
		t.Errorf("%q, want %q", checkers, want)
	}
	if _, ok := need.Find("s6-rc-compile"); !ok {
		need.Missing(t, "s6-rc-compile, which is in no package of Debian 12,")
	}
	if r := only(t, set, new(Options), "s6-rc-compile"); r.Outcome != Accepted || r.Files != 5 {
		t.Errorf("%+v", r)
	}
	texts := goodDefinitions()
	texts["wiki.srv/type"] = "daemon\n"
	r := only(t, definitionSet(t, texts), new(Options), "s6-rc-compile")
	if r.Outcome != Rejected || r.Complaints[0].Path != "s6-rc/wiki.srv/type" || strings.Contains(r.Complaints[0].Message, "source") {
		t.Errorf("%+v", r)
	}
}

// TestSmallFiles: the files with one value that s6-supervise reads.
func TestSmallFiles(t *testing.T) {
	for name, values := range map[string]struct{ good, bad []string }{
		"timeout-kill":    {[]string{"0\n", "4294967295\n"}, []string{"", "\n", "-1\n", "+1\n", "1", "1\n2\n", "1 \n", "0x1\n", "4294967296\n", "1s\n", "00000000001\n"}},
		"timeout-finish":  {[]string{"0\n"}, []string{"a\n"}},
		"notification-fd": {[]string{"3\n", "255\n"}, []string{"2\n", "0\n", "three\n"}},
		"max-death-tally": {[]string{"0\n", "4096\n"}, []string{"4097\n"}},
		"down-signal":     {[]string{"QUIT\n", "SIGTERM\n", "15\n", "USR1\n"}, []string{"", "quit\n", "SIG\n", "0\n", "65\n", "QUIT TERM\n", "QUIT\nTERM\n", "QUIT"}},
	} {
		for _, dir := range []string{"s6/blog/", "s6/blog/log/"} {
			check := func(text string) Result {
				return only(t, setOf(t, script("s6/blog/run", "s6", "#!/bin/sh\n"), script("s6/blog/log/run", "s6", "#!/bin/sh\n"),
					conf(dir+name, "s6", "service", text, "blog")), new(Options), "service folders")
			}
			for _, text := range values.good {
				if r := check(text); r.Outcome != Accepted {
					t.Errorf("%s%s %q: %+v", dir, name, text, r)
				}
			}
			for _, text := range values.bad {
				if r := check(text); r.Outcome != Rejected || len(r.Complaints) != 1 || r.Complaints[0].Path != dir+name {
					t.Errorf("%s%s %q: %+v", dir, name, text, r)
				}
			}
		}
	}
}
