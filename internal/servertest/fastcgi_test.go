package servertest

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// TestFastCGIBridge puts the resident bridge behind what each web server has for
// FastCGI, with connections that are kept where it can keep them.
func TestFastCGIBridge(t *testing.T) {
	dir := Folder(t)
	socket := filepath.Join(dir, "socket")
	scripts := filepath.Join(dir, "cgi")
	if err := os.Mkdir(scripts, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"show":  `echo "$REQUEST_METHOD $SCRIPT_NAME ${PATH_INFO-none} $QUERY_STRING $HTTP_X_FIELD"`,
		"sum":   `echo "$CONTENT_LENGTH $(wc -c)"`,
		"large": `head -c 5000000 /dev/zero`,
		"error": `echo on stderr >&2; echo no more`,
	} {
		text = "#!/bin/sh\necho Content-Type: text/plain; echo; " + text + "\n"
		if err := os.WriteFile(filepath.Join(scripts, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bridge := Start(t, dir, programs.ScgiRun, "bridge", "--listen=unix:"+socket, "--socket-mode=0666", "--mount=/app/", scripts+"/")
	Until(t, "the bridge to listen", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	for _, server := range []struct {
		program, conf string
		args          []string
	}{
		{
			program: "nginx", args: []string{"-p", "{dir}", "-c", "{conf}", "-e", "stderr"},
			conf: `daemon off; pid {dir}/pid; error_log stderr; events { }
http {
	access_log off;
	client_body_temp_path {dir}/body; scgi_temp_path {dir}/scgi; fastcgi_temp_path {dir}/fastcgi; proxy_temp_path {dir}/proxy; uwsgi_temp_path {dir}/uwsgi;
	upstream bridge { server unix:{socket}; keepalive 4; }
	server {
		listen {addr};
		client_max_body_size 0;
		location /app/ {
			include /etc/nginx/fastcgi_params;
			fastcgi_keep_conn on;
			fastcgi_request_buffering off;
			fastcgi_pass bridge;
		}
	}
}`,
		},
		{
			program: "lighttpd", args: []string{"-D", "-f", "{conf}"},
			conf: `server.modules = ("mod_fastcgi")
server.document-root = "{dir}"
server.bind = "127.0.0.1"
server.port = {port}
server.upload-dirs = ("{dir}")
fastcgi.server = ("/app/" => (("socket" => "{socket}", "check-local" => "disable")))`,
		},
		{
			program: "apache2", args: []string{"-f", "{conf}", "-DFOREGROUND"},
			conf: `ServerRoot {dir}
ServerName localhost
PidFile {dir}/pid
ErrorLog {dir}/error.log
Mutex file:{dir}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_fcgi_module /usr/lib/apache2/modules/mod_proxy_fcgi.so
User www-data
Group www-data
Listen {addr}
ProxyPass /app/ unix:{socket}|fcgi://bridge/app/ enablereuse=on`,
		},
	} {
		t.Run(server.program, func(t *testing.T) {
			program := need.Program(t, server.program)
			own := filepath.Join(dir, server.program)
			if err := os.Mkdir(own, 0o777); err != nil {
				t.Fatal(err)
			}
			port := strconv.Itoa(Ports(t, 1))
			fill := strings.NewReplacer("{dir}", own, "{socket}", socket, "{port}", port, "{addr}", "127.0.0.1:"+port, "{conf}", filepath.Join(own, "conf"))
			if err := os.WriteFile(filepath.Join(own, "conf"), []byte(fill.Replace(server.conf)+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			args := make([]string, len(server.args))
			for i, arg := range server.args {
				args[i] = fill.Replace(arg)
			}
			d := Start(t, own, program, args...)
			url := "http://127.0.0.1:" + port + "/app/"
			Until(t, "the web server to listen", func() bool {
				resp, err := http.Get(url)
				if err != nil {
					return false
				}
				resp.Body.Close()
				return true
			})
			for i := range 3 {
				got := ask(t, "GET", url+"show/a%20b?x=1&y", "", http.Header{"X-Field": {"value"}})
				if got.status != 200 || got.body != "GET /app/show /a b x=1&y value\n" {
					t.Errorf("request %d: %d %q", i, got.status, got.body)
				}
				body := strings.Repeat("b", 1_000_000)
				if got := ask(t, "POST", url+"sum", body, nil); got.body != "1000000 1000000\n" {
					t.Errorf("body: %d %q", got.status, got.body)
				}
				if got := ask(t, "GET", url+"large", "", nil); got.body != strings.Repeat("\x00", 5_000_000) {
					t.Errorf("large answer: %d, %d bytes", got.status, len(got.body))
				}
				if got := ask(t, "GET", url+"none", "", nil); got.status != 404 {
					t.Errorf("a script that is not there: %d %q", got.status, got.body)
				}
				if got := ask(t, "GET", url+"error", "", nil); got.body != "no more\n" {
					t.Errorf("standard error: %d %q", got.status, got.body)
				}
				chunked(t, url+"sum", body)
			}
			if t.Failed() {
				t.Logf("%s\n%s", d.Log(), bridge.Log())
			}
		})
	}
	if !strings.Contains(bridge.Log(), "]: on stderr\n") {
		t.Errorf("log %q", bridge.Log())
	}
}

// chunked sends a body whose length is not said before. Each web server may
// refuse that, but not change it.
func chunked(t *testing.T, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, io.MultiReader(strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	want := fmt.Sprintf("%d %[1]d\n", len(body))
	if err != nil || (resp.StatusCode == 200 && string(got) != want) || (resp.StatusCode != 200 && resp.StatusCode != 411) {
		t.Errorf("chunked body: %d %.100q, %v", resp.StatusCode, got, err)
	}
}
