package bridge

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/scgi"
)

// quiet is a logger that nobody hears.
var quiet = &logger{kind: logNowhere}

func makeFile(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// request is the parameters of a request; REQUEST_METHOD is added.
func request(t *testing.T, pairs ...string) *params {
	t.Helper()
	headers := []scgi.Header{{Name: "REQUEST_METHOD", Value: "GET"}}
	for pair := range slices.Chunk(pairs, 2) {
		headers = append(headers, scgi.Header{Name: pair[0], Value: pair[1]})
	}
	p, _, err := mergeParams(headers)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// site makes a folder of scripts with everything around it that must not run.
func site(t *testing.T) string {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir()) // macOS has its temporary folder behind a link
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top, "cgi")
	for path, mode := range map[string]os.FileMode{
		"cgi/hello": 0o755, "cgi/a b;c": 0o755, "cgi/sub/deep/tool": 0o755, "cgi/öl": 0o755, "cgi/%2e%2e": 0o755, "cgi/-s": 0o755,
		"cgi/plain": 0o644, "cgi/all-write": 0o757, "cgi/setuid": 0o755, "cgi/setgid": 0o755, "cgi/.hidden": 0o755, "cgi/.git/hook": 0o755,
		"cgi/hello~": 0o755, "cgi/#hello#": 0o755, "cgi/hello.bak": 0o755, "cgi/hello.orig": 0o755, "cgi/hello.rej": 0o755, "cgi/hello.swp": 0o755,
		"cgi/hello.dpkg-old": 0o755, "cgi/hello.rpmnew": 0o755, "cgi/open/tool": 0o755, "cgi/sub/hello~": 0o755,
		"secret": 0o755, "cgi2/evil": 0o755, "outside/evil": 0o755,
	} {
		makeFile(t, filepath.Join(top, path), mode)
	}
	for path, mode := range map[string]os.FileMode{"cgi/setuid": 0o755 | os.ModeSetuid, "cgi/open": 0o777 | os.ModeSticky, "cgi/setgid": 0o755 | os.ModeSetgid} {
		if err := os.Chmod(filepath.Join(top, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"cgi/link-in": "hello", "cgi/link-abs": filepath.Join(dir, "hello"), "cgi/link-sub": "sub", "cgi/link-out": "../secret",
		"cgi/link-out-abs": filepath.Join(top, "secret"), "cgi/link-dir-out": "../outside", "cgi/link-up": "..", "cgi/link-self": "link-self",
		"cgi/link-none": "nowhere", "cgi/link-hidden": ".hidden", "cgi/link-open": "open/tool", "cgi/link-beside": "../cgi2/evil", "cgi/link-round": "../cgi/hello",
	} {
		if err := os.Symlink(target, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFindScript(t *testing.T) {
	dir := site(t)
	mounted := &Options{Path: dir + "/", Mount: "/cgi/"}
	links := &Options{Path: dir + "/", Mount: "/cgi", FollowSymlinks: true}
	unmounted := &Options{Path: dir + "/"}
	tests := []struct {
		name                     string
		opts                     *Options
		params                   []string
		file, scriptName, inside string // inside is PATH_INFO
	}{
		{"nginx", mounted, []string{"SCRIPT_NAME", "/cgi/hello", "PATH_INFO", "/x/y"}, "hello", "/cgi/hello", "/x/y"},
		{"lighttpd", mounted, []string{"SCRIPT_NAME", "/cgi", "PATH_INFO", "/hello/x"}, "hello", "/cgi/hello", "/x"},
		{"Apache", mounted, []string{"SCRIPT_NAME", "/cgi/hello/x", "SCRIPT_FILENAME", "proxy:scgi://h/cgi/hello/x"}, "hello", "/cgi/hello", "/x"},
		{"nothing cut", mounted, []string{"REQUEST_URI", "/cgi/hello/x%20y?q"}, "hello", "/cgi/hello", "/x y"},
		{"no PATH_INFO", mounted, []string{"SCRIPT_NAME", "/cgi/hello"}, "hello", "/cgi/hello", ""},
		{"slash behind it", mounted, []string{"SCRIPT_NAME", "/cgi/hello/"}, "hello", "/cgi/hello", "/"},
		{"two slashes", mounted, []string{"SCRIPT_NAME", "/cgi//hello//x"}, "hello", "/cgi/hello", "//x"},
		{"odd name", mounted, []string{"SCRIPT_NAME", "/cgi/a b;c"}, "a b;c", "/cgi/a b;c", ""},
		{"not ASCII", mounted, []string{"SCRIPT_NAME", "/cgi/öl/é"}, "öl", "/cgi/öl", "/é"},
		{"dash", mounted, []string{"SCRIPT_NAME", "/cgi/-s"}, "-s", "/cgi/-s", ""},
		{"in sub-folders", mounted, []string{"SCRIPT_NAME", "/cgi/sub/deep/tool/x"}, "sub/deep/tool", "/cgi/sub/deep/tool", "/x"},
		{"escapes are not decoded twice", mounted, []string{"SCRIPT_NAME", "/cgi/%2e%2e/secret"}, "%2e%2e", "/cgi/%2e%2e", "/secret"},
		{"hidden part behind the script", mounted, []string{"SCRIPT_NAME", "/cgi/hello/.git/x~"}, "hello", "/cgi/hello", "/.git/x~"},
		{"mount /", &Options{Path: dir + "/", Mount: "/"}, []string{"SCRIPT_NAME", "/hello/x"}, "hello", "/hello", "/x"},
		{"link", links, []string{"SCRIPT_NAME", "/cgi/link-in/x"}, "link-in", "/cgi/link-in", "/x"},
		{"absolute link", links, []string{"SCRIPT_NAME", "/cgi/link-abs"}, "link-abs", "/cgi/link-abs", ""},
		{"link to a folder", links, []string{"SCRIPT_NAME", "/cgi/link-sub/deep/tool/x"}, "link-sub/deep/tool", "/cgi/link-sub/deep/tool", "/x"},
		{"link out and in again", links, []string{"SCRIPT_NAME", "/cgi/link-round"}, "link-round", "/cgi/link-round", ""},
		{"SCRIPT_FILENAME", unmounted, []string{"SCRIPT_NAME", "/any/name", "PATH_INFO", "/x", "SCRIPT_FILENAME", dir + "/hello"}, "hello", "/any/name", "/x"},
		{"SCRIPT_FILENAME with path info", unmounted, []string{"SCRIPT_NAME", "/cgi/hello/x", "SCRIPT_FILENAME", dir + "/hello/x"}, "hello", "/cgi/hello", "/x"},
		{"last part of SCRIPT_NAME", unmounted, []string{"SCRIPT_NAME", "/any/hello", "PATH_INFO", "/x", "SCRIPT_FILENAME", "/srv/www/any/hello"}, "hello", "/any/hello", "/x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := findScript(request(t, tt.params...), tt.opts, quiet, nil)
			if err != nil {
				t.Fatal(err)
			}
			if s.path != dir+"/"+tt.file || s.scriptName != tt.scriptName || s.pathInfo != tt.inside || !slices.Equal(s.argv, []string{s.path}) {
				t.Errorf("got %+v", s)
			}
			if s.dir() != filepath.Dir(dir+"/"+tt.file) {
				t.Errorf("runs in %s", s.dir())
			}
		})
	}
}

func TestFindScriptRefusals(t *testing.T) {
	dir := site(t)
	for _, tt := range []struct {
		path   string
		status int
		log    string
	}{
		{"/none", 404, "no such file"},
		{"/sub/none", 404, "no such file"},
		{"/" + strings.Repeat("n", 300), 404, "too long"},
		{"/" + strings.Repeat("n/", 5000), 404, ""},
		{"", 403, "names the folder"},
		{"/", 403, "names the folder"},
		{"/sub/deep", 403, "names the folder"},
		{"/../secret", 403, ". or .."},
		{"/hello/../../secret", 403, ". or .."},
		{"/./hello", 403, ". or .."},
		{"/sub/..", 403, ". or .."},
		{"/.hidden", 403, "hidden"},
		{"/.git/hook", 403, "hidden"},
		{"/hello~", 403, "backup"},
		{"/#hello#", 403, "backup"},
		{"/hello.bak", 403, "backup"},
		{"/hello.orig", 403, "backup"},
		{"/hello.rej", 403, "backup"},
		{"/hello.swp", 403, "backup"},
		{"/hello.dpkg-old", 403, "backup"},
		{"/hello.rpmnew", 403, "backup"},
		{"/sub/hello~", 403, "backup"},
		{"/plain", 403, "not executable"},
		{"/all-write", 403, "can be written by everybody"},
		{"/open/tool", 403, "can be written by everybody"},
		{"/setuid", 403, "set-uid"},
		{"/setgid", 403, "set-uid or set-gid"},
		{"/fifo", 403, "not a file"},
		{"/link-in", 403, "a symbolic link"},
		{"/link-abs", 403, "a symbolic link"},
		{"/link-sub/deep/tool", 403, "a symbolic link"},
		{"/link-out", 403, "a symbolic link"},
		{"/link-dir-out/evil", 403, "a symbolic link"},
		{"/link-none", 403, "a symbolic link"},
	} {
		checkRefusal(t, &Options{Path: dir + "/", Mount: "/cgi"}, tt.path, tt.status, tt.log)
	}
	for _, tt := range []struct {
		path   string
		status int
		log    string
	}{
		{"/link-out", 403, "leaves the folder"},
		{"/link-out-abs", 403, "leaves the folder"},
		{"/link-dir-out/evil", 403, "leaves the folder"},
		{"/link-up/secret", 403, "leaves the folder"},
		{"/link-beside", 403, "leaves the folder"},
		{"/link-hidden", 403, "hidden"},
		{"/link-open", 403, "can be written by everybody"},
		{"/link-none", 404, "no such file"},
		{"/link-self", 403, ""},
		{"/hello~", 403, "backup"},
	} {
		checkRefusal(t, &Options{Path: dir + "/", Mount: "/cgi", FollowSymlinks: true}, tt.path, tt.status, tt.log)
	}
	for _, path := range []string{"2/hello", "2", "x"} { // the path is /cgi2/…
		checkRefusal(t, &Options{Path: dir + "/", Mount: "/cgi"}, path, 404, "not under the mount")
	}
	checkRefusal(t, &Options{Path: dir + "/none/", Mount: "/cgi"}, "/hello", 500, "folder of scripts")
	checkRefusal(t, &Options{Path: dir + "/hello/", Mount: "/cgi"}, "/hello", 500, "folder of scripts")
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	checkRefusal(t, &Options{Path: dir + "/", Mount: "/cgi"}, "/hello", 403, "folder "+dir+" can be written by everybody")
	checkRefusal(t, &Options{Path: dir + "/hello", Mount: "/cgi"}, "/hello", 403, "folder "+dir+" can be written by everybody")
}

// Each exception lets run what it names, and nothing else.
func TestExceptions(t *testing.T) {
	dir := site(t)
	files := map[Exception][]string{
		AllowHidden:   {".hidden", ".git/hook"},
		AllowBackup:   {"hello~", "#hello#", "hello.bak", "hello.orig", "hello.rej", "hello.swp", "hello.dpkg-old", "hello.rpmnew", "sub/hello~"},
		AllowWritable: {"all-write", "open/tool"},
		AllowSetuid:   {"setuid", "setgid"},
		AllowOwner:    nil, // see TestOwner
	}
	for _, allowed := range Exceptions() {
		opts := &Options{Path: dir + "/", Mount: "/cgi", Allow: []Exception{allowed}}
		for kind, names := range files {
			for _, name := range names {
				if kind != allowed {
					checkRefusal(t, opts, "/"+name, 403, "; --allow "+string(kind)+" runs it nevertheless")
					continue
				}
				s, err := findScript(request(t, "SCRIPT_NAME", "/cgi/"+name), opts, quiet, nil)
				if err != nil || s.path != dir+"/"+name {
					t.Errorf("%s: %+v, %v", name, s, err)
				}
			}
		}
		for _, path := range []string{"/../secret", "/./hello", "/.."} {
			checkRefusal(t, opts, path, 403, ". or ..")
		}
		checkRefusal(t, opts, "/plain", 403, "not executable")
		checkRefusal(t, opts, "/link-out", 403, "a symbolic link")
	}
	// One program is named by who starts this, so that its name is no matter.
	for name, allowed := range map[string]Exception{"all-write": AllowWritable, "open/tool": AllowWritable, "setuid": AllowSetuid} {
		path := filepath.Join(dir, name)
		checkRefusal(t, &Options{Path: path}, "", 403, "--allow "+string(allowed))
		if _, err := findScript(request(t, "SCRIPT_NAME", "/x"), &Options{Path: path, Allow: []Exception{allowed}}, quiet, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func checkRefusal(t *testing.T, opts *Options, path string, status int, log string) {
	t.Helper()
	s, err := findScript(request(t, "SCRIPT_NAME", "/cgi"+path), opts, quiet, nil)
	var r *refusal
	if !errors.As(err, &r) || r.status != status || !strings.Contains(r.message, log) {
		t.Errorf("%.60q: got %+v, %v; want %d %s", path, s, err, status, log)
	}
}

func TestSingleProgramRefusals(t *testing.T) {
	dir := site(t)
	for name, want := range map[string]int{"none": 404, "plain": 403, "all-write": 403, "setuid": 403, "sub": 403, "fifo": 403, "open/tool": 403} {
		checkRefusal(t, &Options{Path: filepath.Join(dir, name)}, "", want, "")
	}
	// Who configured a program may name any: a link, a name with a dot.
	for _, name := range []string{"hello", "link-in", "link-out", ".hidden", "hello.bak"} {
		s, err := findScript(request(t, "SCRIPT_NAME", "/x"), &Options{Path: filepath.Join(dir, name), Arguments: []string{"a", "b c"}}, quiet, nil)
		if err != nil || !slices.Equal(s.argv, []string{filepath.Join(dir, name), "a", "b c"}) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// A script that belongs to some third user is not run.
func TestOwner(t *testing.T) {
	need.Root(t) // only root can give files away
	dir := site(t)
	opts := &Options{Path: dir + "/", Mount: "/cgi"}
	chown := func(path string, uid int) {
		t.Helper()
		if err := os.Chown(path, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	chown(dir+"/hello", 12345)
	checkRefusal(t, opts, "/hello", 403, "belongs to user 12345, who owns neither the folder nor this process; --allow owner")
	if _, err := findScript(request(t, "SCRIPT_NAME", "/cgi/hello"), &Options{Path: dir + "/", Mount: "/cgi", Allow: []Exception{AllowOwner}}, quiet, nil); err != nil {
		t.Error(err)
	}
	chown(dir, 12345)
	if _, err := findScript(request(t, "SCRIPT_NAME", "/cgi/hello"), opts, quiet, nil); err != nil {
		t.Errorf("the owner of the folder may have scripts in it: %v", err)
	}
}

// Whatever a request says, what runs is a file in the folder, and everything
// else is answered 403 or 404.
func TestConfinement(t *testing.T) {
	dir := site(t)
	up := []string{
		"..", "../..", "../../..", "./..", "sub/../..", "hello/..", "hello/../..", "%2e%2e", "%2e%2e%2f", "..%2f", "%2e.", ".%2e", "..;", "...", "....//", "..\\", "..\x01",
		"\xc0\xae\xc0\xae", "%c0%ae", "link-up", "link-dir-out", "link-up/..", "open", ".git", "fifo", "/", "//", "~root", "sub/deep/tool/../../../..",
	}
	down := []string{"secret", "outside/evil", "cgi2/evil", "evil", "hello", "etc/passwd", "bin/sh", ""}
	forms := 0
	for _, opts := range []*Options{
		{Path: dir + "/", Mount: "/cgi"},
		{Path: dir + "/", Mount: "/cgi/", FollowSymlinks: true},
		{Path: dir + "/"},
		{Path: dir + "/", FollowSymlinks: true},
	} {
		for _, u := range up {
			for _, d := range down {
				path := "/" + u + "/" + d
				for _, p := range [][]string{
					{"SCRIPT_NAME", "/cgi" + path},
					{"SCRIPT_NAME", "/cgi", "PATH_INFO", path},
					{"REQUEST_URI", "/cgi" + path},
					{"REQUEST_URI", "/cgi" + strings.ReplaceAll(path, ".", "%2e")},
					{"SCRIPT_NAME", "/cgi/x", "SCRIPT_FILENAME", dir + path},
					{"SCRIPT_NAME", "/cgi/x", "SCRIPT_FILENAME", filepath.Dir(dir) + path},
				} {
					forms++
					s, err := findScript(request(t, p...), opts, quiet, nil)
					if err == nil {
						checkInside(t, dir, s, p)
						continue
					}
					var r *refusal
					if !errors.As(err, &r) || r.status != 403 && r.status != 404 {
						t.Errorf("%q: %v", p, err)
					}
				}
			}
		}
	}
	if forms < 200 {
		t.Errorf("only %d forms", forms)
	}
}

func checkInside(t *testing.T, dir string, s *script, p []string) {
	t.Helper()
	target, err := filepath.EvalSymlinks(s.path)
	if err != nil || !strings.HasPrefix(target, dir+"/") {
		t.Fatalf("%q runs %s, which is %s, %v", p, s.path, target, err)
	}
	if base := filepath.Base(target); base != "hello" && base != "tool" && base != "%2e%2e" {
		t.Fatalf("%q runs %s", p, target)
	}
}
