//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"scgikit/bench/measure"
)

// table is one kind of work for all loggers that can do it.
type table struct {
	title   string
	in      input
	parent  string // of the folders of its runs
	loggers []logger
	samples [][]measure.Sample // of each logger, one for each round
}

// bulk measures loggers that are fed as fast as they read.
func (b *bench) bulk() error {
	tables, err := b.tables()
	if err != nil {
		return err
	}
	for range b.rounds {
		for _, t := range tables {
			if err := b.round(t); err != nil {
				return err
			}
		}
	}
	for _, t := range tables {
		t.show(b.rounds)
	}
	return nil
}

// round runs every logger of a table once.
func (b *bench) round(t *table) error {
	for _, i := range b.shuffled(len(t.loggers)) {
		sample, err := b.once(t.loggers[i], t.in, t.parent)
		if err != nil {
			return fmt.Errorf("%s: %w", t.title, err)
		}
		t.samples[i] = append(t.samples[i], sample)
	}
	return nil
}

// tables makes the inputs, and the tables that have a logger.
func (b *bench) tables() ([]*table, error) {
	access, err := b.makeInput("access log", b.size, accessLine)
	if err != nil {
		return nil, err
	}
	// Short lines cost the most for each byte, so there are fewer bytes of them.
	short, err := b.makeInput("16-byte lines", b.size/3, shortLine)
	if err != nil {
		return nil, err
	}
	long, err := b.makeInput("16-KiB lines", b.size, longLine)
	if err != nil {
		return nil, err
	}
	every := loggersOf(b.loggers, false)
	var out []*table
	add := func(title string, in input, parent string, loggers []logger) {
		title = fmt.Sprintf("%s (%d MB, %d lines, mean %.0f bytes), %s", in.name, in.bytes/1e6, in.lines, float64(in.bytes)/float64(in.lines), title)
		if len(loggers) > 0 && (b.options.tables == "" || containsAny(title, strings.Split(b.options.tables, ","))) {
			out = append(out, &table{title, in, parent, loggers, make([][]measure.Sample, len(loggers))})
		}
	}
	for _, in := range []input{access, short, long} {
		add("log in memory", in, b.scratch, every)
		add("log on a disk", in, b.onDisk, every)
	}
	add("selection "+selectMany+", log in memory", access, b.scratch, loggersOf(b.loggers, true))
	return out, nil
}

// ratioBases are the loggers that the others are compared with.
var ratioBases = []string{"multilog t", "s6-log t", "cat >file"}

func (t *table) show(rounds int) {
	fmt.Printf("\n%s; rounds: %d, median (min-max)\n", t.title, rounds)
	columns := []string{fmt.Sprintf("%-12s %-16s %-16s %-7s", "", "MB/s", "CPU ms", "ns/line")}
	for i, base := range t.bases() {
		columns = append(columns, fmt.Sprintf("%-19s", "speed / "+base))
		if i == 0 {
			columns = append(columns, fmt.Sprintf("%-16s", "CPU / it"))
		}
	}
	fmt.Println(strings.TrimRight(strings.Join(columns, " "), " "))
	for i, l := range t.loggers {
		fmt.Println(strings.TrimRight(t.row(i, l), " "))
	}
}

// bases returns the places of the loggers to compare with, by their names.
func (t *table) bases() []string {
	return slices.DeleteFunc(slices.Clone(ratioBases), func(name string) bool { return t.find(name) < 0 })
}

func (t *table) find(name string) int {
	return slices.IndexFunc(t.loggers, func(l logger) bool { return l.name == name })
}

func (t *table) row(i int, l logger) string {
	samples := t.samples[i]
	speed := make([]float64, len(samples))
	for k, s := range samples {
		speed[k] = float64(t.in.bytes) / 1e6 / s.Wall.Seconds()
	}
	cpu := measure.SpreadOf(measure.Milliseconds(samples, measure.CPU))
	columns := []string{fmt.Sprintf("%-12s %-16s %-16s %-7.0f", l.name, whole(measure.SpreadOf(speed)), whole(cpu), cpu.Median*1e6/float64(t.in.lines))}
	for k, base := range t.bases() {
		of := t.samples[t.find(base)]
		columns = append(columns, fmt.Sprintf("%-19s", measure.SpreadOf(measure.Ratios(of, samples, measure.Wall))))
		if k == 0 {
			columns = append(columns, fmt.Sprintf("%-16s", measure.SpreadOf(measure.Ratios(samples, of, measure.CPU))))
		}
	}
	return strings.Join(columns, " ")
}

// whole shows a spread without decimals.
func whole(s measure.Spread) string {
	return fmt.Sprintf("%.0f (%.0f-%.0f)", s.Median, s.Min, s.Max)
}

// showRounds prints one line for each logger: its values in rounds, and how
// they compare with those of base.
func showRounds(loggers []logger, values [][]float64, base string) {
	at := slices.IndexFunc(loggers, func(l logger) bool { return l.name == base })
	for i, l := range loggers {
		line := fmt.Sprintf("%-12s %-22s", l.name, measure.SpreadOf(values[i]))
		if at >= 0 {
			ratios := make([]float64, len(values[i]))
			for k := range ratios {
				ratios[k] = values[i][k] / values[at][k]
			}
			line += " " + measure.SpreadOf(ratios).String()
		}
		fmt.Println(strings.TrimRight(line, " "))
	}
}

// waitUntil asks again and again, for at most ten seconds.
func waitUntil(what string, done func() (bool, error)) error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok, err := done(); err != nil || ok {
			return err
		}
	}
	return fmt.Errorf("%s: %w", what, os.ErrDeadlineExceeded)
}
