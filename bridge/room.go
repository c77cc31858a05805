package bridge

import "sync"

// room is memory for what comes in pieces of a usual size.
type room [8 << 10]byte

// rooms are those that nobody needs now.
var rooms = sync.Pool{New: func() any { return new(room) }}

func newRoom() *room { return rooms.Get().(*room) } //nolint:forcetypeassert // there is nothing else in it

// give gives the room back. nil is none.
func (r *room) give() {
	if r != nil {
		rooms.Put(r)
	}
}
