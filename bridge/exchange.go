package bridge

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// quietTime is how long an answer stays open after the script's end without a
// word from it. A background process that the script has left behind would
// otherwise keep the client waiting for as long as it has the output open.
const quietTime = 200 * time.Millisecond

// maxStderr is how much of a script's standard error is logged for a request.
const maxStderr = 64 << 10

// transferSize is how much of the answer is moved at a time.
const transferSize = 1 << 20

// exchange is one request and its answer, with a script between them.
type exchange struct {
	conn   *connection
	log    *logger
	script *script
	opts   *Options
	proc   *process
	upload *upload // nil unless the body is streamed

	head     []byte // output up to the end of the head, until that is sent
	headSent bool
	pending  []byte // to be sent before anything else
	blocked  bool   // the connection takes no more at present
	splices  bool   // the kernel moves the answer by itself

	errLine   []byte // unfinished line of the standard error
	errLogged int    // bytes of it so far

	progress time.Time // when something last moved between client and script
	heard    time.Time // when the script's output last had something, or it ended
}

func newExchange(conn *connection, log *logger, s *script, opts *Options) *exchange {
	return &exchange{conn: conn, log: log, script: s, opts: opts, splices: true}
}

// run starts the script and carries its answer to the client. When it returns
// the connection is finished and the script has ended.
func (x *exchange) run(env []string, length int64) error {
	x.conn.nonBlocking()
	stdin, err := x.openInput(length)
	if err != nil {
		return err
	}
	if x.proc, err = start(x.script, &x.opts.Setting, stdin, env); err != nil {
		return err
	}
	x.touch()
	err = x.relay()
	if err == nil {
		x.conn.finish()
		err = x.await()
	}
	if err != nil {
		// The client first: it need not wait for a script that does not end.
		x.conn.refuse(err, x.log)
		x.conn.finish()
		x.terminate()
	}
	x.drainStderr()
	x.proc.wait()
	if outcome := x.proc.outcome(); outcome != "" && err == nil {
		err = refuse(0, x.script.name, outcome)
		x.conn.refuse(err, x.log)
	} else if outcome != "" {
		x.log.line(info, x.script.name, outcome)
	}
	return err
}

// openInput makes the script's standard input.
func (x *exchange) openInput(length int64) (int, error) {
	if !x.opts.StreamBody || length == 0 {
		return x.input(length)
	}
	fds, err := newPipe()
	if err != nil {
		return -1, unable(x.script.name, "pipe", err)
	}
	_ = unix.SetNonblock(fds[1], true)
	x.upload = &upload{left: length, stdin: fds[1], spool: -1}
	return fds[0], nil
}

// touch notes that something has moved.
func (x *exchange) touch() {
	x.progress = time.Now()
}

// The places of the descriptors in a poll.
const (
	pollStdout = iota
	pollStderr
	pollExit
	pollClient // room for the answer, and whether the client is there
	pollBody   // more of the body
	pollStdin  // room for the body
	pollCount
)

// relay carries the answer until it is complete.
func (x *exchange) relay() error {
	for {
		pfds := x.interests()
		err := poll(pfds[:], x.deadline())
		if errors.Is(err, errTime) {
			if x.proc.ended && x.wantsOutput() && time.Since(x.heard) >= quietTime {
				return x.outputEnds()
			}
			if time.Since(x.progress) < x.opts.Timeout {
				continue
			}
			return refuse(504, x.script.name, "no progress for "+x.opts.Timeout.String()+": the script is ended")
		}
		if err != nil {
			return unable(x.script.name, "poll", err)
		}
		if done, err := x.handle(&pfds); done || err != nil {
			return err
		}
	}
}

// interests says what relay waits for.
func (x *exchange) interests() (pfds [pollCount]unix.PollFd) {
	for i := range pfds {
		pfds[i].Fd = -1 // poll passes over it
	}
	want := func(at, fd int, events int16) {
		pfds[at] = unix.PollFd{Fd: int32(fd), Events: events} //nolint:gosec // a descriptor fits
	}
	if x.wantsOutput() {
		want(pollStdout, x.proc.stdout, unix.POLLIN)
	}
	want(pollStderr, x.proc.stderr, unix.POLLIN)
	if !x.proc.ended {
		want(pollExit, x.proc.exit, unix.POLLIN)
	}
	switch {
	case x.blocked:
		want(pollClient, x.conn.out, unix.POLLOUT)
	case x.conn.socket && hangUpMeansGone:
		want(pollClient, x.conn.out, 0)
	}
	if x.upload != nil {
		if x.upload.left > 0 {
			want(pollBody, x.conn.in, unix.POLLIN)
		}
		if x.upload.waiting() {
			want(pollStdin, x.upload.stdin, unix.POLLOUT)
		}
	}
	return pfds
}

// wantsOutput reports whether there is a use for more of the script's output:
// not while the client takes none, and not while the head is held back.
func (x *exchange) wantsOutput() bool { return !x.blocked && len(x.pending) == 0 }

// deadline is when relay has to look at the clock.
func (x *exchange) deadline() time.Time {
	deadline := x.progress.Add(x.opts.Timeout)
	if quiet := x.heard.Add(quietTime); x.proc.ended && x.wantsOutput() && quiet.Before(deadline) {
		return quiet
	}
	return deadline
}

// handle does what poll has found possible. Done means that the answer is
// complete.
func (x *exchange) handle(pfds *[pollCount]unix.PollFd) (done bool, err error) {
	const gone = unix.POLLHUP | unix.POLLERR | unix.POLLNVAL
	if pfds[pollStderr].Revents != 0 {
		x.readStderr()
	}
	if pfds[pollExit].Revents != 0 {
		x.proc.ended = true
		x.heard = time.Now()
	}
	if x.conn.socket && pfds[pollClient].Revents&gone != 0 {
		return false, x.clientGone()
	}
	if pfds[pollBody].Revents != 0 || pfds[pollStdin].Revents != 0 {
		if err := x.moveBody(pfds[pollBody].Revents != 0); err != nil {
			return false, err
		}
	}
	if pfds[pollClient].Revents&unix.POLLOUT != 0 {
		x.blocked = false
		return false, x.flush()
	}
	if pfds[pollStdout].Revents == 0 {
		return false, nil
	}
	x.heard = time.Now()
	if !x.headSent {
		return false, x.readHead()
	}
	return x.transfer()
}

func (x *exchange) clientGone() error {
	return refuse(0, x.script.name, "the client closed the connection before the answer was complete; the script is ended")
}

// readHead reads output up to the end of the head and makes the start of the
// answer of it.
func (x *exchange) readHead() error {
	if x.head == nil {
		x.head = make([]byte, 0, 4096)
	}
	if len(x.head) == cap(x.head) {
		x.head = append(x.head, make([]byte, len(x.head))...)[:len(x.head)]
	}
	n, err := readPipe(x.proc.stdout, x.head[len(x.head):cap(x.head)])
	if err != nil {
		return unable(x.script.name, "read the script's output", err)
	}
	if n == 0 {
		return x.outputEnds()
	}
	x.touch()
	x.head = x.head[:len(x.head)+n]
	answer, err := rewriteHead(x.head, x.opts.AddStatus)
	if errors.Is(err, errHeadShort) {
		return nil
	}
	if err != nil {
		return refuse(502, x.script.name, "bad answer: "+err.Error())
	}
	x.head, x.headSent, x.pending = nil, true, answer
	return x.flush()
}

// outputEnds is called when there will be no more output. That is the end of
// the answer if it had a head.
func (x *exchange) outputEnds() error {
	switch {
	case x.headSent:
		return nil
	case len(x.head) == 0:
		return refuse(502, x.script.name, "bad answer: no output")
	}
	return refuse(502, x.script.name, "bad answer: the output ends without an empty line after the head")
}

// flush sends what is pending. The head goes out together with what follows it:
// nginx before 1.31 can misread a first line that arrives in pieces.
func (x *exchange) flush() error {
	if x.upload != nil && x.upload.left > 0 {
		return nil // see upload
	}
	for len(x.pending) > 0 {
		n, err := x.conn.write(x.pending)
		if err != nil {
			return x.clientGone()
		}
		if n == 0 {
			x.blocked = true
			return nil
		}
		x.touch()
		x.pending = x.pending[n:]
		if !x.conn.socket && len(x.pending) > 0 {
			x.blocked = true // it may not be writable any more
			return nil
		}
	}
	return nil
}

// transfer moves output to the client. Done means that it has ended.
func (x *exchange) transfer() (done bool, err error) {
	if x.splices && x.conn.socket {
		n, err := splice(x.proc.stdout, x.conn.out, transferSize)
		switch {
		case err == nil && n == 0:
			return true, nil
		case err == nil:
			x.touch()
			return false, nil
		case errors.Is(err, unix.EAGAIN):
			x.blocked = true // there is output, so it is the client
			return false, nil
		case errors.Is(err, unix.EINTR):
			return false, nil
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
			return false, x.clientGone()
		}
		x.splices = false
	}
	buf := make([]byte, bodyBuffer)
	n, err := readPipe(x.proc.stdout, buf)
	if err != nil {
		return false, unable(x.script.name, "read the script's output", err)
	}
	if n == 0 {
		return true, nil
	}
	x.touch()
	x.pending = buf[:n]
	return false, x.flush()
}

// await waits for the script's end after its answer. One that goes on for
// longer than the timeout is ended.
func (x *exchange) await() error {
	x.touch()
	unix.Close(x.proc.stdout)
	x.proc.stdout = -1
	for !x.proc.ended {
		pfds := x.endInterests()
		err := poll(pfds, x.progress.Add(x.opts.Timeout))
		if errors.Is(err, errTime) {
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
	if x.proc.stdout >= 0 {
		unix.Close(x.proc.stdout)
		x.proc.stdout = -1
	}
	deadline := time.Now().Add(killAfter)
	for !x.proc.ended {
		pfds := x.endInterests()
		if poll(pfds, deadline) != nil {
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
	}
}

func (x *exchange) handleEnd(pfds []unix.PollFd) {
	if pfds[0].Revents != 0 {
		x.proc.ended = true
	}
	if pfds[1].Revents != 0 {
		x.readStderr()
	}
}

// readStderr logs what the script has said. At its end the descriptor becomes
// -1, which poll passes over.
func (x *exchange) readStderr() {
	buf := make([]byte, 4096)
	n, err := readPipe(x.proc.stderr, buf)
	if err != nil || n == 0 {
		unix.Close(x.proc.stderr)
		x.proc.stderr = -1
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

// readPipe reads from a descriptor that poll has found readable.
func readPipe(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Read(fd, buf)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
