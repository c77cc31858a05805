package generate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/verify"
)

// readPlists is a program of Python that reads property lists and prints each as
// one line of JSON, which keeps a number, a boolean and a string apart.
const readPlists = `
import json, plistlib, sys
for name in sys.argv[1:]:
    with open(name, "rb") as f:
        print(json.dumps(plistlib.load(f)))
`

// parsePlists returns property lists as Python's plistlib reads them, by the
// names of their files. Numbers are json.Number. plistutil of libplist, where it
// is there, has to read the same.
func parsePlists(t *testing.T, plists map[string][]byte) map[string]map[string]any {
	t.Helper()
	python := need.Program(t, "python3")
	dir := t.TempDir()
	names := make([]string, 0, len(plists))
	for name := range plists {
		names = append(names, name)
	}
	slices.Sort(names)
	read := func(suffix string) []string {
		words := []string{"-c", readPlists}
		for i := range names {
			words = append(words, filepath.Join(dir, fmt.Sprintf("%d%s", i, suffix)))
		}
		cmd := exec.CommandContext(t.Context(), python, words...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("plistlib: %v: %s", err, stderr.Bytes())
		}
		return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	}
	for i, name := range names {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.xml", i)), plists[name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := read(".xml")
	plistutil := need.Program(t, "plistutil")
	for i, name := range names {
		in, out := filepath.Join(dir, fmt.Sprintf("%d.xml", i)), filepath.Join(dir, fmt.Sprintf("%d.bin", i))
		if text, err := exec.CommandContext(t.Context(), plistutil, "-i", in, "-o", out, "-f", "bin").CombinedOutput(); err != nil {
			t.Fatalf("plistutil: %s: %v: %s", name, err, text)
		}
	}
	parsed := make(map[string]map[string]any)
	second := read(".bin")
	for i, name := range names {
		parsed[name] = decodePlist(t, lines[i])
		if other := decodePlist(t, second[i]); !reflect.DeepEqual(other, parsed[name]) {
			t.Errorf("%s: plistutil reads\n%v, and plistlib\n%v", name, other, parsed[name])
		}
	}
	return parsed
}

func decodePlist(t *testing.T, line string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	var value map[string]any
	if err := dec.Decode(&value); err != nil {
		t.Fatalf("%v: %.200s", err, line)
	}
	return value
}

// plistsOf returns the property lists of a set by their names.
func plistsOf(set *fileset.Set) map[string][]byte {
	plists := make(map[string][]byte)
	for _, f := range set.Files() {
		if f.Place == "LaunchDaemons" {
			plists[filepath.Base(f.Path)] = f.Data
		}
	}
	return plists
}

// launchdGolden is what the property lists of starter-launchd.yaml say, written
// by hand.
const launchdGolden = `{
"local.scgikit.by-uwsgi.plist": {"Label": "local.scgikit.by-uwsgi", "ProgramArguments": ["/usr/local/libexec/scgikit/by-uwsgi"], "UserName": "hello", "InitGroups": true, "Umask": 23,
  "WorkingDirectory": "/", "RunAtLoad": true, "KeepAlive": true, "ThrottleInterval": 1, "ExitTimeOut": 10},
"local.scgikit.hello--world.plist": {"Label": "local.scgikit.hello--world", "ProgramArguments": ["/usr/local/bin/scgi-run", "wsgi", "--style=once",
  "--path=/Users/hello/<x>", "--python=/usr/bin/python3", "--directory=/Users/hello/a < b", "--mount=/hello", "--timeout=60s", "--max-body=10485760",
  "--umask=0027", "--limit=core=0", "--env-pass=PATH,LANG,TZ", "hello:app"], "UserName": "hello", "InitGroups": true, "Umask": 23,
  "inetdCompatibility": {"Wait": false}, "Sockets": {"Listeners": {"SockType": "stream", "SockNodeName": "::1", "SockServiceName": "8071", "SockFamily": "IPv6"}}},
"local.scgikit.number.plist": {"Label": "local.scgikit.number", "ProgramArguments": ["/usr/local/bin/scgi-run", "bridge", "--mount=/number", "--timeout=60s",
  "--max-body=10485760", "--umask=0027", "--limit=core=0", "--env-pass=PATH,LANG,TZ", "/srv/number/"], "UserName": "_www", "InitGroups": true, "Umask": 23,
  "inetdCompatibility": {"Wait": false}, "Sockets": {"Listeners": {"SockType": "stream", "SockPathName": "/var/run/number.sock", "SockPathOwner": 70, "SockPathGroup": 70, "SockPathMode": 384}}},
"local.scgikit.once.plist": {"Label": "local.scgikit.once", "ProgramArguments": ["/usr/local/libexec/scgikit/once"], "UserName": "once", "InitGroups": true,
  "Umask": 23, "WorkingDirectory": "/", "RunAtLoad": true, "ThrottleInterval": 1, "ExitTimeOut": 10},
"local.scgikit.open.plist": {"Label": "local.scgikit.open", "ProgramArguments": ["/usr/local/libexec/scgikit/open"], "UserName": "_www", "InitGroups": true, "Umask": 23,
  "inetdCompatibility": {"Wait": false}, "Sockets": {"Listeners": {"SockType": "stream", "SockPathName": "/srv/open.sock", "SockPathMode": 438}}},
"local.scgikit.plain.plist": {"Label": "local.scgikit.plain", "ProgramArguments": ["/usr/local/libexec/scgikit/plain"], "UserName": "_www", "InitGroups": true, "Umask": 23,
  "inetdCompatibility": {"Wait": false}, "Sockets": {"Listeners": {"SockType": "stream", "SockNodeName": "localhost", "SockServiceName": "8072"}}},
"local.scgikit.shop-1.plist": {"Label": "local.scgikit.shop-1", "ProgramArguments": ["/usr/local/libexec/scgikit/shop-1"], "UserName": "_shop", "GroupName": "_shop",
  "InitGroups": true, "Umask": 7, "Nice": 10, "WorkingDirectory": "/srv/the shop", "RunAtLoad": true, "KeepAlive": {"SuccessfulExit": false}, "ThrottleInterval": 5, "ExitTimeOut": 90},
"local.scgikit.shop-2.plist": {"Label": "local.scgikit.shop-2", "ProgramArguments": ["/usr/local/libexec/scgikit/shop-2"], "UserName": "_shop", "GroupName": "_shop",
  "InitGroups": true, "Umask": 7, "Nice": 10, "WorkingDirectory": "/srv/the shop", "RunAtLoad": true, "KeepAlive": {"SuccessfulExit": false}, "ThrottleInterval": 5, "ExitTimeOut": 90},
"local.scgikit.workers.plist": {"Label": "local.scgikit.workers", "ProgramArguments": ["/usr/local/libexec/scgikit/workers"], "UserName": "hello", "InitGroups": true, "Umask": 23,
  "Nice": 3, "WorkingDirectory": "/", "RunAtLoad": true, "KeepAlive": true, "ThrottleInterval": 1, "ExitTimeOut": 10},
"local.scgikit.zygote.plist": {"Label": "local.scgikit.zygote", "ProgramArguments": ["/usr/local/libexec/scgikit/zygote"], "UserName": "hello", "InitGroups": true, "Umask": 23,
  "WorkingDirectory": "/", "RunAtLoad": true, "KeepAlive": true, "ThrottleInterval": 1, "ExitTimeOut": 10},
"org.example.stays.plist": {"Label": "org.example.stays", "ProgramArguments": ["/opt/scgikit/start/stays"], "UserName": "_stays", "GroupName": "_app", "InitGroups": true, "Umask": 63, "Nice": -5,
  "WorkingDirectory": "/", "RunAtLoad": true, "KeepAlive": {"SuccessfulExit": false}, "ThrottleInterval": 5, "ExitTimeOut": 20},
"org.example.wiki.plist": {"Label": "org.example.wiki", "ProgramArguments": ["/opt/scgikit/start/wiki"], "UserName": "_wiki", "GroupName": "_wiki", "InitGroups": true,
  "Umask": 63, "Nice": -5, "inetdCompatibility": {"Wait": false}, "Sockets": {"Listeners": {"SockType": "stream", "SockPathName": "/usr/local/var/wiki & co/socket", "SockPathMode": 432}}}
}`

// TestLaunchdPlists reads the golden property lists with other programs, and
// requires every key with its type and value, and no other.
func TestLaunchdPlists(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/apps/starter-launchd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := parsePlists(t, plistsOf(mustRender(t, "launchd", load(t, string(text)))))
	want := decodePlist(t, launchdGolden)
	for name, plist := range want {
		if !reflect.DeepEqual(any(got[name]), plist) {
			t.Errorf("%s says\n%v, want\n%v", name, got[name], plist)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d property lists, want %d", len(got), len(want))
	}
}

// awkwardJobs describes a program per request and a resident one, with a string
// in every field of free text that stands in a property list.
func awkwardJobs(s, word string) string {
	return fmt.Sprintf(`apiVersion: scgikit/v1
name: each
type: cgi
run: {mode: per-request, user: www}
cgi: {script: %[2]s, arguments: [first, %[1]s, ""]}
listen: {unix: %[3]s, group: www}
http: {mount: /a}
options: {launchd: {scgi_run: %[4]s}}
---
apiVersion: scgikit/v1
name: stays
type: server
run: {user: www, command: [./x], directory: %[2]s}
listen: {tcp: "127.0.0.1:8051"}
http: {mount: /b}
options: {launchd: {wrapper_dir: %[4]s}}
`, yamlText(s), yamlText("/srv/"+word), yamlText("/srv/"+shorten(word, 80)+"/socket"), yamlText("/opt/"+word))
}

// TestLaunchdAwkward puts awkward strings in every field, and lets other
// programs say what they read: the very same, and nothing besides.
func TestLaunchdAwkward(t *testing.T) {
	t.Parallel()
	plists := make(map[string][]byte)
	values := append(slices.Clone(starterAwkward[:]), "]]>", "<!-- x -->", "--", "-->", "&amp;", "&#10;", "<string>", "</string>", "<![CDATA[x]]>", "?>", "\u00a0", "😀")
	texts := make(map[string]string)
	for i, s := range values {
		word := strings.ReplaceAll(shorten(s, 200), "/", "_")
		set := mustRender(t, "launchd", load(t, awkwardJobs(s, word)))
		for name, data := range plistsOf(set) {
			plists[fmt.Sprintf("%d %s", i, name)] = data
			texts[fmt.Sprintf("%d %s", i, name)] = s
		}
		if results, err := verify.Check(t.Context(), set, new(verify.Options)); err != nil || slices.ContainsFunc(results, func(r verify.Result) bool { return r.Outcome != verify.Accepted }) {
			t.Errorf("%q: %+v, %v", s, results, err)
		}
	}
	parsed := parsePlists(t, plists)
	if len(parsed) != 2*len(values) {
		t.Fatalf("%d property lists for %d values", len(parsed), len(values))
	}
	for name, got := range parsed {
		s := texts[name]
		word := strings.ReplaceAll(shorten(s, 200), "/", "_")
		want := map[string]any{"UserName": "www", "InitGroups": true, "Umask": json.Number("23")}
		if strings.Contains(name, "each") {
			want["Label"] = "local.scgikit.each"
			want["ProgramArguments"] = []any{
				filepath.Clean("/opt/" + word), "bridge", "--mount=/a", "--timeout=60s", "--max-body=10485760", "--umask=0027", "--limit=core=0",
				"--env-pass=PATH,LANG,TZ", "/srv/" + word, "first", s, "",
			}
			want["inetdCompatibility"] = map[string]any{"Wait": false}
			want["Sockets"] = map[string]any{"Listeners": map[string]any{
				"SockType": "stream", "SockPathName": "/srv/" + shorten(word, 80) + "/socket", "SockPathMode": json.Number("432"),
			}}
		} else {
			want["Label"] = "local.scgikit.stays"
			want["ProgramArguments"] = []any{"/opt/" + word + "/stays"}
			want["WorkingDirectory"] = "/srv/" + word
			want["RunAtLoad"], want["KeepAlive"] = true, true
			want["ThrottleInterval"], want["ExitTimeOut"] = json.Number("1"), json.Number("10")
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %s says\n%v, want\n%v", s, name, got, want)
		}
	}
}

// TestLaunchdAccepted shows all golden property lists to our own reader.
func TestLaunchdAccepted(t *testing.T) {
	t.Parallel()
	checked := 0
	for name, set := range starterSets(t, "launchd") {
		results, err := verify.Check(t.Context(), set, new(verify.Options))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Outcome != verify.Accepted {
				t.Errorf("%s: %+v", name, r)
			}
		}
		checked++
	}
	if checked < len(starterAwkward) {
		t.Errorf("only %d sets", checked)
	}
}
