package servertest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/webserver"
)

// The programs that the bridge runs here, as Debian has them.
const (
	gitBackend = "/usr/lib/git-core/git-http-backend"
	cgitCGI    = "/usr/lib/cgit/cgit.cgi"
	gitwebCGI  = "/usr/share/gitweb/gitweb.cgi"
	awstatsCGI = "/usr/lib/cgi-bin/awstats.pl"
)

// needCGI ends the test where one of the programs is missing.
func needCGI(t *testing.T) {
	t.Helper()
	need.Root(t)
	need.Program(t, "git")
	for name, file := range map[string]string{"git-http-backend": gitBackend, "cgit": cgitCGI, "gitweb": gitwebCGI, "awstats": awstatsCGI} {
		if _, err := os.Stat(file); err != nil {
			need.Missing(t, name)
		}
	}
	if exec.CommandContext(t.Context(), "perl", "-MCGI", "-e", "1").Run() != nil {
		need.Missing(t, "gitweb") // Debian's git brings the script, and gitweb what it needs
	}
}

// realPrograms is the CGI programs in both forms behind sockets.
type realPrograms struct {
	*project
	repositories string
	stats        string
	work         string // a repository with a commit of 24 MB
}

func startRealPrograms(t *testing.T) *realPrograms {
	t.Helper()
	p := &realPrograms{project: newProject(t)}
	src := example(t, p.dir, "git")
	repository(t, src)
	p.repositories = filepath.Join(src, "repositories")
	p.stats = example(t, p.dir, "stats")
	awstats(t, p.stats)
	p.makeWork(t)
	gitwebConf := filepath.Join(p.dir, "gitweb.conf")
	write(t, gitwebConf, "$projectroot = '"+p.repositories+"';\n$feature{'snapshot'}{'default'} = ['tgz'];\n$feature{'pathinfo'}{'default'} = [1];\n")
	for _, f := range []form{resident, perRequest} {
		add := func(name, script string, flags ...string) {
			name += "-" + string(f)
			p.describe(name, cgiScript(script), ", max_body: 64MiB")
			p.start(t, name, f, "bridge", append(append([]string{"--mount=/" + name + "/"}, flags...), script)...)
		}
		cgitConf := filepath.Join(p.dir, "cgitrc-"+string(f))
		write(t, cgitConf, "virtual-root=/cgit-"+string(f)+"/\nsnapshots=tar.gz\nscan-path="+p.repositories+"\n")
		git := []string{"--env=GIT_PROJECT_ROOT=" + p.repositories, "--env=GIT_HTTP_EXPORT_ALL=1"}
		add("git", gitBackend, git...)
		add("cgit", cgitCGI, "--env=CGIT_CONFIG="+cgitConf)
		add("gitweb", gitwebCGI, "--env=GITWEB_CONFIG="+gitwebConf)
		add("stats", awstatsCGI, "--env=AWSTATS_CONFIG=www", "--env=AWSTATS_ENABLE_CONFIG_DIR="+p.stats)
		if f == resident {
			// A body without a length reaches Apache's FastCGI alone; see docs/limits.md.
			p.describe("git-fastcgi", fastCGI, ", max_body: 0")
			p.start(t, "git-fastcgi", f, "bridge", append(append([]string{"--mount=/git-fastcgi/"}, git...), gitBackend)...)
		}
	}
	p.generate(t)
	return p
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pushSize is larger than what sockets and pipes hold, by far.
const pushSize = 24 << 20

func (p *realPrograms) makeWork(t *testing.T) {
	t.Helper()
	p.work = filepath.Join(p.dir, "work")
	p.git(t, p.dir, "init", "-q", p.work)
	blob := make([]byte, pushSize)
	random := rand.NewChaCha8([32]byte{})
	if _, err := random.Read(blob); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.work, "large"), blob, 0o644); err != nil {
		t.Fatal(err)
	}
	p.git(t, p.work, "add", "large")
	p.git(t, p.work, "commit", "-q", "-m", "large")
}

// git runs git for a client.
func (p *realPrograms) git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.compression=0", "-c", "safe.directory=*"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "HOME="+p.dir, "GIT_TRACE_CURL_NO_DATA=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestRealPrograms asks git-http-backend, cgit, gitweb and AWStats in both forms of
// the bridge behind real web servers with generated files.
func TestRealPrograms(t *testing.T) {
	needCGI(t)
	p := startRealPrograms(t)
	for _, program := range webserver.SpeakSCGI() {
		t.Run(string(program), func(t *testing.T) {
			base := "http://" + p.serve(t, program) + "/"
			for _, f := range []form{resident, perRequest} {
				if f.askedBehind(program) {
					t.Run(string(f), func(t *testing.T) { p.behind(t, program, f, base) })
				}
			}
		})
	}
}

// behind asks every program in one form behind one web server.
func (p *realPrograms) behind(t *testing.T, program webserver.Program, f form, base string) {
	end := "-" + string(f) + "/"
	for _, tt := range []struct {
		name, path, want string
		dear             bool
	}{
		{"cgit page", "cgit" + end + "hello.git/tree/README", "Cloned through git-http-backend.", false},
		{"cgit list", "cgit" + end, "hello.git", false},
		{"gitweb list", "gitweb" + end, "hello.git", true},
		{"gitweb blob", "gitweb" + end + "hello.git/blob_plain/HEAD:/README", "Cloned through git-http-backend.", false},
		{"AWStats", "stats" + end + "?configdir=" + p.stats, "Statistics for", false},
		{"git, dumb", "git" + end + "hello.git/HEAD", "ref: refs/heads/", false},
	} {
		if tt.dear && !need.Thorough() {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, http.MethodGet, base+tt.path, "", nil)
			if got.status != 200 || !strings.Contains(got.body, tt.want) {
				t.Errorf("%d %.600q", got.status, got.body)
			}
		})
	}
	t.Run("git, not there", func(t *testing.T) {
		if got := ask(t, http.MethodGet, base+"git"+end+"none.git/HEAD", "", nil); got.status != 404 {
			t.Errorf("%d %.600q", got.status, got.body)
		}
	})
	branch := strings.TrimSpace(p.git(t, filepath.Join(p.repositories, "hello.git"), "symbolic-ref", "--short", "HEAD"))
	t.Run("cgit snapshot", func(t *testing.T) {
		snapshot(t, base+"cgit"+end+"hello.git/snapshot/hello-"+branch+".tar.gz")
	})
	t.Run("git, gzip body", func(t *testing.T) { p.fetchZipped(t, base+"git"+end+"hello.git") })
	if f == perRequest && !need.Thorough() {
		return // it takes the same requests as the other form, and much time
	}
	t.Run("gitweb snapshot", func(t *testing.T) {
		snapshot(t, base+"gitweb"+end+"hello.git/snapshot/"+branch+".tar.gz")
	})
	t.Run("cgit, dumb clone", func(t *testing.T) { p.clone(t, base+"cgit"+end+"hello.git") })
	t.Run("git, four clones", func(t *testing.T) {
		var clones sync.WaitGroup
		for range 4 {
			clones.Go(func() { p.clone(t, base+"git"+end+"hello.git") })
		}
		clones.Wait()
	})
	t.Run("git push", func(t *testing.T) {
		if program == webserver.Apache && f == perRequest {
			p.refused(t, base+"git"+end)
			return
		}
		name := "push-" + string(program) + "-" + string(f) + ".git"
		path := filepath.Join(p.repositories, name)
		p.git(t, p.dir, "init", "-q", "--bare", path)
		p.git(t, path, "config", "http.receivepack", "true")
		p.git(t, path, "config", "receive.unpackLimit", "1") // the pack as it is: it would take time to pack each object
		if out, err := exec.CommandContext(t.Context(), "chown", "-R", "www-data:www-data", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		at := base + "git" + end
		if program == webserver.Apache {
			at = base + "git-fastcgi/"
		}
		p.push(t, at+name, path)
	})
}

// push pushes the large commit, whose pack git sends in chunks.
func (p *realPrograms) push(t *testing.T, url, path string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "-c", "pack.compression=0", "push", "-q", url, "HEAD:refs/heads/pushed")
	cmd.Dir = p.work
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "HOME="+p.dir, "GIT_TRACE_CURL=1", "GIT_TRACE_CURL_NO_DATA=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git push: %v\n%.3000s", err, out)
	}
	if !bytes.Contains(bytes.ToLower(out), []byte("transfer-encoding: chunked")) {
		t.Errorf("not in chunks:\n%.3000s", out)
	}
	if got := strings.TrimSpace(p.git(t, path, "cat-file", "-s", "refs/heads/pushed:large")); got != "25165824" {
		t.Errorf("pushed: %s bytes", got)
	}
}

// refused is what Apache's SCGI does with a body in chunks.
func (p *realPrograms) refused(t *testing.T, url string) {
	t.Helper()
	got := askChunked(t, url+"hello.git/git-receive-pack", "0000", http.Header{"Content-Type": {"application/x-git-receive-pack-request"}})
	if got.status != 411 {
		t.Errorf("%d %.300q", got.status, got.body)
	}
}

// askChunked is ask by POST, with a body whose length is not said before.
func askChunked(t *testing.T, url, body string, header http.Header) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, io.MultiReader(strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	resp, err := (&http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// clone clones, and looks at what came.
func (p *realPrograms) clone(t *testing.T, url string) {
	t.Helper()
	dest, err := os.MkdirTemp(p.dir, "clone")
	if err != nil {
		t.Error(err)
		return
	}
	cmd := exec.CommandContext(t.Context(), "git", "clone", "-q", url, dest)
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "HOME="+p.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("git clone: %v\n%s", err, out)
		return
	}
	if text, err := os.ReadFile(filepath.Join(dest, "README")); err != nil || !strings.Contains(string(text), "Cloned") {
		t.Errorf("README of the clone: %q, %v", text, err)
	}
}

// fetchZipped asks for a pack with a compressed body, which is what git sends where
// the body is longer.
func (p *realPrograms) fetchZipped(t *testing.T, url string) {
	t.Helper()
	head := strings.TrimSpace(p.git(t, filepath.Join(p.repositories, "hello.git"), "rev-parse", "HEAD"))
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, err := io.WriteString(w, "0032want "+head+"\n00000009done\n")
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	got := ask(t, http.MethodPost, url+"/git-upload-pack", body.String(), http.Header{
		"Content-Type": {"application/x-git-upload-pack-request"}, "Content-Encoding": {"gzip"},
	})
	if got.status != 200 || !strings.HasPrefix(got.body, "0008NAK\nPACK") {
		t.Errorf("%d %.300q", got.status, got.body)
	}
}

// snapshot reads an archive.
func snapshot(t *testing.T, url string) {
	t.Helper()
	got := ask(t, http.MethodGet, url, "", nil)
	z, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatalf("%d %.600q: %v", got.status, got.body, err)
	}
	for r := tar.NewReader(z); ; {
		entry, err := r.Next()
		if err != nil {
			t.Fatalf("no README: %v", err)
		}
		if strings.HasSuffix(entry.Name, "/README") {
			text, err := io.ReadAll(r)
			if err != nil || !strings.Contains(string(text), "Cloned") {
				t.Errorf("README: %q, %v", text, err)
			}
			return
		}
	}
}
