package supervisetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// What clients find a service by and somebody has removed or replaced is there
// again after HUP, and where the supervisor is started anew. The service runs on.
func TestRenewed(t *testing.T) {
	t.Parallel()
	spoil := map[string]func(t *testing.T, super string){
		"FIFOs removed": func(t *testing.T, super string) { remove(t, super+"/control", super+"/ok") },
		"control replaced": func(t *testing.T, super string) {
			remove(t, super+"/control")
			if err := os.WriteFile(super+"/control", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			remove(t, super+"/control")
		},
		"lock removed": func(t *testing.T, super string) { remove(t, super+"/lock") },
		"all removed":  func(t *testing.T, super string) { remove(t, super) },
	}
	for what, spoilt := range spoil {
		for _, again := range []string{"HUP", "KILL", "QUIT"} {
			t.Run(what+" "+again, func(t *testing.T) {
				t.Parallel()
				b := ours(t, "daemontools", services{"a": {"run": sleeping, "log/run": "#!/bin/sh\nexec multilog t ./main\n"}})
				pid := b.started("a", 1)
				supervisetest.Until(t, "the log is supervised", func() bool { return supervisetest.Supervised(b.dir("a/log")) })
				worker := 0
				supervisetest.Until(t, "there is a worker", func() bool { worker = supervisetest.Worker(b.PID()); return worker != 0 })
				for _, name := range []string{"a", "a/log"} {
					spoilt(t, filepath.Join(b.dir(name), servicedir.Dir))
				}
				if again == "HUP" {
					kill(t, b.PID(), again)
				} else {
					kill(t, worker, again)
				}
				for _, name := range []string{"a", "a/log"} {
					supervisetest.Until(t, name+" is there", func() bool {
						_, err := os.Stat(filepath.Join(b.dir(name), servicedir.Lock))
						_, control := os.Stat(filepath.Join(b.dir(name), servicedir.Control))
						return err == nil && control == nil && supervisetest.Supervised(b.dir(name)) && b.status(name).PID != 0
					})
				}
				if status := b.status("a"); status.PID != pid || !supervisetest.Alive(pid) {
					t.Errorf("%+v, want process %d", status, pid)
				}
				// Another one is kept out.
				if out, code := tool(t, own("supervise"), b.dir("a")); code != 111 {
					t.Errorf("exit %d: %s", code, out)
				}
				supervisetest.Until(t, "it obeys", func() bool {
					b.command("a", "k")
					return !supervisetest.Alive(pid)
				})
				b.started("a", 2)
				does(t, own("svc"), "-a", b.dir("a/log"))
				b.stop()
			})
		}
	}
}

// A file in the place of a FIFO is told of; once it is removed, HUP is enough.
func TestRenewedOdd(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"control", "ok"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := ours(t, "daemontools", services{"a": {"run": sleeping, "supervise/" + name: "a file"}})
			b.says(fmt.Sprintf("a: it cannot be commanded: supervise/%s: it is there, and no FIFO; remove it", name))
			b.started("a", 1)
			remove(t, filepath.Join(b.dir("a"), servicedir.Dir, name))
			kill(t, b.PID(), "HUP")
			b.command("a", "k")
			b.started("a", 2)
			b.stop()
		})
	}
}

// Another supervisor that has begun in a new supervise/ is not disturbed.
func TestRenewedLocked(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a": service(sleeping)})
	first := b.started("a", 1)
	remove(t, filepath.Join(b.dir("a"), servicedir.Dir))
	other := &box{t, b.scan, supervisetest.Start(t, b.dir("a"), own("supervise"))}
	second := other.started("a", 2)
	kill(t, b.PID(), "HUP")
	b.says("a: unable to make supervise anew: is supervised already\n")
	if !supervisetest.Alive(first) || !supervisetest.Alive(second) || b.status("a").PID != second {
		t.Errorf("%d, %d, %+v", first, second, b.status("a"))
	}
	kill(t, other.PID(), "TERM") // it ends whatever was started in this folder
	_ = other.Wait(t)
	kill(t, b.PID(), "HUP")
	b.is("a", "is the first one's again", func(s servicedir.Status) bool { return s.PID != 0 && supervisetest.Alive(s.PID) })
	if !supervisetest.Supervised(b.dir("a")) {
		t.Error("it is not supervised")
	}
	b.stop()
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}
