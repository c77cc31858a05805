//go:build unix && !linux

package devserver

import "scgikit/internal/appfile"

// listed knows nothing: there is no list that every system has.
func listed(appfile.Addr) (found, known bool) { return false, false }
