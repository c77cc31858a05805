package bridge

import "sync"

// room is memory for what is small as a rule, hall for what is moved through it in
// large pieces. Requests that come one after the other use the same.
type (
	room [8 << 10]byte
	hall [128 << 10]byte
)

var (
	rooms = sync.Pool{New: func() any { return new(room) }}
	halls = sync.Pool{New: func() any { return new(hall) }}
)

func newRoom() *room { return rooms.Get().(*room) } //nolint:forcetypeassert // there is nothing else in it
func newHall() *hall { return halls.Get().(*hall) } //nolint:forcetypeassert // as above

// give gives the room back. nil is none.
func (r *room) give() {
	if r != nil {
		rooms.Put(r)
	}
}

// give gives the hall back. nil is none.
func (h *hall) give() {
	if h != nil {
		halls.Put(h)
	}
}
