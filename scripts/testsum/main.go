// Command testsum runs "go test -json" with its arguments and shows what a
// person wants to see of it: one line a package, the whole output of what
// failed, and at the end every skipped test with its reason, so that a test
// that did not run is never taken for one that passed, and what tests say in an
// attribute named "sum".
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...) //nolint:gosec // the arguments are the developer's own
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		return 1
	}
	s := summary{w: os.Stdout}
	readErr := s.read(out)
	if err := errors.Join(readErr, cmd.Wait()); err != nil {
		s.finish()
		fmt.Fprintln(os.Stderr, "testsum: go test:", err)
		return 1
	}
	s.finish()
	if s.failed > 0 {
		return 1
	}
	return 0
}

// maxLine bounds one line of JSON, which holds one line of a test's output.
const maxLine = 16 << 20

// read takes the events of go test until they end. A line that is no event is
// shown as it is.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(s.w, lines.Text())
			continue
		}
		s.add(e)
	}
	return lines.Err()
}
