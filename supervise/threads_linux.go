package supervise

import (
	"runtime"
	"sync"
)

// spares is how many threads there are that nothing needs yet. Go's run-time
// ends the process where it needs one more and the system has none to give, as
// when the services of the same user have taken all; what it has it keeps.
const spares = 6

// spareThreads makes them.
func spareThreads() {
	var all, done sync.WaitGroup
	all.Add(spares)
	for range spares {
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			all.Done()
			all.Wait()
		})
	}
	done.Wait()
}
