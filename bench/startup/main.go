// Command startup measures what starting the programs costs, against the
// cheapest program there is: a static C program that returns 0.
//
//	go run ./bench/startup [-rounds 15] [-runs 20] [-bin bin]
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"scgikit/bench/measure"
)

func main() {
	rounds := flag.Int("rounds", 15, "rounds; each runs every program")
	runs := flag.Int("runs", 20, "runs of each program in a round")
	bin := flag.String("bin", "bin", "folder of scgikit and scgi-run")
	flag.Parse()
	if err := run(*rounds, *runs, *bin); err != nil {
		fmt.Fprintln(os.Stderr, "startup:", err)
		os.Exit(1)
	}
}

// program is one line of the result.
type program struct {
	name    string
	argv    []string
	samples []measure.Sample // of one run, one for each round
}

func run(rounds, runs int, bin string) error {
	dir, err := os.MkdirTemp("", "scgikit-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder left in /tmp harms nobody
	ctrue, err := buildTrue(dir)
	if err != nil {
		return err
	}
	gotrue, err := buildGoTrue(dir)
	if err != nil {
		return err
	}
	programs := []*program{
		{name: "C true, static", argv: []string{ctrue}},
		{name: "Go, empty main", argv: []string{gotrue}},
		{name: "scgi-run -h", argv: []string{filepath.Join(bin, "scgi-run"), "-h"}},
		{name: "scgikit -h", argv: []string{filepath.Join(bin, "scgikit"), "-h"}},
	}
	for range rounds {
		for _, p := range programs {
			var sum measure.Sample
			for range runs {
				s, err := measure.Run("", p.argv[0], p.argv[1:]...)
				if err != nil {
					return err
				}
				sum = sum.Add(s)
			}
			p.samples = append(p.samples, sum.Div(runs))
		}
	}
	show(programs, rounds, runs)
	return nil
}

// buildTrue compiles the program that does nothing.
func buildTrue(dir string) (string, error) {
	source, program := filepath.Join(dir, "true.c"), filepath.Join(dir, "true")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command("gcc", "-O2", "-static", "-o", program, source).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("gcc: %w\n%s", err, out)
	}
	return program, nil
}

// buildGoTrue compiles the Go program that does nothing: what the runtime
// alone costs, whatever a program then does.
func buildGoTrue(dir string) (string, error) {
	source, program := filepath.Join(dir, "true.go"), filepath.Join(dir, "gotrue")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
}

func show(programs []*program, rounds, runs int) {
	fmt.Printf("start-up, %d rounds of %d runs each; median (min-max) of the rounds\n", rounds, runs)
	fmt.Println(measure.Machine())
	fmt.Printf("%-16s %-22s %-22s %-22s %s\n", "", "CPU ms", "wall ms", "CPU / C true", "wall / C true")
	base := programs[0]
	for _, p := range programs {
		column := func(of func(measure.Sample) time.Duration) (absolute, ratio measure.Spread) {
			return measure.SpreadOf(measure.Milliseconds(p.samples, of)), measure.SpreadOf(measure.Ratios(p.samples, base.samples, of))
		}
		cpu, cpuRatio := column(measure.CPU)
		wall, wallRatio := column(measure.Wall)
		fmt.Printf("%-16s %-22s %-22s %-22s %s\n", p.name, cpu, wall, cpuRatio, wallRatio)
	}
}
