package install

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"scgikit/internal/selftest"
)

// The variables of a process that installs at the same time as another one.
const (
	twiceRoot = "SCGIKIT_TWICE_ROOT"
	twiceBody = "SCGIKIT_TWICE_BODY"
)

// twiceRefused is how such a process ends that changed nothing because of the other.
const twiceRefused = 6

// twice plans an install, says so, waits for the end of its input, and then carries it
// out, as one command does.
func twice(root, body string) error {
	m, err := OpenMachine(root)
	if err != nil {
		return err
	}
	defer m.Close()
	set, err := blogFiles("blog", body)
	if err != nil {
		return err
	}
	places, _ := PlacesOf("debian")
	resolved, err := Resolve(set, places, Owners{})
	if err != nil {
		return err
	}
	receipt, err := m.Receipt()
	if err != nil {
		return err
	}
	p, err := m.Plan(&Request{Want: resolved.Items, Receipt: receipt, Scope: scopeOf("blog")})
	if err != nil {
		return err
	}
	fmt.Println("planned")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	lock, err := m.Lock()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	_, err = m.Apply(context.Background(), p, Options{Command: "install"})
	return err
}

// twiceCode is the exit code of such a process.
func twiceCode(err error) int {
	_, busy := errors.AsType[*Busy](err)
	_, changed := errors.AsType[*Changed](err)
	switch {
	case err == nil:
		return 0
	case busy, changed:
		return twiceRefused
	}
	return 1
}

// TestTwoAtOnce: of two processes that install at a time one is refused, and the
// machine is as the other wants it. Both have planned before either begins.
func TestTwoAtOnce(t *testing.T) {
	const rounds = 50
	self := selftest.Program(t)
	busy := 0
	for range rounds {
		_, dir := machine(t)
		var gates [2]io.WriteCloser
		var running [2]*exec.Cmd
		var said [2]bytes.Buffer
		for i := range running {
			cmd := exec.CommandContext(t.Context(), self)
			cmd.Env = append(os.Environ(), twiceRoot+"="+dir, twiceBody+"="+fmt.Sprint("body ", i))
			cmd.Stderr = &said[i]
			gate, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			gates[i], running[i] = gate, cmd
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatalf("%q, %v", line, err)
			}
		}
		for _, gate := range gates {
			if err := gate.Close(); err != nil {
				t.Fatal(err)
			}
		}
		won := -1
		for i, cmd := range running {
			_ = cmd.Wait() // the code says how it ended
			switch code := cmd.ProcessState.ExitCode(); code {
			case 0:
				if won >= 0 {
					t.Error("both ended well")
				}
				won = i
			case twiceRefused:
				if bytes.Contains(said[i].Bytes(), []byte("another scgikit is changing this machine")) {
					busy++
				}
			default:
				t.Errorf("%d ended with %d: %s", i, code, said[i].String())
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, snippet))
		if err != nil || won < 0 || string(text) != fmt.Sprintf("# body %d\n", won) {
			t.Errorf("%d ended well, and %q stands there, %v: %s%s", won, text, err, said[0].String(), said[1].String())
		}
	}
	t.Attr("sum", fmt.Sprintf("two processes at once, %d rounds: one wins, %d were refused at the lock and %d behind it", rounds, busy, rounds-busy))
}
