package bridge

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/fastcgi"
)

// quietTime is how long an answer stays open after the script's end without a
// word from it. A background process that the script has left behind would
// otherwise keep the client waiting for as long as it has the output open.
const quietTime = 200 * time.Millisecond

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

	small    *smallBuffer // for the start of the answer
	head     []byte       // output up to the end of the head, until that is sent
	headSent bool
	pending  []byte       // to be sent before anything else
	blocked  bool         // the connection takes no more at present
	bodyless bool         // HEAD: the answer is its head
	size     int64        // of the whole answer; -1 is not known
	sent     int64        // bytes of it
	served   bool         // the client has all of the answer, and has gone
	splices  bool         // the kernel moves the answer by itself
	large    *largeBuffer // for an answer that is long, where it does not

	errLine   []byte // unfinished line of the standard error
	errLogged int    // bytes of it so far

	now      time.Time // when relay was last woken
	progress time.Time // when something last moved between client and script
	heard    time.Time // when the script's output last had something, or it ended
}

func newExchange(conn *connection, log *logger, s *script, opts *Options) *exchange {
	return &exchange{conn: conn, log: log, script: s, opts: opts, splices: conn.front == nil}
}

// run starts the script and carries its answer to the client. When it returns
// the client has been told the end of the answer, and the script has ended.
func (x *exchange) run(env []string, length int64) error {
	x.conn.nonBlocking()
	x.bodyless = slices.Contains(env, "REQUEST_METHOD=HEAD")
	stdin, length, err := x.openInput(length)
	if err != nil {
		return err
	}
	defer x.close()
	x.conn.complete = x.upload == nil
	if x.conn.front != nil {
		env = withLength(env, length)
	}
	fork := x.opts.Setting.fork
	if x.conn.host != nil {
		if err := x.conn.host.admit(x); err != nil {
			x.closeInput(stdin)
			return err
		}
		defer x.conn.host.leave()
		fork = x.conn.host.fork
	}
	x.proc, err = start(x.script, &x.opts.Setting, fork, stdin, env)
	x.closeInput(stdin)
	if err != nil {
		return err
	}
	x.now = time.Now()
	x.touch()
	err = x.relay()
	if errors.Is(err, errServed) {
		x.served, err = true, nil
	}
	if err == nil {
		if !x.over() { // else the connection is closed in a moment
			x.conn.endAnswer()
		}
		err = x.await()
	}
	if err != nil {
		// The client first: it need not wait for a script that does not end.
		x.conn.refuse(err, x.log)
		x.conn.endAnswer()
		x.terminate()
	}
	x.drainStderr()
	x.proc.wait()
	if outcome := x.proc.outcome(); outcome != "" && err == nil {
		x.conn.endAnswer() // the client does not wait for the log
		err = refuse(0, x.script.name, outcome)
		x.conn.refuse(err, x.log)
	} else if outcome != "" {
		x.log.line(info, x.script.name, outcome)
	}
	return err
}

// over reports whether nothing is left that may take a while: neither the script nor
// what it has said, which the log may be slow to take, nor a file to be freed.
func (x *exchange) over() bool {
	return x.proc.ended && x.proc.stderr < 0 && len(x.errLine) == 0 && x.upload == nil
}

// close closes what is open of the exchange but for the connection.
func (x *exchange) close() {
	x.small.release()
	x.large.release()
	x.small, x.large = nil, nil
	if x.proc != nil {
		x.proc.close()
	}
	if x.upload != nil {
		x.upload.close()
	}
}

// touch notes that something has moved.
func (x *exchange) touch() {
	x.progress = x.now
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
	if x.conn.front != nil && x.conn.front.waiting() {
		// It has been received already, and wakes nobody.
		if err := x.received(); err != nil {
			return err
		}
	}
	for {
		pfds := x.interests()
		err := x.conn.poll(pfds[:], x.deadline())
		x.now = time.Now()
		if errors.Is(err, errTime) {
			if x.proc.ended && x.wantsOutput() && x.now.Sub(x.heard) >= quietTime {
				return x.outputEnds()
			}
			if x.now.Sub(x.progress) < x.opts.Timeout {
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

// received looks at what a FastCGI web server has sent.
func (x *exchange) received() error {
	if x.upload != nil && x.upload.left > 0 {
		return x.moveBody(true)
	}
	if err := x.conn.front.watch(); err != nil {
		return x.unwanted(err)
	}
	x.blocked = x.blocked || x.conn.unsent()
	return nil
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
	var client int16
	if x.blocked {
		client |= unix.POLLOUT
	}
	if x.watches() {
		client |= unix.POLLIN
	}
	if client != 0 || (x.conn.socket && hangUpMeansGone) {
		want(pollClient, x.conn.out, client)
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

// watches reports whether what the web server sends is looked at although there is
// no body to come.
func (x *exchange) watches() bool {
	f := x.conn.front
	return f != nil && !f.ended && (x.upload == nil || x.upload.left == 0)
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
	switch pfds[pollStderr].Revents {
	case 0:
	case unix.POLLHUP: // nothing was said
		x.proc.stderr = closed(x.proc.stderr)
	default:
		x.readStderr()
	}
	if pfds[pollExit].Revents != 0 {
		x.proc.ended = true
		x.heard = x.now
	}
	if x.conn.socket && pfds[pollClient].Revents&gone != 0 {
		return false, x.clientGone()
	}
	if pfds[pollClient].Revents&unix.POLLIN != 0 {
		if err := x.received(); err != nil {
			return false, err
		}
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
	x.heard = x.now
	if !x.headSent {
		return false, x.readHead()
	}
	return x.transfer()
}

// unwanted is the refusal for what a FastCGI web server has sent beside the body.
func (x *exchange) unwanted(err error) error {
	if errors.Is(err, errAborted) {
		return refuse(0, x.script.name, err.Error()+"; the script is ended")
	}
	x.conn.front.fail()
	return refuse(0, x.script.name, "not FastCGI any more: "+err.Error()+"; the script is ended")
}

// errServed is a client that has gone with the whole answer, as nginx does when it
// has as many bytes as the head has announced, or the head where that is all.
// What the script still does is its own affair.
var errServed = errors.New("the client has the whole answer")

func (x *exchange) clientGone() error {
	if x.conn.host != nil && x.conn.host.isCut() {
		return refuse(0, x.script.name, "the bridge ends, and waits no longer; the script is ended")
	}
	if x.headSent && x.size >= 0 && x.sent >= x.size && !x.conn.unsent() {
		return errServed
	}
	return refuse(0, x.script.name, "the client closed the connection before the answer was complete; the script is ended")
}

// firstHead is how much of the output is read at once, in the hope that the head is in it.
const firstHead = 3 << 10

// readHead reads output up to the end of the head and makes the start of the
// answer of it.
func (x *exchange) readHead() error {
	if x.small == nil {
		x.small = newSmallBuffer()
		x.head = x.small[:0:firstHead]
	}
	if len(x.head) == cap(x.head) {
		x.head = append(x.head, make([]byte, len(x.head))...)[:len(x.head)]
	}
	n, err := readPipe(x.proc.stdout, x.head[len(x.head):cap(x.head)])
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	if err != nil {
		return unable(x.script.name, "read the script's output", err)
	}
	if n == 0 {
		return x.outputEnds()
	}
	x.touch()
	x.head = x.head[:len(x.head)+n]
	answer, size, err := rewriteHead(x.small[firstHead:firstHead], x.head, x.opts.AddStatus, x.bodyless)
	if errors.Is(err, errHeadShort) {
		return nil
	}
	if err != nil {
		return refuse(502, x.script.name, "bad answer: "+err.Error())
	}
	x.head, x.headSent, x.pending, x.size = nil, true, answer, size
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
	if f := x.conn.front; f != nil {
		if f.flush() != nil {
			return x.clientGone()
		}
		x.blocked = len(f.unsent) > 0
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
		x.sent += int64(n)
		x.pending = x.pending[n:]
		if x.conn.unsent() {
			x.blocked = true
			return nil
		}
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
			x.sent += n
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
	buf := x.small[:] // what was in it has been sent
	if x.large != nil {
		buf = x.large[:]
	}
	if x.conn.front != nil {
		buf = buf[:min(len(buf), fastcgi.MaxContent)]
	}
	n, err := readPipe(x.proc.stdout, buf)
	if errors.Is(err, unix.EAGAIN) {
		return false, nil
	}
	if err != nil {
		return false, unable(x.script.name, "read the script's output", err)
	}
	if n == 0 {
		return true, nil
	}
	x.touch()
	x.pending = buf[:n]
	if n == len(x.small) && x.large == nil {
		x.large = newLargeBuffer() // there is more, as a rule
	}
	return false, x.flush()
}
