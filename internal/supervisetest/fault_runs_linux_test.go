package supervisetest_test

import (
	"os"
	"strconv"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/supervisetest"
)

// TestFaults runs every scenario. SUPERVISETEST_ROUNDS multiplies their rounds.
func TestFaults(t *testing.T) {
	t.Parallel()
	programs, err := supervisetest.BuildAll(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	times := 1
	if n, err := strconv.Atoi(os.Getenv("SUPERVISETEST_ROUNDS")); err == nil && n > 0 {
		times = n
	}
	for _, s := range supervisetest.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			for _, name := range s.Needs {
				if name == "root" {
					need.Root(t)
					continue
				}
				need.Program(t, name)
			}
			f := supervisetest.NewFault(t, programs, s.Rounds*times)
			s.Run(f)
			t.Log(f.Count)
		})
	}
}
