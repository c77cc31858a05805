// Command generate measures "scgikit generate all" over many apps: all in one
// process, against starting the tool once for each app.
//
//	go run ./bench/generate [-apps 1000] [-rounds 5] [-bin bin]
package main

import (
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
	var together, apart []measure.Sample
	var size total
	for range rounds {
		out := filepath.Join(dir, "deploy")
		sample, err := measure.Run(dir, scgikit, "generate", "all", "--out-dir", out)
		if err != nil {
			return err
		}
		together = append(together, sample)
		if size, err = measureTree(out); err != nil {
			return err
		}
		if sample, err = eachApart(dir, scgikit, names); err != nil {
			return err
		}
		apart = append(apart, sample)
		for _, old := range []string{out, filepath.Join(dir, "apart")} {
			if err := os.RemoveAll(old); err != nil {
				return err
			}
		}
	}
	show(apps, rounds, size, together, apart)
	return nil
}

// eachApart starts the tool once for each app.
func eachApart(dir, scgikit string, names []string) (measure.Sample, error) {
	var sum measure.Sample
	for _, name := range names {
		s, err := measure.Run(dir, scgikit, "generate", "all",
			"-f", filepath.Join("apps", name+".yaml"), "--out-dir", filepath.Join(dir, "apart", name))
		if err != nil {
			return sum, err
		}
		sum = sum.Add(s)
	}
	return sum, nil
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

func show(apps, rounds int, size total, together, apart []measure.Sample) {
	fmt.Printf("generate all, %d apps, %d files of %d KiB together; %d rounds, median (min-max)\n",
		apps, size.files, size.bytes>>10, rounds)
	fmt.Println(measure.Machine())
	fmt.Printf("%-24s %-26s %s\n", "", "CPU ms", "wall ms")
	line := func(name string, values func(func(measure.Sample) time.Duration) []float64) {
		fmt.Printf("%-24s %-26s %s\n", name, measure.SpreadOf(values(measure.CPU)), measure.SpreadOf(values(measure.Wall)))
	}
	line("one process", func(of func(measure.Sample) time.Duration) []float64 { return measure.Milliseconds(together, of) })
	line("one process an app", func(of func(measure.Sample) time.Duration) []float64 { return measure.Milliseconds(apart, of) })
	line("ratio", func(of func(measure.Sample) time.Duration) []float64 { return measure.Ratios(apart, together, of) })
}
