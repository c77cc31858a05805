//go:build linux

// Command wsgi measures what serving a Python WSGI app costs: scgi-run wsgi in its
// three styles, "zygote w" with --warm, against uwsgi, with the same request over the same protocol on unix
// sockets, and the same number of workers.
//
//	go run ./bench/wsgi [-rounds 9] [-requests 10000] [-django 400] [-once 5] [-workers 2] [-ab 3] [-bin bin] [-only hello]
//
// A last part has the same app as a plain CGI script, started by inetd for each
// request, as a zygote and as prefork behind Lighttpd, and asks with ab.
//
// The servers of a round run one after the other in an order that is shuffled anew,
// and ratios are taken round by round. Every answer is looked at: one that is not a
// 200 is an error, not a result. Processor time is that of the server alone.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"scgikit/bench/measure"
)

// bench is what all parts of the measurement share.
type bench struct {
	rounds, requests, django, once, workers, ab int
	bin, dir                                    string
	uwsgi                                       bool
	random                                      *rand.Rand
}

func main() {
	b := &bench{random: rand.New(rand.NewPCG(1, 1))} //nolint:gosec // an order of programs, no secret
	flag.IntVar(&b.rounds, "rounds", 9, "rounds; each runs every server")
	flag.IntVar(&b.requests, "requests", 10000, "requests of a round to the app that only says hello")
	flag.IntVar(&b.django, "django", 400, "requests of a round to Django")
	flag.IntVar(&b.once, "once", 5, "requests of a round to Django with a process for each")
	flag.IntVar(&b.workers, "workers", 2, "workers of prefork and of uwsgi")
	flag.StringVar(&b.bin, "bin", "bin", "folder of scgi-run")
	flag.IntVar(&b.ab, "ab", 3, "rounds of requests with ab behind Lighttpd")
	only := flag.String("only", "", "only this part: hello, django, ab")
	flag.Parse()
	if err := b.run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "wsgi:", err)
		os.Exit(1)
	}
}

const hello = `def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello world!\n"]
`

func (b *bench) run(only string) error {
	var err error
	if b.dir, err = os.MkdirTemp("", "scgikit-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir) //nolint:errcheck // a folder left in /tmp harms nobody
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "hello.py"), []byte(hello), 0o600); err != nil {
		return err
	}
	if _, err := exec.LookPath("uwsgi"); err == nil {
		b.uwsgi = true
	} else {
		fmt.Println("not on this machine: uwsgi")
	}
	fmt.Println(measure.Machine())
	site, err := filepath.Abs("cmd/scgi-run/testdata/wsgi")
	if err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"hello", b.hello},
		{"django", func() error { return b.site(site) }},
		{"ab", func() error {
			if err := b.behind("hello", b.dir, "hello", b.ab); err != nil {
				return err
			}
			return b.behind("Django", site, django, b.ab)
		}},
	} {
		if only != "" && only != part.name {
			continue
		}
		if err := part.run(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) hello() error {
	for _, clients := range []int{1, 4, 16} {
		title := fmt.Sprintf("hello, %d workers, %d clients; %d rounds of %d requests, median (min-max)", b.workers, clients, b.rounds, b.requests)
		styles := []server{b.prefork(b.dir, "hello"), b.uwsgiServer(b.dir, "hello")}
		if err := b.table(title, styles, clients, b.requests); err != nil {
			return err
		}
	}
	return nil
}

// django is the module of the site that the tests have too.
const django = "site_django"

func (b *bench) site(dir string) error {
	title := fmt.Sprintf("Django, %d workers, 4 clients; %d rounds of %d requests (once: %d), median (min-max)", b.workers, b.rounds, b.django, b.once)
	return b.table(title, []server{
		b.onceServer(dir, django), b.zygote(dir, django), b.warmZygote(dir, django), b.prefork(dir, django), b.uwsgiServer(dir, django),
	}, 4, b.django)
}

// server is one of those that are compared.
type server struct {
	name string
	argv []string // nil if it is not on this machine
	path string   // of its socket; "" is a process for each request
	once int      // requests instead of those of the others; 0 is as many
}

func (b *bench) scgiRun(dir, app string, flags ...string) []string {
	argv := []string{filepath.Join(b.bin, "scgi-run"), "wsgi", "--path", dir}
	return append(append(argv, flags...), app)
}

func (b *bench) prefork(dir, app string) server {
	path := filepath.Join(b.dir, "prefork")
	return server{name: "prefork", path: path, argv: b.scgiRun(dir, app, "--listen", "unix:"+path, "--workers", fmt.Sprint(b.workers))}
}

func (b *bench) zygote(dir, app string) server {
	path := filepath.Join(b.dir, "zygote")
	return server{name: "zygote", path: path, argv: b.scgiRun(dir, app, "--listen", "unix:"+path, "--style", "zygote")}
}

func (b *bench) warmZygote(dir, app string) server {
	path := filepath.Join(b.dir, "warm")
	return server{name: "zygote w", path: path, argv: b.scgiRun(dir, app, "--listen", "unix:"+path, "--style", "zygote", "--warm", "/")}
}

func (b *bench) onceServer(dir, app string) server {
	return server{name: "once", argv: b.scgiRun(dir, app), once: b.once}
}

func (b *bench) uwsgiServer(dir, app string) server {
	s := server{name: "uwsgi", path: filepath.Join(b.dir, "uwsgi")}
	if b.uwsgi {
		s.argv = []string{
			"uwsgi", "--plugin", "python3", "--scgi-socket", s.path, "--master", "--die-on-term",
			"--processes", fmt.Sprint(b.workers), "--disable-logging", "--need-app", "--pythonpath", dir, "--module", app,
		}
	}
	return s
}

// table measures servers and prints their table. The ratios are to the first one
// and to the last one.
func (b *bench) table(title string, servers []server, clients, requests int) error {
	running := make([]*process, len(servers))
	for i, s := range servers {
		if s.argv == nil {
			continue
		}
		p, err := start(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		defer p.stop()
		running[i] = p
		if _, err := p.load(clients, min(requests, 50), s.once > 0); err != nil { // warm
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	samples := make([][]measure.Sample, len(servers))
	for range b.rounds {
		for _, i := range b.random.Perm(len(servers)) {
			if running[i] == nil {
				continue
			}
			n := requests
			if servers[i].once > 0 {
				n = servers[i].once
			}
			s, err := running[i].load(clients, n, false)
			if err != nil {
				return fmt.Errorf("%s: %w", servers[i].name, err)
			}
			samples[i] = append(samples[i], s)
		}
	}
	fmt.Println()
	fmt.Println(title)
	first, last := samples[0], samples[len(samples)-1]
	fmt.Printf("%-9s %-26s %-26s %-24s %s\n", "", "requests/s", "CPU us/request", "requests/s / "+servers[0].name, "requests/s / "+servers[len(servers)-1].name)
	for i, s := range servers {
		if running[i] == nil {
			continue
		}
		ratio := func(to []measure.Sample) string {
			if to == nil {
				return "-"
			}
			// Times of a request: the one of the other to ours.
			return measure.SpreadOf(measure.Ratios(to, samples[i], measure.Wall)).String()
		}
		var rate, cpu []float64
		for _, sample := range samples[i] {
			rate = append(rate, float64(time.Second)/float64(sample.Wall))
			cpu = append(cpu, float64(sample.CPU)/float64(time.Microsecond))
		}
		fmt.Printf("%-9s %-26s %-26s %-24s %s\n", s.name, whole(rate), whole(cpu), ratio(first), ratio(last))
	}
	return nil
}

// whole is a spread without fractions, but for small numbers.
func whole(values []float64) string {
	s := measure.SpreadOf(values)
	if s.Median < 10 {
		return s.String()
	}
	return fmt.Sprintf("%.0f (%.0f-%.0f)", s.Median, s.Min, s.Max)
}
