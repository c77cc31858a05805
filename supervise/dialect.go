package supervise

import "fmt"

// Dialect is whose meaning is followed where the families differ.
type Dialect uint8

// The dialects.
const (
	Daemontools Dialect = iota // x waits for the service to end; svc -o leaves no wish
	Runit                      // x ends the service; once is "want down"; a folder that is gone is stopped
	S6                         // as daemontools; finish gets s6's arguments and time
)

// ParseDialect reads the name of a dialect.
func ParseDialect(name string) (Dialect, error) {
	switch name {
	case "daemontools":
		return Daemontools, nil
	case "runit":
		return Runit, nil
	case "s6":
		return S6, nil
	}
	return Daemontools, fmt.Errorf("%q is no dialect; write daemontools, runit or s6", name)
}
