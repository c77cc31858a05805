//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"scgikit/bench/measure"
	"scgikit/internal/loopback"
)

// behind measures one app in the ways that a site can have it, all behind one
// Lighttpd, with ab: as a plain CGI script of mod_cgi, with scgi-run wsgi started
// by inetd for each request, as a zygote, and as prefork.
func (b *bench) behind(title, dir, app string, rounds int) error {
	for _, program := range []string{"lighttpd", "inetd", "ab"} {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Printf("not on this machine: %s, which the requests with ab need\n", program)
			return nil
		}
	}
	first, err := loopback.FreePorts(2)
	if err != nil {
		return err
	}
	zygote, prefork := b.zygote(dir, app), b.prefork(dir, app)
	for _, s := range []server{zygote, prefork} {
		p, err := start(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		defer p.stop()
	}
	web, stop, err := b.front(dir, app, first, zygote.path, prefork.path)
	if err != nil {
		return err
	}
	defer stop()

	ways := []string{"cgi", "inetd", "zygote", "prefork"}
	samples, slowest := make([][]measure.Sample, len(ways)), make([][]float64, len(ways))
	for round := range rounds + 1 { // one to warm
		for _, i := range b.random.Perm(len(ways)) {
			got, last, err := ab("http://" + web + "/" + ways[i] + "/app/")
			if err != nil {
				return fmt.Errorf("%s: %w", ways[i], err)
			}
			if round > 0 {
				samples[i], slowest[i] = append(samples[i], got), append(slowest[i], last)
			}
		}
	}
	fmt.Printf("\n%s, ab -n 100 -c 10, Lighttpd before each; %d rounds, median (min-max)\n", title, rounds)
	fmt.Printf("%-9s %-26s %-26s %s\n", "", "requests/s", "slowest of 100, ms", "requests/s / cgi")
	for i, way := range ways {
		var rate []float64
		for _, s := range samples[i] {
			rate = append(rate, float64(time.Second)/float64(s.Wall))
		}
		fmt.Printf("%-9s %-26s %-26s %s\n", way, whole(rate), whole(slowest[i]), measure.SpreadOf(measure.Ratios(samples[0], samples[i], measure.Wall)))
	}
	return nil
}

// front starts Lighttpd and inetd at two ports, and waits until both listen.
func (b *bench) front(dir, app string, first int, zygote, prefork string) (web string, stop func(), err error) {
	script := fmt.Sprintf("#!/usr/bin/python3\nimport sys\nsys.path.insert(0, %q)\nfrom wsgiref.handlers import CGIHandler\nfrom %s import application\nCGIHandler().run(application)\n", dir, app)
	root := filepath.Join(b.dir, "root-"+app)
	if err := os.MkdirAll(filepath.Join(root, "cgi"), 0o755); err != nil {
		return "", nil, err
	}
	if err := os.WriteFile(filepath.Join(root, "cgi", "app"), []byte(script), 0o755); err != nil {
		return "", nil, err
	}
	web = net.JoinHostPort(loopback.Host, strconv.Itoa(first))
	lighttpd := filepath.Join(root, "lighttpd.conf")
	inetd := filepath.Join(root, "inetd.conf")
	for name, text := range map[string]string{
		lighttpd: fmt.Sprintf(`server.modules = ("mod_cgi", "mod_scgi")
server.document-root = %[1]q
server.bind = %[2]q
server.port = %[3]d
server.upload-dirs = (%[4]q)
server.errorlog = "%[1]s/log"
$HTTP["url"] =~ "^/cgi/" { cgi.assign = ("" => "") }
scgi.server = (
	"/inetd/app" => (("host" => %[2]q, "port" => %[5]d, "check-local" => "disable")),
	"/zygote/app" => (("socket" => %[6]q, "check-local" => "disable")),
	"/prefork/app" => (("socket" => %[7]q, "check-local" => "disable")),
)
`, root, loopback.Host, first, b.dir, first+1, zygote, prefork),
		// Without the number openbsd-inetd closes the service after 256 requests a minute.
		inetd: fmt.Sprintf("%s:%d stream tcp nowait.1000000 root %s scgi-run %s\n", loopback.Host, first+1,
			filepath.Join(b.bin, "scgi-run"), strings.Join(b.scgiRun(dir, app)[1:], " ")),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return "", nil, err
		}
	}
	var started []*exec.Cmd
	stop = func() {
		for _, cmd := range started {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait() // how it ends is not measured
		}
	}
	for _, argv := range [][]string{{"lighttpd", "-D", "-f", lighttpd}, {"inetd", "-i", inetd}} {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			stop()
			return "", nil, err
		}
		started = append(started, cmd)
	}
	for _, port := range []int{first, first + 1} {
		if err := listens(port); err != nil {
			stop()
			return "", nil, err
		}
	}
	return web, stop, nil
}

func listens(port int) error {
	var last error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", net.JoinHostPort(loopback.Host, strconv.Itoa(port)))
		if err == nil {
			return conn.Close()
		}
		last = err
	}
	return last
}

// ab returns what a request took on average, and the slowest of them in ms. A
// request that fails, or is answered with anything but 2xx, is an error.
func ab(url string) (mean measure.Sample, slowest float64, err error) {
	out, err := exec.Command("ab", "-q", "-s", "120", "-n", "100", "-c", "10", url).CombinedOutput()
	if err != nil {
		return measure.Sample{}, 0, fmt.Errorf("ab: %w\n%s", err, out)
	}
	var seconds float64
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch {
		case name == "Time taken for tests":
			_, err = fmt.Sscanf(value, "%f seconds", &seconds)
		case name == "Failed requests" && value != "0", name == "Non-2xx responses":
			return measure.Sample{}, 0, fmt.Errorf("ab says %s\n%s", strings.TrimSpace(line), out)
		case strings.HasPrefix(name, "100%"):
			_, err = fmt.Sscanf(name, "100%% %f", &slowest)
		}
		if err != nil {
			return measure.Sample{}, 0, fmt.Errorf("ab says %q: %w", line, err)
		}
	}
	if seconds == 0 {
		return measure.Sample{}, 0, errors.New("ab says no time")
	}
	return measure.Sample{Wall: time.Duration(seconds * float64(time.Second) / 100)}, slowest, nil
}
