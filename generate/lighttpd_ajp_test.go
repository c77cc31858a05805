package generate_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scgikit/internal/loopback"
	"scgikit/internal/need"
)

// TestLighttpdAJP says why ajp is refused for Lighttpd: however mod_ajp13 is
// configured, the app does not get the path that was asked for, nor a body that it
// could read. Where a version of Lighttpd fails this test, the decision is to be made
// anew: docs/adr/0010-no-ajp-for-lighttpd.md.
func TestLighttpdAJP(t *testing.T) {
	t.Parallel()
	program := need.Program(t, "lighttpd")
	for name, test := range map[string]struct{ key, more, path string }{
		"mount":             {"/app", "", "/app"},
		"mount and a slash": {"/app/", "", "/app/one"},
		"everything":        {"/", "", "/app"},
		"root":              {"/", `, "fix-root-scriptname" => "enable"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer app.Close()
			port, err := loopback.FreePorts(1)
			if err != nil {
				t.Fatal(err)
			}
			dir := publicDir(t)
			conf := filepath.Join(dir, "lighttpd.conf")
			writeFile(t, conf, fmt.Sprintf(`server.modules = ("mod_ajp13")
server.document-root = %q
server.upload-dirs = (%[1]q)
server.bind = "127.0.0.1"
server.port = %[2]d
ajp13.server = (%[3]q => (("host" => "127.0.0.1", "port" => %[4]d, "check-local" => "disable"%[5]s)))
`, dir, port, test.key, app.Addr().(*net.TCPAddr).Port, test.more))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			cmd := exec.CommandContext(ctx, program, "-D", "-f", conf)
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				cancel()
				t.Fatal(err)
			}
			defer func() { cancel(); _ = cmd.Wait() }()
			addr := fmt.Sprintf("127.0.0.1:%d", port)
			eventually(t, "lighttpd to listen", func() bool {
				conn, err := net.Dial("tcp", addr)
				if err == nil {
					err = conn.Close()
				}
				return err == nil
			})
			go func() {
				resp, err := http.Post("http://"+addr+"/app/one/two", "text/plain", strings.NewReader("a body"))
				if err == nil {
					_ = resp.Body.Close()
				}
			}()
			conn, err := app.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			request, err := readAJP(conn)
			if err != nil {
				t.Fatal(err)
			}
			request.take(2) // what it is, and the method
			if protocol, path := request.text(), request.text(); protocol != "HTTP/1.1" || path != test.path {
				t.Errorf("the app gets %s %q, where it got %q", protocol, path, test.path)
			}
			// The length stands in front of the body, in the packet, as AJP has it.
			if body, err := readAJP(conn); err != nil || string(body.data) != "a body" {
				t.Errorf("the body is %q (%v)", body.data, err)
			}
			_, _ = io.WriteString(conn, "AB\x00\x02\x05\x00")
		})
	}
}
