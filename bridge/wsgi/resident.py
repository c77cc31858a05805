# The forms that keep running: a master that never imports the app, and workers.
#
# prefork: each worker accepts, and serves one request after the other.
# zygote: one worker accepts, and forks a child for each request.
#
# This stands behind scgi_wsgi.py, in the same module.

import errno
import fcntl
import gc

# What a worker says to the master, a byte each.
READY, FAILED, REPLACE, CHANGED = b"R", b"F", b"M", b"C"

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
LINUX = sys.platform == "linux"
TICKS = 10  # of the clock, in the shortest of the limits
SHORTAGE = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS))
# Errors after which the next accept may do better (accept(2), "Error handling").
PASSING = frozenset((
    errno.EAGAIN, errno.EINTR, errno.ECONNABORTED, errno.EPROTO, errno.EPERM,
    errno.ENETDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH)) | SHORTAGE


def pass_over(*_):
    """A signal that means nothing here. Unlike an ignored one it has its meaning
    in the programs that an app starts."""


def now():
    return time.monotonic()


# --- the master ---


class Worker:
    """A worker as the master sees it."""

    def __init__(self, pid, link):
        self.pid = pid
        self.link = link  # our end
        self.state = "loading"  # then "ready", or "failed": it answers 500
        self.born = now()
        self.signals = 0  # that were sent to end it
        self.next_signal = None  # time


class Slot:
    """The place of a worker, and of the one that is to replace it."""

    def __init__(self):
        self.current = None
        self.next = None
        self.outdated = False  # current is to be replaced
        self.pause = 0.0  # before the next start, and what a failed worker waits
        self.start_at = 0.0


class Master:
    def __init__(self, settings):
        self.settings = settings
        self.listeners = [socket.socket(fileno=fd) for fd in settings.listen]
        self.slots = [Slot() for _ in range(settings.workers)]
        self.leaving = []
        self.ending = False
        self.limit = None  # time at which what still runs is ended
        self.cut = False
        self.killed = False
        self.wakeup = None
        self.sockets = [(path, os.lstat(path)) for path in settings.remove]

    def run(self):
        for listener in self.listeners:
            os.set_inheritable(listener.fileno(), False)
            # Accepted sockets have it too: a chunk does not wait for the last one's acknowledgement.
            try:
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                pass  # it is not TCP
            # Workers that wait at one socket only wait in accept itself.
            listener.setblocking(len(self.listeners) == 1 and self.settings.style == "prefork")
        self.wakeup = os.pipe()
        for fd in self.wakeup:
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self.wakeup[1])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, pass_over)
        while True:
            self.step()
            if self.ending and not self.all():
                return 0
            self.wait()

    def all(self):
        """Return all workers."""
        return self.leaving + [w for slot in self.slots for w in (slot.current, slot.next) if w]

    def wait(self):
        """Wait for a signal, a word of a worker, or the next thing to be done."""
        poller = select.poll()
        poller.register(self.wakeup[0], select.POLLIN)
        workers = {w.link.fileno(): w for w in self.all() if w.link}
        for fd in workers:
            poller.register(fd, select.POLLIN)
        times = [w.next_signal for w in self.leaving if w.next_signal is not None]
        if self.ending:
            times += [self.limit] if self.limit is not None else []
        else:
            times += [slot.start_at for slot in self.slots if not slot.current and not slot.next]
        timeout = None if not times else max(min(times) - now(), 0) * 1000 + 1
        for fd, _ in poller.poll(timeout):
            if fd in workers:
                self.hear(workers[fd])
        try:
            numbers = os.read(self.wakeup[0], 512)
        except BlockingIOError:
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            for _ in range(numbers.count(number)):
                self.stop()
        if signal.SIGHUP in numbers and not self.ending:
            self.renew()
        if signal.SIGCHLD in numbers:
            self.bury()

    def hear(self, worker):
        try:
            words = worker.link.recv(64)
        except OSError:
            words = b""
        if not words:  # its end follows
            worker.link.close()
            worker.link = None
        slot = next((s for s in self.slots if worker in (s.current, s.next)), None)
        if slot is None:
            return
        if FAILED in words:
            worker.state = "failed"
        if READY in words:
            worker.state = "ready"
            slot.pause = 0.0
            if slot.next is worker:
                self.retire(slot.current)
                slot.current, slot.next = worker, None
        if REPLACE in words and slot.current is worker:
            slot.outdated = True
        if CHANGED in words and slot.current is worker:
            # It accepts no more: what comes waits for the new one.
            self.retire(worker)
            slot.current = None
            slot.start_at = 0.0

    def renew(self):
        """Replace all workers, each when its successor is ready."""
        if self.settings.log:
            try:
                open_log(self.settings.log)
            except OSError as error:
                log("log file: %s" % error)
        for slot in self.slots:
            slot.outdated = True

    def step(self):
        """Do what is due."""
        time_now = now()
        for slot in self.slots:
            if self.ending:
                break
            if not slot.current and not slot.next and time_now >= slot.start_at:
                slot.outdated = False
                slot.current = self.start(slot, alone=True)
            elif slot.outdated and slot.current and slot.current.state != "loading" and not slot.next:
                slot.outdated = False
                slot.next = self.start(slot, alone=False)
        for worker in self.leaving:
            if worker.next_signal is not None and time_now >= worker.next_signal:
                self.remind(worker)
        if self.ending and self.limit is not None and time_now >= self.limit:
            self.end_all()

    def start(self, slot, alone):
        """Start a worker. One that is alone in its place answers 500 if the app can
        not be loaded; else it ends, and the old one stays."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        flush_output()
        # It must not take a signal for itself before it has handlers of its own.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                ours.close()
                self.become_worker(theirs, slot.pause if alone else None)
        except OSError as error:
            log("can not start a worker: %s" % error)
            slot.pause = slot.pause or SHORTEST_PAUSE
            slot.start_at = now() + slot.pause
            ours.close()
            return None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            theirs.close()
        return Worker(pid, ours)

    def become_worker(self, link, pause):
        """In the new process: work, and never return."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            for fd in self.wakeup:
                os.close(fd)
            for worker in self.all():
                if worker.link:
                    worker.link.close()  # the others' links must end with the master
            os.setpgid(0, 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            make = Zygote if self.settings.style == "zygote" else Prefork
            code = make(self.settings, self.listeners, link, pause).work()
        except BaseException:
            log_exception("a worker ends")
        finally:
            leave(code)

    def bury(self):
        """Note which workers have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except OSError:
                return
            if pid == 0:
                return
            worker = next((w for w in self.all() if w.pid == pid), None)
            if worker:
                self.lost(worker, status)
                if worker.link:
                    worker.link.close()

    def lost(self, worker, status):
        if worker.link:
            self.hear(worker)  # its last words
        if worker in self.leaving:
            self.leaving.remove(worker)
            return
        slot = next(s for s in self.slots if worker in (s.current, s.next))
        if slot.next is worker:
            slot.next = None
            log("the new worker ended (%s); the old one stays" % outcome(status))
            return
        slot.current, slot.next = slot.next, None
        if worker.state == "failed":  # it has waited before it ended
            slot.pause = min(slot.pause * 2 or SHORTEST_PAUSE, LONGEST_PAUSE)
            slot.start_at = 0.0
            return
        if worker.state == "ready":
            slot.start_at = worker.born + SHORTEST_PAUSE
        else:
            slot.pause = min(slot.pause * 2 or SHORTEST_PAUSE, LONGEST_PAUSE)
            slot.start_at = now() + slot.pause
        if not self.ending:
            log("worker %d ended (%s) and is replaced" % (worker.pid, outcome(status)))

    def retire(self, worker):
        """Let a worker end after its request."""
        worker.next_signal = now()
        self.leaving.append(worker)
        self.remind(worker)

    def remind(self, worker):
        """Tell a worker to end. It may have been on its way into accept when it was
        told, and would hear it after the next request only: it is told again, each
        time after twice as long."""
        signal_to(worker.pid, signal.SIGTERM)
        worker.signals += 1
        worker.next_signal = now() + 0.1 * 2 ** min(worker.signals, 9)

    def stop(self):
        """The first time: take no more connections. The second time: end all."""
        if self.ending:
            self.end_all()
            return
        self.ending = True
        self.limit = now() + self.settings.stop_limit
        for path, status in self.sockets:
            remove_socket(path, status)
        for listener in self.listeners:
            listener.close()
        for slot in self.slots:
            for worker in (slot.current, slot.next):
                if worker:
                    self.retire(worker)
            slot.current = slot.next = None

    def end_all(self):
        """End workers with their requests: with a signal, and soon after for good."""
        for worker in self.all():
            if self.cut:
                signal_to(-worker.pid, signal.SIGKILL)
            else:
                signal_to(worker.pid, signal.SIGQUIT)
        if not self.cut and self.all():
            log("requests that still run are ended")
        self.limit = None if self.cut else now() + 2 * LINGER_TIME + 1
        self.cut = True


SIGNALS = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD))


def signal_to(pid, number):
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it has ended


def outcome(status):
    """Return in words how a process ended."""
    code = os.waitstatus_to_exitcode(status)
    return "signal %d" % -code if code < 0 else "exit code %d" % code


def leave(code):
    """End this process, and run nothing that the app has left for the end: it may
    be for the end of the process that this one is a copy of."""
    flush_output()
    os._exit(code)


def remove_socket(path, status):
    """Remove a socket, if it is still the one."""
    try:
        if os.path.samestat(os.lstat(path), status):
            os.unlink(path)
    except OSError:
        pass  # a socket without a listener harms nobody


def open_log(path):
    """Open the log anew, as its standard error. A link, a FIFO or a device in its
    place is refused: whoever may put one there must not choose what is written to."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o640)
    try:
        status = os.fstat(fd)
        if path != os.devnull and (status.st_mode & 0o170000 != 0o100000 or status.st_nlink != 1):
            raise OSError("%s is not a plain file with one name" % path)
        os.set_blocking(fd, True)
        os.dup2(fd, 2)
        os.dup2(fd, 1)
    finally:
        os.close(fd)


# --- what both kinds of workers have ---


class Base:
    """A worker in its own process."""

    def __init__(self, settings, listeners, link, pause):
        self.settings = settings
        self.listeners = listeners
        self.link = link
        self.pause = pause  # after a failure to load the app; None ends the worker
        self.app = None
        self.ending = False

    def tell(self, word):
        try:
            self.link.send(word)
        except OSError:
            pass  # the master is dead, which another way tells

    def load(self):
        """Load the app. Return whether the worker is to go on."""
        try:
            self.app = load(self.settings)
        except BaseException:
            self.tell(FAILED)
            if self.pause is None:
                log_exception("the app can not be loaded; the old workers stay")
                return False
            log_exception("the app can not be loaded (requests are answered 500)")
            self.note_failure(sys.exc_info()[2], sys.exc_info()[1])
        if self.app and self.settings.warm:
            self.warm()
        self.handle_signals()
        # What has been loaded is not looked through for garbage again and again,
        # which would also copy its pages in each process.
        gc.collect()
        gc.freeze()
        if self.app:
            self.tell(READY)
        return True

    def warm(self):
        """Call the app once, so that what it puts off until its first request is
        done before the first one comes."""
        block = b"".join(word + b"\0" for word in (
            b"CONTENT_LENGTH", b"0", b"SCGI", b"1", b"REQUEST_METHOD", b"GET", b"REQUEST_URI", os.fsencode(self.settings.warm),
            b"REMOTE_ADDR", b"127.0.0.1", b"HTTP_HOST", b"localhost"))
        connection = Nowhere()
        try:
            environ, body = prepare(connection, self.settings, block, constants(self.settings.style == "zygote"))
            call(connection, self.app, environ, body)
        except BaseException:
            log_exception("the request of --warm %s failed" % self.settings.warm)

    def note_failure(self, traceback, error):
        pass

    def handle_signals(self):
        signal.signal(signal.SIGTERM, self.on_term)
        signal.signal(signal.SIGINT, self.on_term)
        signal.signal(signal.SIGHUP, pass_over)
        signal.signal(signal.SIGQUIT, self.on_quit)
        # The kernel tells when the master's end of the link is closed.
        signal.signal(signal.SIGIO, self.on_link)
        fd = self.link.fileno()
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
        self.on_link()  # it may have ended before

    def on_link(self, *_):
        try:
            gone = self.link.recv(1) == b""
        except OSError:
            gone = False
        if gone and not self.ending:
            log("the master has ended, and so does its worker")
            self.on_term()

    def on_term(self, *_):
        """Accept no more. There is no moment in which a connection could have been
        accepted and would be forgotten: accept itself fails, the next time that it
        is called or, if it waits, now."""
        if self.ending:
            return
        self.ending = True
        null = os.open(os.devnull, os.O_RDONLY)
        for listener in self.listeners:
            os.dup2(null, listener.fileno(), inheritable=False)
        os.close(null)

    def accept(self, listener):
        """Return the descriptor of a connection, or -1 if the worker is to look
        around, and call again if it is not ending."""
        try:
            fd = listener._accept()[0]
        except OSError as error:
            if error.errno in PASSING:
                if error.errno in SHORTAGE:
                    log("accept: %s" % error)
                    select.select([], [], [], 0.1)
            elif not self.ending:
                log("accept: %s" % error)
                self.ending = True
            return -1
        if not LINUX:  # it has the listener's mode
            os.set_blocking(fd, True)
        return fd


class NotLoaded(Refused):
    """There is no app."""

    def __init__(self):
        Refused.__init__(self, 500, "the app is not loaded")


class Nowhere(Connection):
    """A connection to nobody."""

    def __init__(self):
        self.socket = None
        self.buffer = b""
        self.begun = self.ended = False

    def send(self, data):
        self.begun = True

    def end(self):
        pass


# --- prefork ---


class Direct(Connection):
    """A connection of a worker that serves one after the other. All that limits it
    in time is the worker's clock, so that it takes few system calls."""

    socket = True  # not a pipe
    buffer = b""
    begun = ended = False
    phase = "head"  # then "app", then "end"
    waits = ""  # for what the client does: "read" or "write"
    mark = 0  # changes with each progress
    body = None

    def __init__(self, fd):
        self.fd = fd

    def receive_head(self, size, _deadline):
        try:
            return os.read(self.fd, size)
        except ConnectionError:
            return b""

    def receive_body(self, size):
        self.waits = "read"
        try:
            return os.read(self.fd, size)
        finally:
            self.waits = ""
            self.mark += 1

    def send_both(self, head, data):
        self.begun = True
        self.waits = "write"
        try:
            if len(data) <= COPIED:
                head, data = head + data, b""
                sent = os.write(self.fd, head)
            else:
                sent = os.writev(self.fd, (head, data))
        except ConnectionError as error:
            raise ClientGone from error
        finally:
            self.waits = ""
            self.mark += 1
        if sent < len(head):
            self.send(head[sent:])
            sent = len(head)
        if data and sent < len(head) + len(data):
            self.send(memoryview(data)[sent - len(head):])

    def send(self, data):
        self.begun = True
        self.waits = "write"
        try:
            sent = os.write(self.fd, data)
            while sent < len(data):
                self.mark += 1
                data = memoryview(data)[sent:]
                sent = os.write(self.fd, data)
        except ConnectionError as error:
            raise ClientGone from error
        finally:
            self.waits = ""
            self.mark += 1

    def send_file(self, fd, offset, count):
        self.begun = True
        self.waits = "write"
        sent = 0
        try:
            while sent < count:
                # Pieces, so that there is progress to be seen.
                n = os.sendfile(self.fd, fd, offset + sent, min(count - sent, 1 << 20))
                if n == 0:
                    break
                sent += n
                self.mark += 1
        except ConnectionError as error:
            raise ClientGone from error
        finally:
            self.waits = ""
        return sent

    def end(self):
        """Say that no more will come: by closing, unless that would reset the
        connection because of bytes that nobody has read."""
        if self.ended:
            return
        self.ended = True
        if self.body is not None and not self.body.left:
            self.phase = "end"
            fd, self.fd = self.fd, -1
            os.close(fd)
            return
        end = socket.socket(fileno=self.fd)
        try:
            end.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        end.detach()

    def close(self):
        self.end()
        self.phase = "end"  # what follows has a limit of its own
        if self.fd < 0:
            return
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        deadline = now() + LINGER_TIME
        try:
            while poller.poll(max(deadline - now(), 0) * 1000) and os.read(self.fd, CHUNK):
                pass
        except OSError:
            pass
        fd, self.fd = self.fd, -1
        os.close(fd)


class Prefork(Base):
    """A worker that serves one connection after the other."""

    connection = None  # that it serves
    served = 0
    armed = False  # the clock ticks
    stale = 0  # ticks without progress
    seen = None  # what the last tick saw

    def work(self):
        if not self.load():
            return 1
        settings = self.settings
        tick = max(min(settings.header_timeout, settings.timeout) / TICKS, 0.01)
        self.tick = tick
        self.head_ticks = settings.header_timeout // tick + 1
        self.app_ticks = settings.timeout // tick + 1
        signal.signal(signal.SIGALRM, self.on_tick)
        if self.app is None:
            self.retry_at = now() + (self.pause or SHORTEST_PAUSE)
            self.arm()
        self.serve()
        return 0

    def serve(self):
        """Serve connections until the worker is to end."""
        fixed = constants(False)
        accept = self.accept
        # It ends after this one, or a few before, so that not all do it at a time.
        most = self.settings.max_requests
        if most:
            most = max(most - os.getpid() % (most // 10 + 1), 1)
        listener = self.listeners[0]
        poller = None
        if len(self.listeners) > 1:
            poller = select.poll()
            for each in self.listeners:
                poller.register(each.fileno(), select.POLLIN)
            by_fd = {each.fileno(): each for each in self.listeners}
        while not self.ending:
            if poller:
                listener = by_fd[poller.poll()[0][0]]
            fd = accept(listener)
            if fd < 0:
                continue
            if not self.armed:
                self.arm()
            self.connection = connection = Direct(fd)
            try:
                block = read_request(connection, 0)
                if block is None:
                    connection.ended = True
                    connection.fd = -1
                    os.close(fd)
                    continue
                environ, connection.body = prepare(connection, self.settings, block, fixed)
                connection.phase = "app"
                if self.app is None:
                    raise NotLoaded()
                call(connection, self.app, environ, connection.body)
            except BaseException as error:
                connection.phase = "app"
                failed(connection, error)
            if connection.fd >= 0:
                connection.close()
            self.connection = environ = None
            self.served += 1
            if self.served == most:
                self.tell(REPLACE)
                self.served = 0

    def arm(self):
        """Let the clock tick, until a tick finds nothing to do."""
        self.armed = True
        self.stale = 0
        signal.setitimer(signal.ITIMER_REAL, self.tick, self.tick)
        self.backstop()

    def backstop(self):
        """End the process if on_tick does not run: it waits for a function in C to
        return, and a slow database query is one. This does not."""
        try:
            import faulthandler

            faulthandler.dump_traceback_later(self.settings.timeout + LINGER_TIME, exit=True)
        except (ImportError, RuntimeError, OSError, ValueError):
            pass

    def on_tick(self, _number, frame):
        connection = self.connection
        if self.app is None and now() > self.retry_at:
            self.on_term()  # and the next one tries to load the app
        if connection is None or connection.phase == "end":
            if self.seen is None and self.app:
                self.armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
                try:
                    import faulthandler

                    faulthandler.cancel_dump_traceback_later()
                except ImportError:
                    pass
            self.seen = None
            return
        self.backstop()
        # A header block has a deadline, whatever arrives of it.
        seen = (connection, connection.mark if connection.phase == "app" else -1)
        if seen != self.seen:
            self.seen = seen
            self.stale = 0
            return
        self.stale += 1
        if connection.phase == "head":
            if self.stale >= self.head_ticks:
                self.stale = 0
                raise Refused(408, "the request did not arrive in time")
        elif self.stale >= self.app_ticks:
            self.stale = 0
            if connection.waits == "read":
                raise Refused(408, "the request did not arrive in time")
            if connection.waits == "write":
                raise ClientGone
            give_up(connection, self.settings, frame)

    def on_quit(self, *_):
        end_children()
        os._exit(1)


# --- zygote ---


class Zygote(Base):
    """A worker that has loaded the app, and forks a child for each request."""

    def __init__(self, *args):
        Base.__init__(self, *args)
        self.children = set()
        self.failed_at = 0.0
        self.scanned = (0.0, 0.0)  # when, and how long it took
        self.files = {}
        self.modules = 0  # that there were when the files were listed
        self.extra = []  # files that an error named
        self.tried = set()  # modules that a child has asked for
        self.news = None  # pipe: what children had to import
        self.changed = False

    def work(self):
        begun = time.time_ns()
        if not self.load():
            return 1
        self.failed_at = now()
        self.list_files(begun)
        self.warn_of_threads()
        self.news = os.pipe()
        wakeup = os.pipe()
        for fd in self.news + wakeup:
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, pass_over)
        signal.set_wakeup_fd(wakeup[1])
        waiting, resting = select.poll(), select.poll()
        for poller in (waiting, resting):
            poller.register(wakeup[0], select.POLLIN)
            poller.register(self.news[0], select.POLLIN)
        for listener in self.listeners:
            waiting.register(listener.fileno(), select.POLLIN)
        by_fd = {listener.fileno(): listener for listener in self.listeners}
        self.wakeup = wakeup
        while True:
            self.bury()
            if self.ending and not self.children:
                return 0
            if self.ending and self.listeners:
                # Who connects now is not to wait for a process that accepts no more.
                for listener in self.listeners:
                    listener.close()
                self.listeners = []
            full = self.ending or self.changed or len(self.children) >= self.settings.max
            for fd, _ in (resting if full else waiting).poll():
                if fd == wakeup[0]:
                    os.read(fd, 512)
                elif fd == self.news[0]:
                    self.learn(os.read(fd, 65536))
                elif not self.ending and not self.changed and len(self.children) < self.settings.max:
                    self.serve(by_fd[fd])

    def bury(self):
        while self.children:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except OSError:
                return
            if pid == 0:
                return
            self.children.discard(pid)

    def serve(self, listener):
        """Serve the connection that waits, in a child."""
        if self.is_old():
            self.changed = True
            self.tell(CHANGED)  # and the connection waits for the next zygote
            return
        fd = self.accept(listener)
        if fd < 0:
            return
        flush_output()
        signal.pthread_sigmask(signal.SIG_BLOCK, ZYGOTE_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self.become_child(fd)
            self.children.add(pid)
        except OSError as error:
            log("can not start a child: %s" % error)
            select.select([], [], [], 0.1)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ZYGOTE_SIGNALS)
            os.close(fd)

    def become_child(self, fd):
        """In the new process: serve the request, and never return."""
        code, connection, known = 1, None, len(sys.modules)
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGIO, signal.SIG_DFL)
            # A supervisor may send it to all processes; the request is to be
            # answered nevertheless.
            signal.signal(signal.SIGTERM, pass_over)
            signal.signal(signal.SIGINT, pass_over)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ZYGOTE_SIGNALS)
            os.setpgid(0, 0)
            for each in self.listeners:
                each.close()
            self.link.close()
            for each in self.wakeup + self.news[:1]:
                os.close(each)
            connection = Connection(fd, self.settings.timeout)
            code = serve(connection, self.settings, self.app or not_loaded)
        except BaseException as error:
            if connection:
                code = failed(connection, error)
            else:
                log_exception("a child ends")
        finally:
            try:
                if connection:
                    connection.close()
                if len(sys.modules) > known:
                    self.teach(known)
            finally:
                leave(code)

    def on_term(self, *_):
        self.ending = True

    def on_quit(self, *_):
        """End the children, which end what they have started."""
        for number, patience in ((signal.SIGQUIT, LINGER_TIME + 1), (signal.SIGKILL, LINGER_TIME)):
            for pid in self.children:
                signal_to(pid if number == signal.SIGQUIT else -pid, number)
            deadline = now() + patience
            while self.children and now() < deadline:
                self.bury()
                select.select([], [], [], 0.02)
        os._exit(1)

    # What a request makes a child import is imported here, so that the next child
    # has it: else each child would, for a Django project most of its time.

    def teach(self, known):
        """In a child: tell which modules are new."""
        names = []
        for name in list(sys.modules)[known:]:
            if getattr(sys.modules[name], "__spec__", None) is not None and len(name) < 256:
                names.append(name)
        line = b""
        for name in names:
            line += name.encode("utf-8", "surrogateescape") + b"\n"
            if len(line) > 3000:  # a write of up to 4096 bytes is one piece
                os.write(self.news[1], line)
                line = b""
        os.write(self.news[1], line)

    def learn(self, data):
        new = False
        for name in data.decode("utf-8", "surrogateescape").split("\n"):
            if not name or name in self.tried or len(self.tried) > 20000:
                continue
            self.tried.add(name)
            if name in sys.modules:
                continue
            new = True
            try:
                __import__(name)
            except BaseException:
                pass  # a child sees what happens, and can deal with it
        if new:
            self.list_files(0)
            gc.collect()
            gc.freeze()
            self.warn_of_threads()

    def warn_of_threads(self):
        """Say that a thread runs here, which no child will have."""
        try:
            threads = len(os.listdir("/proc/self/task"))
        except OSError:
            threads = sys.modules["threading"].active_count() if "threading" in sys.modules else 1
        if threads > 1:
            log("warning: the app has started threads while it was imported; a child has none of them: use --style prefork")

    # The source of the app: all of its modules that are not of Python's folders.

    def note_failure(self, traceback, error):
        while traceback is not None:
            self.extra.append(traceback.tb_frame.f_code.co_filename)
            traceback = traceback.tb_next
        if isinstance(error, SyntaxError) and error.filename:
            self.extra.append(error.filename)

    def list_files(self, begun):
        """List the files, as they are. What was written since begun may be newer
        than what has been imported."""
        if not self.settings.reload:
            return
        library = os.path.dirname(os.__file__) + "/"
        names = list(self.extra)
        for module in list(sys.modules.values()):
            name = getattr(module, "__dict__", {}).get("__file__")
            if isinstance(name, str):
                names.append(name)
        for name in names:
            if (name in self.files or not name.endswith(".py") or name.startswith(library)
                    or "/site-packages/" in name or "/dist-packages/" in name):
                continue
            state = file_state(name)
            if begun and state and begun - 20_000_000 < state[0] < time.time_ns():
                state = ()
            self.files[name] = state
        self.modules = len(sys.modules)

    def is_old(self):
        """Return whether the app is to be loaded again."""
        if self.app is None and now() - self.failed_at > max(self.pause or 0, SHORTEST_PAUSE):
            return True
        when, took = self.scanned
        if not self.files or now() < when + 20 * took:  # a 20th of the time at most
            return False
        begun = now()
        old = [name for name, state in self.files.items() if file_state(name) != state]
        self.scanned = (now(), now() - begun)
        if old:
            log("%s has changed: the app is loaded again" % old[0])
        return bool(old)


ZYGOTE_SIGNALS = SIGNALS | {signal.SIGQUIT, signal.SIGIO}


def file_state(name):
    try:
        status = os.stat(name)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def not_loaded(_environ, _start_response):
    raise NotLoaded()


def run_resident(arguments):
    settings = Settings(arguments)
    null = os.open(os.devnull, os.O_RDWR)
    if null == 0:  # it was free: the socket has been moved away from there
        os.set_inheritable(null, True)
    else:
        os.dup2(null, 0)
        os.close(null)
    protect_output()
    return Master(settings).run()
