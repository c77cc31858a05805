package devserver

import (
	"context"
	"os"
	"time"

	"scgikit/internal/appfile"
)

// probeTimeout bounds one attempt to connect.
const probeTimeout = time.Second

// listens reports whether a program accepts connections at an address. It asks
// the system's own list where there is one, because a server takes a connection
// that is closed at once for a bad request, and logs it.
func listens(ctx context.Context, addr appfile.Addr) bool {
	// Before the list is read: a program that binds in between is then in it.
	if info, err := os.Stat(addr.Unix); addr.Unix != "" && (err != nil || info.Mode().Type() != os.ModeSocket) {
		return false
	}
	if found, known := listed(addr); known {
		return found
	}
	// The list has a socket's path as the program wrote it, which may be
	// another one for the same file; or the socket is one that was left behind.
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := dial(ctx, addr)
	if err != nil {
		return false
	}
	conn.Close() //nolint:errcheck // nothing was sent
	return true
}
