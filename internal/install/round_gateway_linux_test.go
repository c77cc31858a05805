package install_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// startGateway starts a proxy that reads the folders of apps.
func (h *host) startGateway() {
	h.t.Helper()
	for _, dir := range []string{"/etc/haproxy/scgikit", "/etc/caddy/scgikit"} {
		h.must(os.MkdirAll(dir, 0o755))
	}
	switch h.web {
	case "haproxy":
		h.write("/etc/haproxy/haproxy.cfg", "global\n  log stderr local0\ndefaults\n  mode http\n  timeout client 10s\n  timeout connect 5s\n  timeout server 10s\nfrontend own\n  bind 127.0.0.1:81\n", 0o644)
		// As Debian's unit does, but for the folder that install asks for.
		h.start("haproxy", "-W", "-f", "/etc/haproxy/haproxy.cfg", "-f", "/etc/haproxy/scgikit", "-p", "/run/haproxy.pid")
		h.until("haproxy", func() bool { _, err := os.Stat("/run/haproxy.pid"); return err == nil })
	case "caddy":
		h.write("/etc/caddy/Caddyfile", "{\n\tauto_https off\n}\nhttp://127.0.0.1 {\n\timport scgikit/*.caddy\n\thandle {\n\t\trespond \"nothing here\" 404\n\t}\n}\n", 0o644)
		h.start("caddy", "run", "--adapter", "caddyfile", "--config", "/etc/caddy/Caddyfile")
	}
}

// gatewayUp reports whether HAProxy serves what it has of its own: it has no
// listener at port 80 until an app is installed.
func (h *host) gatewayUp() bool {
	conn, err := net.Dial("tcp", "127.0.0.1:81")
	if err != nil {
		return false
	}
	h.must(conn.Close())
	return true
}

// gatewayRound is a round with a proxy that serves no files.
func gatewayRound(t *testing.T, web string) {
	h := newHost(t, web, "daemontools")
	h.install(0)
	h.answers("/blog/", "200 one")
	h.answers("/blog2/", "200 two")
	h.unchanged()
	stop := h.prober("/blog2/", "200 two")
	h.apps("three")
	h.rewrite("blog", "mount: /blog/}", "mount: /blog/, max_body: 2MiB}")
	h.install(0)
	h.answers("/blog/", "200 three")

	before := h.tree()
	broken := map[string]string{"haproxy": "/etc/haproxy/scgikit/broken.cfg", "caddy": "/etc/caddy/scgikit/broken.caddy"}[web]
	h.write(broken, "nonsense\n", 0o644)
	h.rewrite("blog", "max_body: 2MiB", "max_body: 3MiB")
	h.command(0, "scgikit", "generate", "-q")
	if out := h.command(9, "scgikit", "install", web, "--yes"); !strings.Contains(out, "nonsense") || !strings.Contains(out, "as it was before") {
		t.Errorf("a configuration that is broken elsewhere: %s", out)
	}
	h.must(os.Remove(broken))
	leave := []string{"supervise/", "/log/main/", "/history"}
	h.equal("a configuration that is broken elsewhere", h.without(h.tree(), leave...), h.without(before, leave...))
	h.answers("/blog/", "200 three")

	h.command(0, "scgikit", "rollback", "--yes")
	h.answers("/blog/", "200 one")
	stop()
	h.command(0, "scgikit", "uninstall", "all", "--yes", "--purge")
	h.equal("uninstalled", h.tree(), h.snapshot)
	if got, err := h.get("/blog/"); err == nil && strings.HasPrefix(got, "200") {
		t.Errorf("after uninstalling /blog/ answers %q", got)
	}
	fmt.Printf("sum: a round with %s and daemontools\n", web)
}
