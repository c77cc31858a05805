//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"scgikit/bench/measure"
)

// compareBulk prints what large answers and bodies cost.
func (b *bench) compareBulk() error {
	size := int64(b.megabytes) << 20
	for _, kind := range []struct {
		title string
		request
	}{
		{"answer", request{script: "/flood", least: size}},
		{"upload", request{script: "/sink", upload: size, end: "read " + strconv.FormatInt(size, 10) + "\n"}},
	} {
		walls, costs := make([][]float64, len(b.peers)), make([][]float64, len(b.peers))
		failures := make([]error, len(b.peers))
		err := b.eachRound(func(i int, s *server) error {
			if s.peer.ask == nil || failures[i] != nil {
				return nil //nolint:nilerr // it is in the table
			}
			before, err := s.group.cpu()
			if err != nil {
				return err
			}
			begin := time.Now()
			failures[i] = s.peer.ask(s, kind.request)
			if failures[i] != nil {
				return nil //nolint:nilerr // it is in the table
			}
			walls[i] = append(walls[i], float64(time.Since(begin))/1e6)
			after, err := s.settled()
			costs[i] = append(costs[i], float64(after-before)/1e6)
			return err
		})
		if err != nil {
			return err
		}
		fmt.Printf("\n%s of %d MiB; %d rounds, median (min-max)\n%-18s %-22s %-22s %s\n", kind.title, b.megabytes, b.rounds, "", "ms", "CPU ms", "CPU / fcgiwrap")
		base := slices.IndexFunc(b.peers, func(p *peer) bool { return p.name == fcgiwrap })
		for i, p := range b.peers {
			switch {
			case p.ask == nil:
			case failures[i] != nil:
				fmt.Printf("%-18s %v\n", p.name, failures[i])
			default:
				against := "-"
				if base >= 0 && len(costs[base]) == len(costs[i]) {
					ratios := make([]float64, len(costs[i]))
					for round := range ratios {
						ratios[round] = costs[i][round] / costs[base][round]
					}
					against = measure.SpreadOf(ratios).String()
				}
				fmt.Printf("%-18s %-22s %-22s %s\n", p.name, whole(walls[i]), whole(costs[i]), against)
			}
		}
	}
	return nil
}

// whole is a spread without digits behind the point.
func whole(values []float64) string {
	s := measure.SpreadOf(values)
	return fmt.Sprintf("%.0f (%.0f-%.0f)", s.Median, s.Min, s.Max)
}
