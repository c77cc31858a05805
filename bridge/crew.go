package bridge

import "sync"

// mostResting is how many goroutines of a crew wait for work.
const mostResting = 4

// crew is goroutines that each do one job after the other. One that has done a job
// has the stack that a job takes; a new one has to grow it, step by step.
type crew struct {
	do      func(job int)
	handed  chan int      // jobs for those that rest
	over    chan struct{} // closed when there will be no more jobs
	resting chan struct{} // as full as goroutines rest
	working sync.WaitGroup
}

func newCrew(do func(job int)) *crew {
	return &crew{do: do, handed: make(chan int), over: make(chan struct{}), resting: make(chan struct{}, mostResting)}
}

// give has a job done.
func (c *crew) give(job int) {
	select {
	case c.handed <- job:
	default:
		c.working.Go(func() { c.work(job) })
	}
}

func (c *crew) work(job int) {
	for {
		c.do(job)
		select {
		case c.resting <- struct{}{}:
		default:
			return
		}
		select {
		case job = <-c.handed:
			<-c.resting
		case <-c.over:
			return
		}
	}
}

// dismiss sends those away that rest. No more jobs may be given, and it is called
// once.
func (c *crew) dismiss() { close(c.over) }
