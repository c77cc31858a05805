//go:build linux

// Command bridge measures what a CGI request costs: scgi-run bridge --listen
// against fcgiwrap, inetd with a scgi_run in C, Lighttpd's mod_cgi, Apache's
// mod_cgid, and a loop in C that does nothing but start the script and read what
// it says. Programs that are missing are left out.
//
//	go run ./bench/bridge [-quick] [-rounds 5] [-time 1s] [-megabytes 100] [-bin bin] [-only requests] [-peers fcgiwrap]
//
// All bridges of a round run one after the other in an order that is shuffled
// anew, and ratios are taken round by round. Every answer is looked at: one that is
// not whole is an error, and errors are in the tables.
//
// Processor time is that of a control group, so it is complete: also scripts that
// nobody waits for, as under fcgiwrap, are in it. It needs root for that, and gcc.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"scgikit/bench/measure"
)

// options are what the flags set.
type options struct {
	rounds    int
	span      time.Duration // of one measurement
	megabytes int
	bin       string
	other     string
	only      string
	peers     string
	seed      uint64
}

// bench is one run of the benchmark.
type bench struct {
	options
	rand    *rand.Rand
	peers   []*peer
	dir     string // in memory
	scripts string // below it; the programs of scripts.go
	groups  int    // control groups so far
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; each runs every bridge")
	flag.DurationVar(&o.span, "time", time.Second, "how long small requests are sent in one measurement")
	flag.IntVar(&o.megabytes, "megabytes", 100, "size of a large answer and a large upload")
	flag.StringVar(&o.bin, "bin", "bin", "folder of scgi-run")
	flag.StringVar(&o.other, "other", "", "folder of another scgi-run, to be compared with")
	flag.StringVar(&o.only, "only", "", "only this part: "+strings.Join(partNames(), ", "))
	flag.StringVar(&o.peers, "peers", "", "only bridges whose names contain one of these words, comma-separated")
	flag.Uint64Var(&o.seed, "seed", 1, "of the order")
	quick := flag.Bool("quick", false, "for a first look")
	flag.Parse()
	if *quick {
		o.rounds, o.span, o.megabytes = 1, time.Second/4, 10
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bridge:", err)
		os.Exit(1)
	}
}

// part is a section of the result.
type part struct {
	name string
	run  func(*bench) error
}

func parts() []part {
	return []part{
		{"requests", (*bench).compareRequests},
		{"bulk", (*bench).compareBulk},
		{"memory", (*bench).compareMemory},
	}
}

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

func run(o options) (err error) {
	if o.only != "" && !slices.Contains(partNames(), o.only) {
		return fmt.Errorf("no part %s: there are %s", o.only, strings.Join(partNames(), ", "))
	}
	b := &bench{options: o, rand: rand.New(rand.NewPCG(o.seed, 0))} //nolint:gosec // an order, not a secret
	if b.dir, err = os.MkdirTemp("/dev/shm", "scgikit-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }() // in memory, and gone with the machine at the latest
	// The servers' own users read there.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if b.other != "" {
		if b.other, err = filepath.Abs(b.other); err != nil {
			return err
		}
	}
	if err := b.build(); err != nil {
		return err
	}
	var missing []string
	b.peers, missing = b.findPeers()
	if len(missing) > 0 {
		fmt.Println("not on this machine:", strings.Join(missing, ", "))
	}
	fmt.Println(measure.Machine())
	for _, p := range parts() {
		if o.only != "" && o.only != p.name {
			continue
		}
		if err := p.run(b); err != nil {
			return err
		}
	}
	return nil
}

// eachRound calls do for every bridge in every round, each time with a server
// that has just been started and has answered.
func (b *bench) eachRound(do func(i int, s *server) error) error {
	for range b.rounds {
		for _, i := range b.rand.Perm(len(b.peers)) {
			err := b.with(b.peers[i], func(s *server) error { return do(i, s) })
			if err != nil {
				return fmt.Errorf("%s: %w", b.peers[i].name, err)
			}
		}
	}
	return nil
}

// with calls do with a bridge that runs, and ends it.
func (b *bench) with(p *peer, do func(s *server) error) error {
	s, err := b.start(p)
	if err != nil {
		return err
	}
	defer s.end()
	return do(s)
}
