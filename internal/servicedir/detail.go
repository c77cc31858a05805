package servicedir

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Detail is what scgikit's supervisor says of a service beyond the status file:
// the JSON object in supervise/scgikit.json. Times are seconds since 1970 with a
// fraction; 0 is never.
type Detail struct {
	State    State   `json:"state"`
	Want     string  `json:"want"` // "up", "down", "once", "exit"
	PID      int     `json:"pid"`
	Since    float64 `json:"since"` // of this state
	Ready    bool    `json:"ready"`
	Paused   bool    `json:"paused"`
	Starts   int     `json:"starts"` // since it is supervised
	Last     Exit    `json:"last"`
	Next     float64 `json:"next"`   // when it is started again
	Waits    string  `json:"waits"`  // the service that it waits for
	Reason   string  `json:"reason"` // why it could not be started
	Log      string  `json:"log"`    // folder that its lines are written to by the supervisor itself, as seen from the service folder
	Reload   string  `json:"reload"` // "signal NAME" or "command"
	LogState State   `json:"log_state"`
}

// State is what a service is doing.
type State string

// The states.
const (
	Down     State = "down"
	Waiting  State = "waiting"  // for a service that it comes after
	Starting State = "starting" // runs, and has not said that it is ready
	Running  State = "running"
	Stopping State = "stopping" // was sent its stop signal
	Finish   State = "finish"   // ./finish runs
	BackOff  State = "backoff"  // ended, and is started again soon
	Failing  State = "failing"  // ended too often; is tried again once in a while
	Failed   State = "failed"   // ended, and its policy or ./finish says to leave it so
)

// states are all of them.
func states() []State {
	return []State{Down, Waiting, Starting, Running, Stopping, Finish, BackOff, Failing, Failed}
}

// Check is ErrFormat for what the supervisor does not write: another word for a
// state, for what is wanted or for a signal, or a time outside 1970 to 9999.
func (d *Detail) Check() error {
	ok := slices.Contains(states(), d.State) &&
		(d.LogState == "" || slices.Contains(states(), d.LogState)) &&
		slices.Contains([]string{"up", "down", "once", "exit"}, d.Want) &&
		(d.Last.Signal == "" || unix.SignalNum("SIG"+d.Last.Signal) != 0) &&
		d.PID >= 0 && d.Starts >= 0
	for _, at := range []float64{d.Since, d.Last.At, d.Next} {
		ok = ok && at >= 0 && at < lastSecond
	}
	if !ok {
		return ErrFormat
	}
	return nil
}

// Exit is how a process ended.
type Exit struct {
	At      float64 `json:"at"`      // 0: none has ended
	Code    int     `json:"code"`    // -1 where a signal ended it, or nobody knows
	Signal  string  `json:"signal"`  // such as "KILL"; "" is none
	Unknown bool    `json:"unknown"` // it ended while nobody could see it
	Core    bool    `json:"core"`
}
