// Command generate measures "scgikit generate all" over many apps: all in one
// process, against starting the tool once for each app.
//
//	go run ./bench/generate [-apps 1000] [-rounds 5] [-bin bin]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"scgikit/bench/measure"
)

func main() {
	apps := flag.Int("apps", 1000, "number of apps")
	rounds := flag.Int("rounds", 5, "rounds; each does both")
	bin := flag.String("bin", "bin", "folder of scgikit")
	flag.Parse()
	if err := run(*apps, *rounds, *bin); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(apps, rounds int, bin string) error {
	scgikit, err := filepath.Abs(filepath.Join(bin, "scgikit"))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "scgikit-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder left in /tmp harms nobody
	names, err := writeProject(dir, apps)
	if err != nil {
		return err
	}
	var size total
	results := []*result{{name: "rendered, to stdout", stdout: true}, {name: "written to files"}}
	for range rounds {
		for _, r := range results {
			if err := r.round(dir, scgikit, names); err != nil {
				return err
			}
			if r.size.files > 0 {
				size = r.size
			}
		}
	}
	fmt.Printf("generate all, %d apps, %d files of %d KiB together; %d rounds, median (min-max)\n", apps, size.files, size.bytes>>10, rounds)
	fmt.Println(measure.Machine())
	for _, r := range results {
		r.show()
	}
	return nil
}

// result is what one way to use the tool costs, once for all apps together and
// once with a start of the tool for each app.
type result struct {
	name            string
	stdout          bool
	together, apart []measure.Sample
	size            total
}

// round measures both, one after the other, and removes what was written.
func (r *result) round(dir, scgikit string, names []string) error {
	out := filepath.Join(dir, "deploy")
	sample, err := measure.Run(dir, scgikit, r.args(out)...)
	if err != nil {
		return err
	}
	r.together = append(r.together, sample)
	if !r.stdout {
		if r.size, err = measureTree(out); err != nil {
			return err
		}
	}
	var sum measure.Sample
	for _, name := range names {
		args := append(r.args(filepath.Join(dir, "apart", name)), "-f", filepath.Join("apps", name+".yaml"))
		if sample, err = measure.Run(dir, scgikit, args...); err != nil {
			return err
		}
		sum = sum.Add(sample)
	}
	r.apart = append(r.apart, sum)
	return errors.Join(os.RemoveAll(out), os.RemoveAll(filepath.Join(dir, "apart")))
}

func (r *result) args(out string) []string {
	if r.stdout {
		return []string{"generate", "all", "--stdout"}
	}
	return []string{"generate", "all", "--out-dir", out}
}

func (r *result) show() {
	fmt.Printf("%-24s %-28s %s\n", r.name, "CPU ms", "wall ms")
	line := func(name string, values func(func(measure.Sample) time.Duration) []float64) {
		fmt.Printf("  %-22s %-28s %s\n", name, measure.SpreadOf(values(measure.CPU)), measure.SpreadOf(values(measure.Wall)))
	}
	type part = func(measure.Sample) time.Duration
	line("one process", func(of part) []float64 { return measure.Milliseconds(r.together, of) })
	line("one process an app", func(of part) []float64 { return measure.Milliseconds(r.apart, of) })
	line("ratio", func(of part) []float64 { return measure.Ratios(r.apart, r.together, of) })
}

// writeProject writes the descriptions: by turns a program that listens by
// itself and a folder of CGI scripts, so that "all" has work for every target.
func writeProject(dir string, apps int) ([]string, error) {
	if err := os.Mkdir(filepath.Join(dir, "apps"), 0o750); err != nil {
		return nil, err
	}
	var names []string
	for i := range apps {
		name := fmt.Sprintf("app-%04d", i)
		text := fmt.Sprintf(server, name, 10000+i)
		if i%2 == 1 {
			text = fmt.Sprintf(scripts, name, 10000+i)
		}
		if err := os.WriteFile(filepath.Join(dir, "apps", name+".yaml"), []byte(text), 0o600); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

const server = `apiVersion: scgikit/v1
name: %[1]s
type: server
run:
  command: [/srv/%[1]s/server, --port, "${port}"]
  directory: /srv/%[1]s
  user: www-data
  env:
    LANG: C.UTF-8
    MODE: production
listen:
  tcp: 127.0.0.1:%[2]d
http:
  mount: /%[1]s/
  static:
    - url: /%[1]s/static/
      dir: /srv/%[1]s/static/
`

const scripts = `apiVersion: scgikit/v1
name: %[1]s
type: cgi
run:
  user: www-data
cgi:
  directory: /srv/%[1]s/cgi-bin/
listen:
  tcp: 127.0.0.1:%[2]d
http:
  mount: /%[1]s/
options:
  inetd:
    dialect: openbsd
`

// total is the size of a tree.
type total struct {
	files int
	bytes int64
}

func measureTree(dir string) (total, error) {
	var t total
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		t.files++
		t.bytes += info.Size()
		return nil
	})
	return t, err
}
