package supervise

import (
	"os"
	"time"

	"scgikit/internal/printable"
)

// Config is what to supervise, and how.
type Config struct {
	Dir     string  // the scan folder, or the service with Single
	Single  bool    // one service, as daemontools' supervise
	Dialect Dialect // where a service does not say
	Cgroup  string  // control group to divide; "" is our own if it was delegated, "off" is none
	Outside bool    // every log/run is run, none is written here
	NoLog   bool    // log/ is somebody else's to supervise
	// StopLimit is how long services that have no time of their own, and their
	// logs, may take to end when all is to end; 0 is for ever.
	StopLimit time.Duration
	Program   []string // how this program is started, up to its own arguments
	Args      []string // the arguments that say all of the above
	// Say prints a message, which is one line; nil drops it.
	Say func(text string)

	stopping bool // all services are to be ended
}

func (c *Config) say(text string) {
	if c.Say != nil {
		c.Say(printable.Text(text))
	}
}

// path is the program that the keeper starts: the one at the place where this one
// was started from, which may be another by now.
func (c *Config) path() string {
	return c.Program[0]
}

// Generation is what a supervisor prints when it is asked which lists of
// descriptors it can take over. Another one would lose what is held.
const Generation = "scgikit supervise 1\n"

// GenerationFlag asks for it.
const GenerationFlag = "--generation"

// Role is which of the two processes this one is.
type Role struct {
	Supervisor int  // descriptor of the socket to the keeper; 0: this is the keeper
	Held       int  // descriptor of the list of what this keeper already holds; 0: nothing
	Stopping   bool // what there is is to be ended
}

// Executable returns where this program is, for Config.Program.
func Executable() string {
	path, err := os.Executable()
	if err != nil {
		return "/proc/self/exe"
	}
	return path
}
