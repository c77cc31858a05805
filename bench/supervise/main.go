//go:build linux

// Command supervise measures supervisors on the same services, each a static C
// program that sleeps, with a log of its own: what they take in memory, how often
// they wake up, how soon they start services, and again after a kill, and how fast
// a log is written.
//
//	go run ./bench/supervise [-services 1,20,100,1000] [-rounds 5] [-idle 1m] [-kills 3]
//
// Each round runs the supervisors one after the other, in random order. How often
// they wake up is watched once, for all of them at the same time.
//
// It needs gcc, and measures those of daemontools, runit, s6 and supervisord that
// are there.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"scgikit/bench/measure"
)

func main() {
	b := &bench{random: rand.New(rand.NewPCG(1, 1))} //nolint:gosec // an order of programs, no secret
	services := flag.String("services", "1,20,100,1000", "numbers of services")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds; each runs every supervisor")
	flag.DurationVar(&b.idle, "idle", time.Minute, "how long idle supervisors are watched")
	flag.IntVar(&b.kills, "kills", 3, "services that are killed in a round")
	flag.IntVar(&b.megabytes, "megabytes", 200, "what the service prints whose log is measured")
	flag.StringVar(&b.bin, "bin", "bin", "folder of scgi-run")
	flag.Parse()
	if err := b.run(strings.Split(*services, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "supervise:", err)
		os.Exit(1)
	}
}

// bench is what all parts of the measurement share.
type bench struct {
	rounds, kills, megabytes int
	idle                     time.Duration
	bin, dir                 string
	tick, flood              string // programs of services
	peers                    []peer
	random                   *rand.Rand
}

func (b *bench) run(services []string) error {
	var err error
	if b.dir, err = os.MkdirTemp("/dev/shm", "scgikit-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }() // in memory, and gone with the machine at the latest
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if err := b.build(); err != nil {
		return err
	}
	b.peers = findPeers(b.bin)
	fmt.Println(measure.Machine())
	for _, word := range services {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return fmt.Errorf("-services: %q is not a number of services", word)
		}
		if err := b.compare(n); err != nil {
			return err
		}
	}
	return b.compareLogs()
}

// programs of services: both say when they began, by the clock that does not
// jump, in a file beside them; the second prints lines as fast as it can, and says
// when it has.
const serviceSource = `
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
static void note(const char *name) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	long long ns = t.tv_sec * 1000000000LL + t.tv_nsec;
	int fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (write(fd, &ns, 8) != 8) _exit(1);
	close(fd);
}
int main(void) {
	note("began");
#ifdef MEGABYTES
	static char lines[65536];
	for (int i = 0; i < 65536; i++) lines[i] = i % 128 == 127 ? '\n' : 'a' + i % 26;
	for (int left = MEGABYTES * 16; left > 0; left--)
		for (size_t at = 0; at < sizeof lines;) {
			ssize_t n = write(1, lines + at, sizeof lines - at);
			if (n < 0) _exit(1);
			at += n;
		}
	note("done");
#endif
	for (;;) pause();
}
`

func (b *bench) build() error {
	source := filepath.Join(b.dir, "service.c")
	if err := os.WriteFile(source, []byte(serviceSource), 0o600); err != nil {
		return err
	}
	b.tick, b.flood = filepath.Join(b.dir, "tick"), filepath.Join(b.dir, "flood")
	for program, define := range map[string]string{b.tick: "-DTICK", b.flood: "-DMEGABYTES=" + strconv.Itoa(b.megabytes)} {
		cmd := exec.Command("gcc", "-O2", "-static", define, "-o", program, source)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("gcc: %w\n%s", err, out)
		}
	}
	return nil
}

// result is what one round of one supervisor gives.
type result struct {
	start    time.Duration // until all services run
	census   census
	restarts []float64 // ms
}

// compare measures all supervisors with n services.
func (b *bench) compare(n int) error {
	idle, err := b.watch(n)
	if err != nil {
		return fmt.Errorf("%d services: %w", n, err)
	}
	results := make([][]result, len(b.peers))
	for range b.rounds {
		for _, i := range b.random.Perm(len(b.peers)) {
			r, err := b.once(b.peers[i], n)
			if err != nil {
				return fmt.Errorf("%s, %d services: %w", b.peers[i].name, n, err)
			}
			results[i] = append(results[i], r)
		}
	}
	fmt.Printf("\n%d services and their logs; %d rounds, median (min-max); switches and CPU ms: in %s idle\n", n, b.rounds, b.idle)
	fmt.Printf("%-12s %-24s %-21s %5s %5s %6s %9s %6s  %-20s %s\n",
		"", "PSS KiB", "KiB/service", "procs", "thr", "fds", "switches", "CPU ms", "start ms", "restart ms")
	for i, p := range b.peers {
		of := func(f func(r result) float64) measure.Spread {
			var values []float64
			for _, r := range results[i] {
				values = append(values, f(r))
			}
			return measure.SpreadOf(values)
		}
		var restarts []float64
		for _, r := range results[i] {
			restarts = append(restarts, r.restarts...)
		}
		c := results[i][len(results[i])-1].census
		fmt.Printf("%-12s %-24s %-21s %5d %5d %6d %9d %6.0f  %-20s %s\n", p.name,
			of(func(r result) float64 { return float64(r.census.pss) }),
			of(func(r result) float64 { return float64(r.census.pss) / float64(n) }),
			c.processes, c.threads, c.fds,
			idle[i].switches, idle[i].cpu*1000,
			of(func(r result) float64 { return float64(r.start) / 1e6 }), measure.SpreadOf(restarts))
	}
	return nil
}

// settled is longer than what any of them does some time after the start.
const settled = 7 * time.Second

// watch returns what each supervisor does while all of them are idle.
func (b *bench) watch(n int) ([]activity, error) {
	var trees []*tree
	defer func() {
		for _, t := range trees {
			t.end()
		}
	}()
	for _, p := range b.peers {
		t, err := b.start(p, n, b.tick)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		trees = append(trees, t)
	}
	time.Sleep(settled)
	list := make([]activity, len(trees))
	for i, t := range trees {
		before, err := t.activity()
		if err != nil {
			return nil, err
		}
		list[i] = activity{-before.switches, -before.cpu}
	}
	time.Sleep(b.idle)
	for i, t := range trees {
		after, err := t.activity()
		if err != nil {
			return nil, err
		}
		list[i].switches += after.switches
		list[i].cpu += after.cpu
	}
	return list, nil
}

// once measures one supervisor once.
func (b *bench) once(p peer, n int) (r result, err error) {
	t, err := b.start(p, n, b.tick)
	if err != nil {
		return r, err
	}
	defer t.end()
	r.start = t.took
	time.Sleep(settled)
	if r.census, err = t.count(); err != nil {
		return r, err
	}
	for range b.kills {
		ms, err := t.killOne(b.random.IntN(n) + 1)
		if err != nil {
			return r, err
		}
		r.restarts = append(r.restarts, ms)
	}
	return r, nil
}

// compareLogs measures how fast the output of one service is written to its log,
// with a stamp before each line.
func (b *bench) compareLogs() error {
	values := make([][]float64, len(b.peers))
	for range b.rounds {
		for _, i := range b.random.Perm(len(b.peers)) {
			t, err := b.start(b.peers[i], 1, b.flood)
			if err != nil {
				return err
			}
			seconds, err := t.flooded()
			t.end()
			if err != nil {
				return fmt.Errorf("%s: %w", b.peers[i].name, err)
			}
			values[i] = append(values[i], float64(b.megabytes)*(1<<20)/1e6/seconds)
		}
	}
	fmt.Printf("\n%d MiB of lines of 128 bytes from one service to its log; MB/s, %d rounds, median (min-max)\n", b.megabytes, b.rounds)
	for i, p := range b.peers {
		fmt.Printf("%-14s %-26s", p.name, measure.SpreadOf(values[i]))
		if p.stampless {
			fmt.Print(" without stamps")
		}
		fmt.Println()
	}
	return nil
}
