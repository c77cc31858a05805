// Package measure runs programs and says what they cost, in a form that can be
// compared: interleaved rounds, median and extremes, and the machine it was.
package measure

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Sample is what one run, or the runs of one round together, cost.
type Sample struct {
	Wall time.Duration
	CPU  time.Duration // user and system time of the process and what it waited for
}

// Run starts a program, waits for its end and returns what that cost. Its
// output is dropped; a status other than 0 is an error that shows it.
func Run(dir, program string, args ...string) (Sample, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	start := time.Now()
	out, err := cmd.CombinedOutput()
	wall := time.Since(start)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return Sample{Wall: wall, CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// Add returns the sum of two samples.
func (s Sample) Add(other Sample) Sample {
	return Sample{Wall: s.Wall + other.Wall, CPU: s.CPU + other.CPU}
}

// Div returns the sample for one of n equal runs.
func (s Sample) Div(n int) Sample {
	return Sample{Wall: s.Wall / time.Duration(n), CPU: s.CPU / time.Duration(n)}
}

// Spread is the middle and the ends of a list of values.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf returns the spread of the values, of which there must be one at
// least. The median of an even number of values is the upper one of the two in
// the middle.
func SpreadOf(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	return Spread{Median: sorted[len(sorted)/2], Min: sorted[0], Max: sorted[len(sorted)-1]}
}

// String returns "1.25 (1.20-1.31)".
func (s Spread) String() string {
	return fmt.Sprintf("%.2f (%.2f-%.2f)", s.Median, s.Min, s.Max)
}

// Milliseconds returns the durations as numbers of milliseconds.
func Milliseconds(samples []Sample, of func(Sample) time.Duration) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = float64(of(s)) / float64(time.Millisecond)
	}
	return out
}

// Ratios returns a[i]/b[i], round by round, so that what slowed a round down
// slowed both sides of its ratio.
func Ratios(a, b []Sample, of func(Sample) time.Duration) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = float64(of(a[i])) / float64(of(b[i]))
	}
	return out
}

// Wall and CPU choose the part of a sample for Milliseconds and Ratios.
func Wall(s Sample) time.Duration { return s.Wall }

// CPU is explained with Wall.
func CPU(s Sample) time.Duration { return s.CPU }

// Machine returns one line about the machine: processor, cores, kernel, Go.
func Machine() string {
	return fmt.Sprintf("%s, %d cores, %s %s, %s", processor(), runtime.NumCPU(), runtime.GOOS, kernel(), runtime.Version())
}

// processor reads the model's name where Linux tells it.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close() //nolint:errcheck // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "(unknown kernel)"
	}
	return strings.TrimSpace(string(release))
}
