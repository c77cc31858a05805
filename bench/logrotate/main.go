//go:build linux

// Command logrotate measures what writing a log costs: scgi-run multilog
// against multilog, svlogd, s6-log, rotatelogs and cat, each reading from a
// pipe that cat fills. Programs that are missing are left out.
//
//	go run ./bench/logrotate [-quick] [-rounds 5] [-size 96] [-bin bin] [-only bulk]
//
// All loggers of a round run one after the other in an order that is shuffled
// anew, and ratios are taken round by round. After each run the bytes in the
// log folder are counted: a logger that lost some is an error, not a result.
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
	rounds  int
	size    int64 // bytes of the access log; the other inputs follow from it
	bin     string
	memory  string // a folder in memory
	disk    string // a folder on a disk
	lines   int    // of a trickle
	gap     time.Duration
	idle    time.Duration
	starts  int
	only    string
	loggers string
	tables  string
	seed    uint64
}

// bench is one run of the benchmark.
type bench struct {
	options
	rand    *rand.Rand
	loggers []logger
	scratch string // below memory; inputs, and logs unless they are measured on a disk
	onDisk  string // below disk
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; each runs every logger")
	mebibytes := flag.Int64("size", 96, "MiB of access log")
	flag.StringVar(&o.bin, "bin", "bin", "folder of scgi-run")
	flag.StringVar(&o.memory, "memory", "/dev/shm", "a folder in memory, for inputs and logs")
	flag.StringVar(&o.disk, "disk", ".build", "a folder on a disk, for logs")
	flag.IntVar(&o.lines, "lines", 20000, "lines that trickle")
	flag.DurationVar(&o.gap, "gap", 100*time.Microsecond, "time between lines that trickle")
	flag.DurationVar(&o.idle, "idle", 2*time.Second, "how long idle loggers are watched")
	flag.IntVar(&o.starts, "starts", 20, "starts in a round of the start-up")
	flag.StringVar(&o.only, "only", "", "only this part: "+strings.Join(partNames(), ", "))
	flag.StringVar(&o.loggers, "loggers", "", "only loggers whose names contain one of these words, comma-separated")
	flag.StringVar(&o.tables, "tables", "", "only tables of bulk whose titles contain one of these words, comma-separated")
	flag.Uint64Var(&o.seed, "seed", 1, "of the inputs and of the order")
	quick := flag.Bool("quick", false, "seconds instead of minutes, for a first look")
	flag.Parse()
	o.size = *mebibytes << 20
	if *quick {
		o.rounds, o.size, o.lines, o.idle, o.starts = 1, 8<<20, 2000, time.Second/2, 3
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "logrotate:", err)
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
		{"bulk", (*bench).bulk},
		{"trickle", (*bench).trickle},
		{"idle", (*bench).idleLoggers},
		{"memory", (*bench).memoryAfterBulk},
		{"startup", (*bench).firstLine},
	}
}

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

func run(o options) error {
	if o.only != "" && !slices.Contains(partNames(), o.only) {
		return fmt.Errorf("no part %s: there are %s", o.only, strings.Join(partNames(), ", "))
	}
	b := &bench{options: o, rand: rand.New(rand.NewPCG(o.seed, 0))} //nolint:gosec // an order, not a secret
	if err := b.prepare(); err != nil {
		return err
	}
	defer b.clean()
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

// prepare makes the scratch folders and finds the programs.
func (b *bench) prepare() error {
	if err := os.MkdirAll(b.disk, 0o755); err != nil {
		return err
	}
	var err error
	if b.scratch, err = os.MkdirTemp(b.memory, "scgikit-bench-"); err != nil {
		return err
	}
	if b.onDisk, err = os.MkdirTemp(b.disk, "scgikit-bench-"); err != nil {
		return err
	}
	bin, err := filepath.Abs(b.bin)
	if err != nil {
		return err
	}
	var missing []string
	b.loggers, missing = findLoggers(bin, b.options.loggers)
	if len(missing) > 0 {
		fmt.Println("not on this machine:", strings.Join(missing, ", "))
	}
	return nil
}

// clean removes the scratch folders; what can not be removed harms nobody.
func (b *bench) clean() {
	_ = os.RemoveAll(b.scratch)
	_ = os.RemoveAll(b.onDisk)
}

// folder makes an empty folder for one run; remove is to be called after it.
func (b *bench) folder(parent string) (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp(parent, "run-")
	if err != nil {
		return "", nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o700); err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// shuffled returns the numbers below n in a new order.
func (b *bench) shuffled(n int) []int { return b.rand.Perm(n) }
