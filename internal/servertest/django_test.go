package servertest

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/webserver"
)

// djangoForms are the ways in which the site runs: the three styles of scgi-run wsgi,
// and uwsgi, which it becomes.
func djangoForms() []string { return []string{"once", "prefork", "zygote", "uwsgi"} }

// djangoSite is the site in all forms.
type djangoSite struct {
	*project
	folder string
	file   []byte
}

func startDjango(t *testing.T) *djangoSite {
	t.Helper()
	need.Root(t)
	const python = "/usr/bin/python3"
	if exec.CommandContext(t.Context(), python, "-c", "import django").Run() != nil {
		need.Missing(t, "django")
	}
	need.Program(t, "uwsgi")
	s := &djangoSite{project: newProject(t)}
	s.folder = filepath.Join(s.dir, "site")
	if err := os.Mkdir(s.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("testdata/django/djangosite.py")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.folder, "djangosite.py"), string(source))
	s.file = bytes.Repeat([]byte("file\n"), 200_000)
	write(t, filepath.Join(s.folder, "file"), string(s.file))
	for _, name := range djangoForms() {
		s.describe(name, anyServer, ", max_body: 8MiB, buffering: false")
		env := []string{"SITE_FOLDER=" + s.folder, "PYTHONDONTWRITEBYTECODE=1"}
		flags := []string{"--path=" + s.folder, "--env=" + env[0], "--env=" + env[1], "--mount=/" + name + "/"}
		f := perRequest
		switch name {
		case "once":
		case "uwsgi":
			f = resident
			flags = append(flags, "--server=uwsgi", "--workers=2")
		default:
			f = resident
			flags = append(flags, "--style="+name)
		}
		s.start(t, name, f, "wsgi", append(flags, "djangosite:application")...)
	}
	s.generate(t)
	return s
}

// TestDjango asks a Django site in every form behind real web servers with generated
// files. A process for each request takes a second, so that this form is asked less.
func TestDjango(t *testing.T) {
	s := startDjango(t)
	for _, program := range webserver.SpeakSCGI() {
		t.Run(string(program), func(t *testing.T) {
			base := "http://" + s.serve(t, program) + "/"
			for _, name := range djangoForms() {
				if name == "once" && !perRequest.askedBehind(program) {
					continue
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					s.behind(t, program, name, base+name+"/")
				})
			}
		})
	}
}

// uploadBody is 3 MB.
var uploadBody = strings.Repeat("0123456789abcde\n", 3<<20/16)

// behind asks one form behind one web server.
func (s *djangoSite) behind(t *testing.T, program webserver.Program, name, url string) {
	got := ask(t, http.MethodPost, url+"form", "name=x", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if got.status != 302 || got.header.Get("Location") != "target?name=x" {
		t.Errorf("POST: %d, Location %q, %.300q", got.status, got.header.Get("Location"), got.body)
	}
	if cookies := got.header.Values("Set-Cookie"); len(cookies) != 2 || !strings.HasPrefix(cookies[0], "first=1;") || !strings.HasPrefix(cookies[1], "second=2;") {
		t.Errorf("cookies %q", cookies)
	}
	s.broken(t, program, name, url)
	form, kind := multipartForm(t, uploadBody)
	want := fmt.Sprintf("%d %x", len(uploadBody), sha256.Sum256([]byte(uploadBody)))
	if got = ask(t, http.MethodPost, url+"upload", form, http.Header{"Content-Type": {kind}}); got.body != "a note a file "+want {
		t.Errorf("multipart upload: %d %.300q, want %s", got.status, got.body, want)
	}
	s.stream(t, string(program)+"-"+name, url)
	if name == "once" && !need.Thorough() {
		return
	}
	if got = ask(t, http.MethodGet, url+"names/a%20b/%C3%A9", "", nil); got.body != "/"+name+"|/names/a b/é" {
		t.Errorf("names: %d %q", got.status, got.body)
	}
	if got = ask(t, http.MethodPost, url+"upload", uploadBody, http.Header{"Content-Type": {"application/octet-stream"}}); got.body != want {
		t.Errorf("upload: %d %.300q, want %s", got.status, got.body, want)
	}
	got = askChunked(t, url+"upload", uploadBody, http.Header{"Content-Type": {"application/octet-stream"}})
	if program == webserver.Apache {
		if got.status != 411 { // see docs/limits.md
			t.Errorf("upload in chunks: %d", got.status)
		}
	} else if got.body != want {
		t.Errorf("upload in chunks: %d %.300q, want %s", got.status, got.body, want)
	}
	got = ask(t, http.MethodGet, url+"file", "", nil)
	length := "1000000"
	if program == webserver.Apache {
		length = "" // it sends an answer that it does not collect in chunks of its own
	}
	if got.status != 200 || got.body != string(s.file) || got.header.Get("Content-Length") != length {
		t.Errorf("file: %d, %d bytes, Content-Length %s", got.status, len(got.body), got.header.Get("Content-Length"))
	}
}

// multipartForm returns a form with a text and a file.
func multipartForm(t *testing.T, body string) (form, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("note", "a note"); err != nil {
		t.Fatal(err)
	}
	file, err := w.CreateFormFile("file", "a file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// broken requires that the client learns nothing of what went wrong, and the log all.
func (s *djangoSite) broken(t *testing.T, program webserver.Program, name, url string) {
	t.Helper()
	token := "token-of-" + string(program)
	got := ask(t, http.MethodGet, url+"broken?token="+token, "", nil)
	if got.status != 500 || strings.Contains(got.body, "Traceback") || strings.Contains(got.body, token) || strings.Contains(got.body, s.dir) {
		t.Errorf("an exception: %d %.600q", got.status, got.body)
	}
	Until(t, "the traceback in the log of "+name, func() bool {
		_, after, found := strings.Cut(s.logs[name](), "Traceback (most recent call last):")
		return found && strings.Contains(after, "RuntimeError: no luck with "+token)
	})
}

// stream reads the first line of an answer before the second one is written.
func (s *djangoSite) stream(t *testing.T, token, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"stream?token="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	if line, err := r.ReadString('\n'); line != "first\n" || err != nil {
		t.Fatalf("stream: %q, %v", line, err)
	}
	write(t, filepath.Join(s.folder, token), "")
	if rest, err := io.ReadAll(r); string(rest) != "second\n" || err != nil {
		t.Errorf("stream: %q, %v", rest, err)
	}
}
