package bridge

import (
	"errors"
	"strconv"
)

// refusal is why a request gets an error for an answer. The client sees the
// status only; the message is for the log.
type refusal struct {
	status    int
	script    string // name of the script, where it is known
	message   string
	temporary bool // the system may grant it later
	reported  bool // in the log, and to the client if it was possible
}

func refuse(status int, script, message string) error {
	return &refusal{status: status, script: script, message: message}
}

// unable is the refusal for a system call that failed.
func unable(script, what string, err error) error {
	return &refusal{status: 500, script: script, message: what + ": " + err.Error(), temporary: true}
}

// Error returns the message.
func (r *refusal) Error() string { return r.message }

func isTemporary(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.temporary
}

func itoa[T int | int32 | int64](n T) string { return strconv.FormatInt(int64(n), 10) }
