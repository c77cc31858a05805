//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"scgikit/bench/measure"
)

// load is one measurement with small requests.
type load struct {
	title   string
	script  string
	clients int
}

func loads() []load {
	return []load{
		{"static C hello, 1 client", "hello", 1},
		{"static C hello, 4 clients", "hello", 4},
		{"static C hello, 64 clients", "hello", 64},
		{"shell hello, 4 clients", "hello.sh", 4},
	}
}

// result is what one load of one peer gave in one round.
type result struct {
	requests  int
	errors    int
	firstErr  error
	wall, cpu time.Duration
	latencies []time.Duration // sorted
}

func (r result) rate() float64 { return float64(r.requests) / r.wall.Seconds() }
func (r result) cost() float64 { return float64(r.cpu.Microseconds()) / float64(max(r.requests, 1)) }

// latency returns a quantile in ms.
func (r result) latency(q float64) float64 {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(int(q*float64(len(r.latencies))), len(r.latencies)-1)].Seconds() * 1000
}

// compareRequests prints what small requests cost.
func (b *bench) compareRequests() error {
	all := loads()
	results := make([][][]result, len(all)) // by load, peer and round
	for i := range results {
		results[i] = make([][]result, len(b.peers))
	}
	err := b.eachRound(func(peer int, s *server) error {
		for i, l := range all {
			r, err := s.load(l)
			if err != nil {
				return err
			}
			results[i][peer] = append(results[i][peer], r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, l := range all {
		fmt.Printf("\n%s; %d rounds of %s, median (min-max)\n", l.title, b.rounds, b.span)
		fmt.Printf("%-18s %-22s %-22s %-18s %-18s %-22s %-22s %s\n", "",
			"requests/s", "CPU us/request", "CPU / fcgiwrap", "CPU / loop", "ms, median", "ms, 99 of 100", "errors")
		for at := range b.peers {
			b.printRow(results[i], at)
		}
	}
	return nil
}

// printRow prints the line of a peer.
func (b *bench) printRow(results [][]result, at int) {
	p := b.peers[at]
	of := func(f func(r result) float64) string {
		var values []float64
		for _, r := range results[at] {
			values = append(values, f(r))
		}
		s := measure.SpreadOf(values)
		if s.Median >= 100 {
			return fmt.Sprintf("%.0f (%.0f-%.0f)", s.Median, s.Min, s.Max)
		}
		return s.String()
	}
	against := func(name string) string {
		i := slices.IndexFunc(b.peers, func(p *peer) bool { return p.name == name })
		if i < 0 {
			return "-"
		}
		var values []float64
		for round, r := range results[at] {
			values = append(values, r.cost()/results[i][round].cost())
		}
		return measure.SpreadOf(values).String()
	}
	median, late, failed := "-", "-", "-"
	var first error
	if p.ask != nil {
		median = of(func(r result) float64 { return r.latency(0.5) })
		late = of(func(r result) float64 { return r.latency(0.99) })
		sum := 0
		for _, r := range results[at] {
			sum += r.errors
			if first == nil {
				first = r.firstErr
			}
		}
		failed = strconv.Itoa(sum)
	}
	fmt.Printf("%-18s %-22s %-22s %-18s %-18s %-22s %-22s %s\n", p.name,
		of(result.rate), of(result.cost), against(fcgiwrap), against(bareLoop), median, late, failed)
	if first != nil {
		fmt.Printf("    the first error: %v\n", first)
	}
}

// load measures one load.
func (s *server) load(l load) (result, error) {
	if s.peer.ask == nil {
		return s.loop(l)
	}
	ask := func() error { return s.peer.ask(s, request{script: "/" + l.script}) }
	for range 2 * l.clients { // what the first ones find cold is not of interest
		_ = ask()
	}
	before, err := s.group.cpu()
	if err != nil {
		return result{}, err
	}
	var r result
	var mu sync.Mutex
	var clients sync.WaitGroup
	begin := time.Now()
	for range l.clients {
		clients.Go(func() {
			var mine []time.Duration
			failed, first := 0, error(nil)
			for time.Since(begin) < s.bench.span {
				at := time.Now()
				if err := ask(); err != nil {
					failed++
					first = err
					continue
				}
				mine = append(mine, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			r.latencies = append(r.latencies, mine...)
			r.errors += failed
			if first != nil {
				r.firstErr = first
			}
		})
	}
	clients.Wait()
	r.wall = time.Since(begin)
	after, err := s.settled()
	if err != nil {
		return r, err
	}
	slices.Sort(r.latencies)
	r.requests, r.cpu = len(r.latencies), after-before
	if r.requests == 0 {
		return r, fmt.Errorf("%s: no answer was right: %w", l.title, r.firstErr)
	}
	return r, nil
}

// settled returns the processor time when scripts that have answered have ended.
func (s *server) settled() (time.Duration, error) {
	time.Sleep(20 * time.Millisecond)
	return s.group.cpu()
}

// loop measures the bare loop.
func (s *server) loop(l load) (result, error) {
	var out strings.Builder
	cmd := exec.Command(filepath.Join(s.bench.dir, "loop"), strconv.FormatFloat(s.bench.span.Seconds(), 'f', -1, 64),
		strconv.Itoa(l.clients), filepath.Join(s.bench.scripts, l.script))
	cmd.Stdout = &out
	before, err := s.group.cpu()
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	if err := s.group.start(cmd); err != nil {
		return result{}, err
	}
	if err := cmd.Wait(); err != nil {
		return result{}, err
	}
	r := result{wall: time.Since(begin)}
	after, err := s.group.cpu()
	if err != nil {
		return r, err
	}
	r.cpu = after - before
	r.requests, err = strconv.Atoi(strings.TrimSpace(out.String()))
	return r, err
}
