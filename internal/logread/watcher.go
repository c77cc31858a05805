package logread

import (
	"context"
	"time"
)

// pollEvery is how often folders are looked at where the system does not tell
// of changes.
const pollEvery = 250 * time.Millisecond

// checkEvery is how often they are looked at where it does: it tells nothing of
// what another machine writes, and nothing of a folder in place of another.
const checkEvery = 2 * time.Second

// A Watcher waits for logs to grow.
type Watcher struct {
	sources []*Source
	notices *notices // nil where the system can not tell
}

// NewWatcher returns a Watcher of logs that are followed.
func NewWatcher(sources []*Source) *Watcher {
	return &Watcher{sources, newNotices(sources)}
}

// Wait returns when a log may have grown, or with the error of the context.
// What happens between two calls ends the second one at once.
func (w *Watcher) Wait(ctx context.Context) error {
	if w.notices != nil {
		w.notices.watch(w.sources)
		w.notices.wait(ctx, checkEvery)
		return ctx.Err()
	}
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// Close ends the watch.
func (w *Watcher) Close() {
	if w.notices != nil {
		w.notices.close()
	}
}
