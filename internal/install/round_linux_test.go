package install_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/selftest"
	"scgikit/internal/servertest"
)

// insideRound names the variable that has the folder of a test inside its
// namespaces.
const insideRound = "SCGIKIT_INSIDE_ROUND"

// examplesRound names the variable that has the folder of the examples.
const examplesRound = "SCGIKIT_ROUND_EXAMPLES"

// TestMachine runs whole rounds at the true paths, with the real programs, in
// namespaces of their own for mounts, network and processes: overlays stand over
// /etc, /var, /run, /usr and /srv, and this machine is not touched.
func TestMachine(t *testing.T) {
	t.Parallel()
	need.Root(t)
	for _, name := range []string{"nginx", "lighttpd", "apache2", "inetd", "svscan", "runsvdir", "strace"} {
		need.Program(t, name)
	}
	unshare := need.Program(t, "unshare")
	flags := []string{"--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child"}
	if out, err := exec.CommandContext(t.Context(), unshare, append(flags, "true")...).CombinedOutput(); err != nil {
		t.Logf("%v: %s", err, out)
		need.Missing(t, "unshare of mounts, network and processes")
	}
	self := selftest.Program(t)
	programs, err := servertest.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	rounds := []string{"daemontools", "runit", "lighttpd", "apache", "refused", "examples", "s6", "sysv", "haproxy", "caddy"}
	if need.Thorough() {
		rounds = append(rounds, "examples lighttpd", "examples apache")
	}
	for _, name := range rounds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			switch name {
			case "examples", "examples lighttpd", "examples apache":
				needExamples(t)
			case "s6":
				need.Program(t, "s6-svscan")
			case "sysv":
				need.Program(t, "update-rc.d")
				need.Program(t, "start-stop-daemon")
			case "haproxy", "caddy":
				need.Program(t, name)
			}
			// The shell is the first process there, and buries those whose parents have ended.
			cmd := exec.CommandContext(t.Context(), unshare, append(slices.Clone(flags), "sh", "-c", `"$0" "$@"; exit $?`, self, "-test.run=^TestInsideMachine$/^"+strings.ReplaceAll(name, " ", "_")+"$", "-test.v", "-test.timeout=5m")...)
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), insideRound+"="+t.TempDir(), "SCGIKIT_BUILT="+programs.Scgikit+":"+programs.ScgiRun, examplesRound+"="+examples)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: TestInsideMachine/"+strings.ReplaceAll(name, " ", "_")) {
				t.Errorf("%v\n%s", err, out)
			}
			for line := range strings.Lines(string(out)) {
				if _, sum, ok := strings.Cut(line, "sum: "); ok {
					t.Attr("sum", name+": "+strings.TrimSpace(sum))
				}
			}
		})
	}
}

// TestInsideMachine is what TestMachine runs in its namespaces.
func TestInsideMachine(t *testing.T) {
	if os.Getenv(insideRound) == "" {
		return
	}
	t.Run("daemontools", func(t *testing.T) { round(t, "nginx", "daemontools") })
	t.Run("runit", func(t *testing.T) { round(t, "nginx", "runit") })
	t.Run("lighttpd", func(t *testing.T) { round(t, "lighttpd", "daemontools") })
	t.Run("apache", func(t *testing.T) { round(t, "apache", "daemontools") })
	t.Run("refused", rolledBack)
	t.Run("examples", func(t *testing.T) { examplesTogether(t, "nginx", "daemontools") })
	t.Run("examples lighttpd", func(t *testing.T) { examplesTogether(t, "lighttpd", "runit") })
	t.Run("examples apache", func(t *testing.T) { examplesTogether(t, "apache", "runit") })
	t.Run("s6", func(t *testing.T) { round(t, "nginx", "s6") })
	t.Run("sysv", func(t *testing.T) { round(t, "nginx", "sysv") })
	t.Run("haproxy", func(t *testing.T) { gatewayRound(t, "haproxy") })
	t.Run("caddy", func(t *testing.T) { gatewayRound(t, "caddy") })
}

// round is install, change, hand edit, rollback, uninstall.
func round(t *testing.T, web, starter string) {
	h := newHost(t, web, starter)
	out := h.install(0)
	h.answers("/blog/", "200 one")
	h.answers("/blog2/", "200 two")
	h.answers("/hello/", "200 one")
	installed := h.tree()
	h.unchanged()
	stop := h.prober("/blog2/", "200 two")

	h.apps("three")
	if diff := h.command(1, "scgikit", "diff", "--installed", "--stat"); !strings.Contains(diff, "same differs") {
		t.Errorf("diff --installed says\n%s", diff)
	}
	plan := h.command(0, "scgikit", "install", "all", "--dry-run", "--render")
	done := h.install(0)
	if first, _, _ := strings.Cut(plan, "scgikit:"); !strings.HasPrefix(done, first) {
		t.Errorf("the dry run says\n%s\nand the real one\n%s", plan, done)
	}
	h.answers("/blog/", "200 three")
	h.answers("/hello/", "200 three")
	if strings.Contains(done, "blog2") {
		t.Errorf("the change of blog tells of blog2:\n%s", done)
	}

	text, err := os.ReadFile(h.fragment("blog"))
	h.must(err)
	h.must(os.WriteFile(h.fragment("blog"), append(bytes.Clone(text), "# mine\n"...), 0o644))
	h.apps("four")
	edited := h.tree()
	h.command(0, "scgikit", "generate", "-q", "--set", "http.max_body=2MiB")
	h.command(6, "scgikit", "install", "all", "--yes")
	h.equal("refused", h.tree(), edited)
	h.command(0, "scgikit", "install", "all", "--yes", "--overwrite-local")
	h.answers("/blog/", "200 four")
	h.command(0, "scgikit", "rollback", "--yes")
	h.answers("/blog/", "200 three")
	h.must(os.WriteFile(h.fragment("blog"), text, 0o644))
	h.command(0, "scgikit", "rollback", "2", "--yes", "--overwrite-local")
	h.answers("/blog/", "200 one")
	h.answers("/hello/", "200 one")
	stop()
	h.equal("rolled back", h.without(h.tree(), "/var/lib/scgikit/history", "/var/lib/scgikit/receipts.json", "supervise/", "/log/main/"),
		h.without(installed, "/var/lib/scgikit/history", "/var/lib/scgikit/receipts.json", "supervise/", "/log/main/"))

	h.command(0, "scgikit", "uninstall", "all", "--yes", "--purge")
	h.equal("uninstalled", h.tree(), h.snapshot)
	if got, err := h.get("/blog/"); err == nil && strings.HasPrefix(got, "200") {
		t.Errorf("after uninstalling /blog/ answers %q", got)
	}
	fmt.Printf("sum: a round with %s and %s, %d actions in the first install\n", web, starter, strings.Count(out, "\n"))
}

// without leaves out lines of a tree that have one of some words.
func (h *host) without(tree string, words ...string) string {
	var b strings.Builder
	for line := range strings.Lines(tree) {
		if !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) }) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// unchanged installs once more, and counts the calls that write.
func (h *host) unchanged() {
	h.t.Helper()
	trace := filepath.Join(os.Getenv(insideRound), "trace")
	before := h.tree()
	out := h.command(0, need.Program(h.t, "strace"), "-f", "--seccomp-bpf", "-qq", "-o", trace, "-e", "trace="+writers, strings.Split(os.Getenv("SCGIKIT_BUILT"), ":")[0], "install", "all", "--yes")
	if !strings.Contains(out, "nothing to do") {
		h.t.Errorf("the second install says\n%s", out)
	}
	text, err := os.ReadFile(trace)
	h.must(err)
	for line := range strings.Lines(string(text)) {
		if writesFile(line) {
			h.t.Errorf("the second install writes: %s", line)
		}
	}
	h.equal("the second time", h.tree(), before)
}

// writers are the calls that change files.
const writers = "openat,open,creat,mkdirat,mkdir,renameat,renameat2,rename,unlinkat,unlink,rmdir,symlinkat,symlink,linkat,link,fchmod,fchmodat,chmod,fchown,fchownat,lchown,chown,ftruncate,fallocate,utimensat,mknodat"

// writesFile reports whether a line of strace is a call that changes a file.
func writesFile(line string) bool {
	if strings.Contains(line, "open") {
		return (strings.Contains(line, "O_CREAT") || strings.Contains(line, "O_WRONLY") || strings.Contains(line, "O_RDWR")) && !strings.Contains(line, "/dev/null")
	}
	return !strings.Contains(line, "--- SIG") && !strings.Contains(line, "+++ ") && !strings.Contains(line, "???")
}

// rolledBack has activations fail: a service that ends at once, a configuration
// that the server's own test does not take, and an app that answers wrongly. The
// machine is as before, and another app is served throughout.
func rolledBack(t *testing.T) {
	h := newHost(t, "nginx", "daemontools")
	h.install(0)
	stop := h.prober("/blog2/", "200 two")
	before := h.tree()
	leave := []string{"supervise/", "/log/main/", "/history"}
	check := func(what string) {
		t.Helper()
		h.equal(what, h.without(h.tree(), leave...), h.without(before, leave...))
		h.answers("/blog/", "200 one")
		h.answers("/hello/", "200 one")
	}

	h.rewrite("blog", "command: [/usr/local/bin/scgi-run,", "command: [/bin/false,")
	h.command(0, "scgikit", "generate", "-q")
	out := h.command(9, "scgikit", "install", "all", "--yes", "--only", "blog")
	if !strings.Contains(out, "everything is as it was before") {
		t.Errorf("a service that ends at once: %s", out)
	}
	check("a service that ends at once")

	h.apps("one")
	h.command(0, "scgikit", "generate", "-q", "--set", "http.max_body=3MiB")
	h.write("/etc/nginx/conf.d/broken.conf", "nonsense;\n", 0o644)
	if out = h.command(9, "scgikit", "install", "nginx", "--yes"); !strings.Contains(out, "nonsense") {
		t.Errorf("a configuration that is broken elsewhere: %s", out)
	}
	h.must(os.Remove("/etc/nginx/conf.d/broken.conf"))
	check("a configuration that is broken elsewhere")

	h.write("/srv/bad", "#!/bin/sh\nprintf 'Status: 500 No\\r\\nContent-Type: text/plain\\r\\n\\r\\n'\n", 0o755)
	h.apps("one")
	h.rewrite("hello", "/srv/hello", "/srv/bad")
	h.command(0, "scgikit", "generate", "-q")
	if out = h.command(9, "scgikit", "install", "all", "--yes", "--only", "hello"); !strings.Contains(out, "is 500") {
		t.Errorf("an app that answers wrongly: %s", out)
	}
	h.must(os.Remove("/srv/bad"))
	check("an app that answers wrongly")
	stop()
	h.command(0, "scgikit", "uninstall", "all", "--yes", "--purge")
	h.equal("uninstalled", h.tree(), h.snapshot)
}
