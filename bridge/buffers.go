package bridge

import "sync"

// smallBuffer is for what is short as a rule, largeBuffer for what is moved through it
// in large pieces. Requests that come one after the other use the same ones.
type (
	smallBuffer [8 << 10]byte
	largeBuffer [128 << 10]byte
)

var (
	smallBuffers = sync.Pool{New: func() any { return new(smallBuffer) }}
	largeBuffers = sync.Pool{New: func() any { return new(largeBuffer) }}
)

func newSmallBuffer() *smallBuffer {
	return smallBuffers.Get().(*smallBuffer) //nolint:forcetypeassert // there is nothing else in it
}

func newLargeBuffer() *largeBuffer {
	return largeBuffers.Get().(*largeBuffer) //nolint:forcetypeassert // as above
}

// release gives the buffer to others. nil is none.
func (b *smallBuffer) release() {
	if b != nil {
		smallBuffers.Put(b)
	}
}

// release gives the buffer to others. nil is none.
func (b *largeBuffer) release() {
	if b != nil {
		largeBuffers.Put(b)
	}
}
