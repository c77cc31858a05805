package install

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"scgikit/internal/need"
)

// TestRecordsOfOthers: a receipt, a journal, a kept copy and a folder of the history
// that another user owns or could write to are not believed, and nothing is done.
func TestRecordsOfOthers(t *testing.T) {
	need.Root(t)
	for _, name := range []string{"receipts.json", "history", "history/000002", "history/000002/journal.json", "history/000002/before-0"} {
		for how, change := range map[string]func(at string) error{
			"owner": func(at string) error { return os.Chown(at, 65534, 65534) },
			"group": func(at string) error { return os.Chmod(at, 0o720) },
			"all":   func(at string) error { return os.Chmod(at, 0o702) },
		} {
			m, dir := machine(t)
			for _, body := range []string{"one", "two"} {
				if _, err := run(t, m, request(t, m, blogSet(t, "blog", body), scopeOf("blog"))); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, dir)
			at := filepath.Join(dir, "var/lib/scgikit", name)
			if err := change(at); err != nil {
				t.Fatal(err)
			}
			p, err := m.PlanRollback(0, RefuseLocal, false)
			if err == nil {
				err = apply(t, m, p)
			}
			unsafe, ok := errors.AsType[*Unsafe](err)
			if !ok || unsafe.Path != at || tree(t, dir) != before {
				t.Errorf("%s, %s: %v", name, how, err)
			}
		}
	}
}
