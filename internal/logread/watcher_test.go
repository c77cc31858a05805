package logread

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestPolling waits where the system does not tell of changes.
func TestPolling(t *testing.T) {
	t.Parallel()
	w := &Watcher{}
	if err := w.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for {
		if err := w.Wait(ctx); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			break
		}
	}
	w.Close()
}
