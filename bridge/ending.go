package bridge

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// maxStderr is how much of a script's standard error is logged for a request.
const maxStderr = 64 << 10

// cutPause is how often await looks whether the bridge ends.
const cutPause = 2 * time.Second

// await waits for the script's end after its answer. One that goes on for
// longer than the timeout is ended.
func (x *exchange) await() error {
	if x.proc.ended {
		return nil
	}
	if !x.served {
		x.proc.stdout = closed(x.proc.stdout)
	}
	limit := time.Now().Add(x.opts.Timeout)
	for !x.proc.ended {
		pfds := x.endInterests()
		until := limit
		if look := time.Now().Add(cutPause); x.conn.host != nil && look.Before(until) {
			until = look
		}
		err := x.conn.poll(pfds, until)
		if errors.Is(err, errTime) && x.conn.host != nil && x.conn.host.isCut() {
			return refuse(0, x.script.name, "the bridge ends, and waits no longer; the script is ended")
		}
		if errors.Is(err, errTime) {
			if time.Now().Before(limit) {
				continue
			}
			return refuse(0, x.script.name, "still running "+x.opts.Timeout.String()+" after the end of its answer: it is ended")
		}
		if err != nil {
			return unable(x.script.name, "poll", err)
		}
		x.handleEnd(pfds)
	}
	return nil
}

// terminate ends the script and everything in its process group: it asks, waits
// a little, and then does not ask any more. What a script that has ended by
// itself has left behind is left alone, as after a good answer.
func (x *exchange) terminate() {
	if x.proc.ended {
		return
	}
	x.proc.kill(unix.SIGTERM)
	x.proc.kill(unix.SIGCONT) // a stopped process does not see the first one
	x.proc.stdout = closed(x.proc.stdout)
	deadline := time.Now().Add(killAfter)
	for !x.proc.ended {
		pfds := x.endInterests()
		if x.conn.poll(pfds, deadline) != nil {
			break
		}
		x.handleEnd(pfds)
	}
	x.proc.kill(unix.SIGKILL)
	x.proc.ended = true
}

// endInterests says what await and terminate wait for.
func (x *exchange) endInterests() []unix.PollFd {
	return []unix.PollFd{
		{Fd: int32(x.proc.exit), Events: unix.POLLIN},   //nolint:gosec // a descriptor fits
		{Fd: int32(x.proc.stderr), Events: unix.POLLIN}, //nolint:gosec // a descriptor fits
		{Fd: int32(x.proc.stdout), Events: unix.POLLIN}, //nolint:gosec // a descriptor fits
	}
}

func (x *exchange) handleEnd(pfds []unix.PollFd) {
	if pfds[0].Revents != 0 {
		x.proc.ended = true
	}
	if pfds[1].Revents != 0 {
		x.readStderr()
	}
	if pfds[2].Revents != 0 {
		// Nobody gets it, but a script that writes more is not to fail for that.
		large := newLargeBuffer()
		defer large.release()
		if n, err := readPipe(x.proc.stdout, large[:]); n <= 0 && !errors.Is(err, unix.EAGAIN) {
			x.proc.stdout = closed(x.proc.stdout)
		}
	}
}

// readStderr logs what the script has said. At its end the descriptor becomes
// -1, which poll passes over.
func (x *exchange) readStderr() {
	buf := make([]byte, 4096)
	n, err := readPipe(x.proc.stderr, buf)
	if errors.Is(err, unix.EAGAIN) {
		return
	}
	if err != nil || n == 0 {
		x.proc.stderr = closed(x.proc.stderr)
		return
	}
	x.errLine = append(x.errLine, buf[:n]...)
	for {
		line, rest, found := bytes.Cut(x.errLine, []byte{'\n'})
		if !found && len(x.errLine) < maxLogLine {
			return
		}
		x.logStderr(line)
		x.errLine = rest
	}
}

// logStderr logs one line, unless the script has had its share.
func (x *exchange) logStderr(line []byte) {
	before := x.errLogged
	x.errLogged += len(line) + 1
	switch {
	case before > maxStderr:
	case x.errLogged > maxStderr:
		x.log.line(warning, x.script.name, "more than "+itoa(maxStderr)+" bytes on standard error; the rest is not logged")
	default:
		x.log.scriptLine(x.script.name, x.proc.pid, string(bytes.TrimSuffix(line, []byte{'\r'})))
	}
}

// drainStderr logs what is left when the script has ended. A background process
// may keep the pipe open; it is not waited for.
func (x *exchange) drainStderr() {
	for x.proc.stderr >= 0 {
		pfds := []unix.PollFd{{Fd: int32(x.proc.stderr), Events: unix.POLLIN}} //nolint:gosec // a descriptor fits
		if poll(pfds, time.Time{}) != nil {
			break
		}
		x.readStderr()
	}
	if len(x.errLine) > 0 {
		x.logStderr(x.errLine)
		x.errLine = nil
	}
}
