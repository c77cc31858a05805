"""SCGI -> WSGI (PEP 3333).

scgi-run starts this with the log as standard error and its settings as NAME=VALUE
arguments: for one request with the connection as standard input, or, with
resident.py behind it, with listening sockets. It needs the standard library only,
and imports little of it: for one request an interpreter is started, and what is
imported here is paid each time.

Values of the request are bytes; in the environ they are str with one character
a byte, as PEP 3333 has them. They are never decoded as UTF-8.
"""

import os
import select
import sys
import time

try:
    import _signal as signal  # without the enum module, which is slow to import
except ImportError:
    import signal
try:
    import _socket as socket
except ImportError:
    import socket

MAX_HEADER_BYTES = 262144
LINGER_TIME = 2.0
CHUNK = 65536
FIRST = 16384  # what the first read of a connection takes
COPIED = 32768  # a head is sent in one piece with a chunk that is not longer
REMEMBERED = 1000  # checked names and statuses that are not checked again

# Fields about the connection are the web server's to send (RFC 9110 section
# 7.6.1), and the status has its own place.
FORBIDDEN_FIELDS = frozenset((
    "connection", "keep-alive", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "proxy-authenticate", "proxy-authorization", "trailers", "status"))

TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

# Parameters that an app must not see: HTTP_PROXY is taken for the proxy to use
# by client libraries (CVE-2016-5385 and its kin), the next ones are the web
# server's affair, the last ones are Apache's own environment. The short way of
# parameters has them once more.
DROPPED = frozenset((
    "HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_CONNECTION", "HTTP_KEEP_ALIVE",
    "SCGI", "PATH", "LD_LIBRARY_PATH"))

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))

# Names that must not say two things.
SINGLE = frozenset(("CONTENT_LENGTH", "SCRIPT_FILENAME", "REMOTE_USER", "REQUEST_METHOD"))

REASONS = {
    400: "Bad Request", 408: "Request Timeout", 413: "Content Too Large",
    500: "Internal Server Error", 504: "Gateway Timeout",
}


class Refused(Exception):
    """A request that gets an error for an answer."""

    def __init__(self, status, message):
        Exception.__init__(self, message)
        self.status = status


class ClientGone(Exception):
    """The client has closed the connection before it had all of the answer."""


def log(message):
    """Write one line to the log, control characters escaped."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in message)
    write_log("scgi-run: wsgi: " + line + "\n")


def log_exception(message):
    """Log the exception that is being handled, with its traceback."""
    import traceback

    log(message)
    write_log("".join("    " + line + "\n" for line in traceback.format_exc().rstrip().split("\n")))


def write_log(text):
    """Write lines to the log. Nobody is there to tell that it can not be written:
    its reader may have ended, and that ends no request and no process here."""
    try:
        sys.stderr.write(text)
    except (AttributeError, OSError, ValueError):
        pass
    flush_output()


def flush_output():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


class Connection:
    """The web server's end of the request."""

    def __init__(self, fd, timeout):
        self.fd = fd
        self.timeout = timeout
        self.buffer = b""
        self.begun = False  # part of an answer is on its way
        self.ended = False  # it has been told that there is no more
        try:
            self.socket = socket.socket(fileno=fd)
            self.socket.setblocking(True)
            self.reader = self.writer = fd
        except OSError:  # a pipe, at a shell
            self.socket = None
            self.reader = fd
            self.writer = os.dup(1)

    def wait(self, deadline):
        """Return whether there is something to read before the deadline."""
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        poller = select.poll()
        poller.register(self.reader, select.POLLIN)
        return bool(poller.poll(left * 1000))

    def receive(self, size, deadline):
        """Return up to size bytes, b"" at the end."""
        if not self.wait(deadline):
            raise Refused(408, "the request did not arrive in time")
        return os.read(self.reader, size)

    def receive_head(self, size, deadline):
        """The same, of the header block."""
        try:
            return self.receive(size, deadline)
        except ConnectionError:
            return b""

    def receive_body(self, size):
        """The same, of the body."""
        alive(self.timeout)
        return self.receive(size, time.monotonic() + self.timeout)

    def send_both(self, head, data):
        """Send a head and what follows it."""
        if len(data) <= COPIED:
            self.send(head + data)
        else:
            self.send(head)
            self.send(data)

    def send(self, data):
        """Send all of data."""
        view = memoryview(data)
        self.begun = True
        while view:
            alive(self.timeout)
            try:
                view = view[os.write(self.writer, view):]
            except (BrokenPipeError, ConnectionError) as error:
                raise ClientGone from error

    def send_file(self, fd, offset, count):
        """Send count bytes of a file, in the kernel. Return how many it had."""
        self.begun = True
        sent = 0
        while sent < count:
            alive(self.timeout)
            try:
                n = os.sendfile(self.writer, fd, offset + sent, min(count - sent, 1 << 30))
            except (BrokenPipeError, ConnectionError) as error:
                raise ClientGone from error
            if n == 0:
                break
            sent += n
        return sent

    def refuse(self, status):
        """Answer with an error, unless an answer is on its way already."""
        if self.begun or self.ended:
            return
        line = "%d %s" % (status, REASONS[status])
        head = "Status: %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s\n"
        try:
            self.send((head % (line, len(line) + 1, line)).encode("latin-1"))
        except ClientGone:
            pass

    def end(self):
        """Say that no more will come."""
        if self.ended:
            return
        self.ended = True
        if self.socket is None:
            os.close(self.writer)
            return
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        """Close so that the client gets all of the answer.

        Closing with unread bytes would reset the connection, so what the client
        still sends is read until it closes as well.
        """
        self.end()
        if self.socket is None:
            return
        deadline = time.monotonic() + LINGER_TIME
        try:
            while self.wait(deadline) and os.read(self.fd, CHUNK):
                pass
        except OSError:
            pass
        self.socket.close()


def read_request(connection, timeout):
    """Read one header block, strictly. What came behind it is left in the
    connection's buffer.

    Return it, without its length, or None if the client said nothing.
    """
    deadline = time.monotonic() + timeout if timeout else 0
    data = connection.receive_head(FIRST, deadline)
    if not data:
        return None  # somebody looked whether the socket is open
    while True:
        colon = data.find(b":", 0, 8)
        digits = data[:colon]
        if colon > 0 and digits.isdigit() and (colon == 1 or digits[0] != 48):
            break
        check_prefix(data[:8])
        more = connection.receive_head(FIRST, deadline)
        if not more:
            raise Refused(400, "the connection ended inside the request's header block")
        data += more
    size = int(digits)
    if size > MAX_HEADER_BYTES:
        raise Refused(400, "not an SCGI request: header block longer than %d bytes" % MAX_HEADER_BYTES)
    end = colon + 1 + size
    if len(data) <= end:
        pieces, missing = [data], end + 1 - len(data)
        while missing > 0:
            more = connection.receive_head(min(missing, CHUNK), deadline)
            if not more:
                raise Refused(400, "the connection ended inside the request's header block")
            pieces.append(more)
            missing -= len(more)
        data = b"".join(pieces)
    if data[end] != 44:
        raise Refused(400, "not an SCGI request: no comma after the header block, at byte %d" % end)
    connection.buffer = data[end + 1:]
    return data[colon + 1:end]


def check_prefix(start):
    """Refuse what can not become the length of a netstring."""
    for i, byte in enumerate(start):
        if not 48 <= byte <= 57 and not (byte == 58 and i):
            raise Refused(400, "not an SCGI request: it starts with %r%s" % (start[:i + 1], other_protocol(start)))
        if i and start[0] == 48 and byte != 58:
            raise Refused(400, "not an SCGI request: leading zero in the netstring's length")
    if len(start) > 7:
        raise Refused(400, "not an SCGI request: header block longer than %d bytes" % MAX_HEADER_BYTES)


def other_protocol(start):
    if b"A" <= start[:1] <= b"Z":
        return ": this is HTTP; check the protocol set in the web server"
    if start[:1] == b"\x16":
        return ": this may be TLS; check the protocol set in the web server"
    return ""


def cut(block):
    words = block.split(b"\0")
    if words.pop() != b"" or len(words) % 2:
        raise Refused(400, "not an SCGI request: a parameter without a value, or a value that does not end in NUL")
    names, values = words[::2], words[1::2]
    if not names or names[0] != b"CONTENT_LENGTH":
        raise Refused(400, "not an SCGI request: the first parameter is not CONTENT_LENGTH")
    if b"" in names:
        raise Refused(400, "not an SCGI request: empty parameter name")
    if not values[0].isdigit() or len(values[0]) > 18:
        raise Refused(400, "not an SCGI request: CONTENT_LENGTH is %r" % values[0])
    return list(zip(names, values))


def merge(pairs):
    """Make one parameter of several with the same name, as str.

    The protocol forbids them, but nginx before 1.23 sends a header field that
    occurs twice as two parameters.
    """
    params = {}
    for name, value in pairs:
        name, value = name.decode("latin-1"), value.decode("latin-1")
        if name not in params:
            params[name] = [value]
        elif name.startswith("HTTP_"):
            params[name].append(value)
        elif params[name] == [value] or (name == "CONTENT_LENGTH" and not value):
            pass
        elif name in SINGLE:
            raise Refused(400, "parameter %s occurs twice, with different values" % name)
        else:
            log("warning: parameter %s occurs twice, with different values; the last one counts" % name)
            params[name] = [value]
    if params.get("SCGI") != ["1"]:
        raise Refused(400, "not an SCGI request: no parameter SCGI with the value 1")
    method = params.get("REQUEST_METHOD", [""])[0]
    if not method or not TOKEN.issuperset(method) or len(method) > 32:
        raise Refused(400, "parameter REQUEST_METHOD is missing or no method")
    merged = {}
    for name, values in params.items():
        if name not in DROPPED:
            merged[name] = ("; " if name == "HTTP_COOKIE" else ", ").join(values)
    return merged


def parameters(block):
    """Return the parameters of a header block as a dict of str, each name once,
    without those that an app must not see.

    A plain request takes the short way. Whatever it does not like is for cut and
    merge to say something about, or to accept.
    """
    words = block.decode("latin-1").split("\0")
    each = iter(words)
    params = dict(zip(each, each))
    if (len(words) != 2 * len(params) + 1 or words[-1] or "" in params or words[0] != "CONTENT_LENGTH"
            or not words[1].isdecimal() or len(words[1]) > 18
            or params.pop("SCGI", "") != "1" or params.get("REQUEST_METHOD") not in METHODS):
        return merge(cut(block))
    drop = params.pop  # a call for each costs less than to look which there are
    drop("HTTP_CONNECTION", None)
    drop("HTTP_PROXY", None)
    drop("HTTP_CONTENT_LENGTH", None)
    drop("HTTP_CONTENT_TYPE", None)
    drop("HTTP_TRANSFER_ENCODING", None)
    drop("HTTP_KEEP_ALIVE", None)
    drop("PATH", None)
    drop("LD_LIBRARY_PATH", None)
    return params


def unquote(text):
    """Decode %XX of a URL path; what is not that stays as it is."""
    if "%" not in text:
        return text
    pieces = text.encode("latin-1").split(b"%")
    decoded = [pieces[0]]
    for piece in pieces[1:]:
        try:
            decoded.append(bytes((int(piece[:2], 16),)) if piece[:2].isalnum() and len(piece) > 1 else b"%" + piece[:2])
        except ValueError:
            decoded.append(b"%" + piece[:2])
        decoded.append(piece[2:])
    return b"".join(decoded).decode("latin-1")


def url_path(uri):
    """Return the path of a REQUEST_URI, decoded."""
    path = uri.partition("?")[0]
    if not path.startswith("/") and "://" in path:  # absolute form
        path = "/" + path.partition("://")[2].partition("/")[2]
    return unquote(path)


def set_paths(environ, mount):
    """Set SCRIPT_NAME and PATH_INFO so that their sum is the URL's path."""
    path = environ.get("PATH_INFO")
    if path is not None:
        script = environ.get("SCRIPT_NAME")
        if script == (mount or "") and path[:1] == "/":
            return  # as it is to be, a script at the root included
        script = script or ""
    else:
        script, path = "", url_path(environ.get("REQUEST_URI") or environ.get("SCRIPT_NAME", ""))
    if mount is not None:
        if script != mount or path[:1] != "/":
            whole = script + path
            if whole.startswith(mount) and whole[len(mount):len(mount) + 1] in ("", "/"):
                script, path = mount, whole[len(mount):]
    if script[-1:] == "/":  # "/" is no script name, and the path starts with one
        script, path = script.rstrip("/"), path if path.startswith("/") else "/" + path
    if path:
        if path[0] != "/":
            path = "/" + path
    elif not script:
        path = "/"
    environ["SCRIPT_NAME"], environ["PATH_INFO"] = script, path


def set_server(environ):
    """Set what PEP 3333 requires and web servers leave out."""
    get = environ.get
    https = get("HTTPS")
    if https is None:
        secure = get("REQUEST_SCHEME") == "https"
    else:
        secure = https.lower() in ("on", "1", "yes") or get("REQUEST_SCHEME") == "https"
        if not https:  # web servers send an empty one for none
            del environ["HTTPS"]
    if not get("SERVER_NAME") or not get("SERVER_PORT"):
        host, colon, port = environ.get("HTTP_HOST", "").rpartition(":")
        if not colon or not port.isdigit():
            host, port = environ.get("HTTP_HOST", ""), ""
        if not environ.get("SERVER_NAME"):
            environ["SERVER_NAME"] = host or environ.get("SERVER_ADDR") or "localhost"
        if not environ.get("SERVER_PORT"):
            environ["SERVER_PORT"] = port or ("443" if secure else "80")
    if "SERVER_PROTOCOL" not in environ:
        environ["SERVER_PROTOCOL"] = "HTTP/1.1"
    if "QUERY_STRING" not in environ:
        environ["QUERY_STRING"] = ""
    if "CONTENT_TYPE" in environ and not environ["CONTENT_TYPE"]:
        del environ["CONTENT_TYPE"]
    if "REMOTE_USER" in environ and not environ["REMOTE_USER"]:
        del environ["REMOTE_USER"]
    if "AUTH_TYPE" in environ and not environ["AUTH_TYPE"]:
        del environ["AUTH_TYPE"]
    if environ["CONTENT_LENGTH"] == "0" and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        del environ["CONTENT_LENGTH"]
    environ["wsgi.url_scheme"] = "https" if secure else "http"


def constants(run_once):
    """Return what is the same in the environ of each request."""
    return {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "wsgi.version": (1, 0),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": run_once,
        "wsgi.file_wrapper": FileWrapper,
    }


class Input:
    """wsgi.input: the body, CONTENT_LENGTH bytes and then the end."""

    __slots__ = ("connection", "left", "buffer", "spool")

    def __init__(self, connection, length):
        self.connection = connection
        data = connection.buffer
        if len(data) > length:
            data = data[:length]
        self.buffer = data
        self.left = length - len(data)  # bytes still on the connection
        self.spool = None  # a file with the rest of the body

    def _receive(self, size):
        """Return up to size bytes that are not in the buffer."""
        if self.spool is not None:
            return self.spool.read(size)
        if not self.left:
            return b""
        data = self.connection.receive_body(min(size, self.left, CHUNK))
        if not data:
            raise OSError("the connection ended inside the request body")
        self.left -= len(data)
        return data

    def read(self, size=-1):
        if size is None or size < 0:
            size = len(self.buffer) + self.left + (1 << 62 if self.spool else 0)
        pieces, have = [self.buffer], len(self.buffer)
        while have < size:
            data = self._receive(size - have)
            if not data:
                break
            pieces.append(data)
            have += len(data)
        whole = b"".join(pieces)
        self.buffer = whole[size:]
        return whole[:size]

    def readline(self, size=-1):
        if size is None or size < 0:
            size = 1 << 62
        pieces, have, data = [], 0, self.buffer
        while True:
            end = data.find(b"\n") + 1
            if end or have + len(data) >= size:
                take = min(end or len(data), size - have)
                pieces.append(data[:take])
                self.buffer = data[take:]
                return b"".join(pieces)
            pieces.append(data)
            have += len(data)
            data = self._receive(CHUNK)
            if not data:
                self.buffer = b""
                return b"".join(pieces)

    def readlines(self, hint=-1):
        lines, have = [], 0
        for line in self:
            lines.append(line)
            have += len(line)
            if hint is not None and 0 < hint <= have:
                break
        return lines

    def __iter__(self):
        return self

    def __next__(self):
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def take_rest(self):
        """Take the rest of the body from the connection, for later reads.

        nginx stops sending a body when it has seen the head of the answer: an
        app that reads on after that would wait for ever.
        """
        if not self.left:
            return
        import tempfile

        spool = tempfile.SpooledTemporaryFile(max_size=1 << 20)
        while self.left:
            spool.write(self._receive(CHUNK))
        spool.seek(0)
        self.spool = spool


class Nothing:
    """A connection that has nothing to read."""

    buffer = b""


NO_BODY = Input(Nothing, 0)  # of all requests that have none: it never changes


class FileWrapper:
    """wsgi.file_wrapper: a file as an iterable, sent by the kernel if it can."""

    def __init__(self, filelike, block_size=8192):
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return self

    def __next__(self):
        data = self.filelike.read(self.block_size)
        if not data:
            raise StopIteration
        return data


class Answer:
    """What an app answers: start_response, write, and sending it."""

    status = None
    lines = ""  # of the head, each with its end
    length = None  # the app's Content-Length
    sent = False  # the head
    left = None  # bytes that Content-Length still allows
    cut = False

    def __init__(self, connection, body, head_only):
        self.connection = connection
        self.body = body
        self.head_only = head_only

    def start_response(self, status, headers, exc_info=None):
        if exc_info:
            try:
                if self.sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a cycle of references otherwise
        elif self.status is not None:
            raise AssertionError("start_response called a second time without exc_info")
        if type(status) is not str or status not in good_statuses:
            check_status(status)
        if type(headers) is not list:
            raise TypeError("headers must be a list, not %r" % type(headers))
        lines, length = f"Status: {status}\r\n", None
        for field in headers:
            if type(field) is not tuple or len(field) != 2:
                raise TypeError("a header must be a tuple of name and value, not %r" % (field,))
            name, value = field
            is_length = good_names.get(name)
            if (is_length is None or type(name) is not str or type(value) is not str
                    or not value.isascii() or not value.isprintable()):
                is_length = check_field(name, value)
            if is_length:
                if not value.isdecimal() or length not in (None, value):
                    raise ValueError("bad Content-Length: %r" % value)
                length = value
            lines += f"{name}: {value}\r\n"
        self.status, self.lines, self.length = status, lines, length
        return self.write

    def write(self, data):
        """The callable that start_response returns."""
        if not isinstance(data, bytes):
            raise TypeError("write() takes bytes, not %r" % type(data))
        if data:
            self.body.take_rest()
            self.send(data)

    def begin(self):
        """Return the head, to be sent in front of what follows."""
        if self.sent:
            return b""
        if self.status is None:
            raise AssertionError("the app did not call start_response before its first bytes")
        self.sent = True
        if self.length is not None:
            self.left = int(self.length)
        return (self.lines + "\r\n").encode("latin-1")

    def bodiless(self):
        return self.head_only or good_statuses.get(self.status, False)

    def clip(self, data):
        """Cut what is more than Content-Length says: the web server would take it
        for the start of another answer, or drop it."""
        if self.left is None:
            return data
        if len(data) > self.left and not self.cut:
            self.cut = True
            log("warning: the body is longer than the app's Content-Length; the rest is cut")
        data = data[:self.left]
        self.left -= len(data)
        return data

    def send(self, data):
        """Send bytes, and the head before the first ones."""
        head = self.begin()
        data = b"" if self.bodiless() else self.clip(data)
        if head:
            self.connection.send_both(head, data)
        elif data:
            self.connection.send(data)

    def send_all(self, result):
        """Send what the app returned."""
        if isinstance(result, (list, tuple)):
            self.send_list(result)
            return
        if isinstance(result, FileWrapper) and self.send_wrapped(result):
            return
        for chunk in result:
            if not isinstance(chunk, bytes):
                raise TypeError("the app must return bytes, not %r" % type(chunk))
            if chunk:
                self.body.take_rest()
                self.send(chunk)
        if not self.sent:
            self.send(b"")
        self.warn_short()

    def send_list(self, chunks):
        for chunk in chunks:
            if not isinstance(chunk, bytes):
                raise TypeError("the app must return bytes, not %r" % type(chunk))
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        # A status that start_response has taken may have been forgotten by now.
        if self.status is None or self.sent or self.head_only or good_statuses.get(self.status):
            self.send(data)
            return
        if self.length is None:
            head = f"{self.lines}Content-Length: {len(data)}\r\n\r\n"
        elif int(self.length) != len(data):
            self.send(data)
            self.warn_short()
            return
        else:
            head = self.lines + "\r\n"
        self.sent = True
        self.connection.send_both(head.encode("latin-1"), data)

    def warn_short(self):
        if self.left and not self.bodiless():
            log("warning: the body is %d bytes shorter than the app's Content-Length" % self.left)

    def send_wrapped(self, wrapper):
        """Send a file. Return False if the kernel can not do it."""
        try:
            fd, offset = wrapper.filelike.fileno(), wrapper.filelike.tell()
            size = os.fstat(fd).st_size
            regular = os.fstat(fd).st_mode & 0o170000 == 0o100000
        except (AttributeError, OSError, ValueError):
            return False
        if self.status is None or not regular or self.connection.socket is None or not hasattr(os, "sendfile"):
            return False
        count = max(size - offset, 0)
        if not self.sent and self.length is None and not self.bodiless():
            self.lines += "Content-Length: %d\r\n" % count
        head = self.begin()
        if head:
            self.connection.send(head)
        if not self.bodiless():
            count = count if self.left is None else min(count, self.left)
            sent = self.connection.send_file(fd, offset, count)
            if self.left is not None:
                self.left -= sent
        self.warn_short()
        return True


# What has been found good: statuses, with whether an answer of that kind has no
# body, and names of fields, with whether it is Content-Length. An app has few.
good_statuses = {}
good_names = {}


def check_status(status):
    if type(status) is not str:
        raise TypeError("status must be str, not %r" % type(status))
    digits, reason = status[:3], status[3:]
    if not (digits.isascii() and digits.isdigit()) or not 200 <= int(digits) <= 599 or (reason and reason[0] != " ") or not clean(reason):
        raise ValueError("bad status %r: want three digits from 200 to 599, a space, and a reason" % status)
    if len(good_statuses) >= REMEMBERED:
        good_statuses.clear()
    good_statuses[status] = digits in ("204", "304")


def check_field(name, value):
    """Return whether it is Content-Length, if it is good."""
    if type(name) is not str or type(value) is not str:
        raise TypeError("name and value of a header must be str: %r" % ((name, value),))
    if not name or not TOKEN.issuperset(name):
        raise ValueError("bad header name %r" % name)
    if name.lower() in FORBIDDEN_FIELDS:
        raise ValueError("header %s is not the app's to send" % name)
    if not clean(value):
        raise ValueError("control character, or one that is not in Latin-1, in header %s: %r" % (name, value))
    if len(good_names) >= REMEMBERED:
        good_names.clear()
    is_length = good_names[name] = name.lower() == "content-length"
    return is_length


def clean(text):
    """Return whether text can be in one line of a head."""
    return all(" " <= c <= "\xff" and c != "\x7f" or c == "\t" for c in text)


class Settings:
    """The arguments, NAME=VALUE."""

    def __init__(self, arguments):
        self.app = ""
        self.mount = None
        self.path = []
        self.header_timeout = 10.0
        self.timeout = 60.0
        self.max_body = 1 << 30
        # Those of the forms that keep running.
        self.style = "once"
        self.log = ""  # path of the log, if it is a file of ours
        self.workers = 1
        self.max_requests = 0  # of a worker; 0 is no limit
        self.max = 64  # children at a time
        self.stop_limit = 30.0
        self.reload = 1
        self.warm = ""  # URL path of a request to ourselves
        self.listen = []  # descriptors
        self.remove = []  # paths of sockets
        for argument in arguments:
            name, _, value = argument.partition("=")
            if name in ("path", "remove"):
                getattr(self, name).append(value)
            elif name == "listen":
                self.listen.append(int(value))
            else:
                default = getattr(self, name)
                setattr(self, name, value if default is None else type(default)(value))
        if self.mount is not None:
            self.mount = self.mount.rstrip("/")


def load(settings):
    """Import the app and return the callable."""
    sys.path[:0] = settings.path or [os.getcwd()]
    sys.argv = ["scgi-run"]
    module, _, name = settings.app.partition(":")
    __import__(module)  # which also puts it in sys.modules under its own name
    app = sys.modules[module]
    for part in (name or "application").split("."):
        app = getattr(app, part)
    if not callable(app):
        raise TypeError("%s is not callable" % settings.app)
    return app


last_alarm = 0.0


def alive(timeout):
    """Note that something has moved: the clock starts again."""
    global last_alarm
    now = time.monotonic()
    # Not for each byte: the timers are system calls, and one a thread.
    if now - last_alarm > min(1.0, timeout / 10):
        last_alarm = now
        signal.setitimer(signal.ITIMER_REAL, timeout)
        # The signal's handler waits for a function in C to return, and a slow
        # database query is one. This does not.
        try:
            import faulthandler

            faulthandler.dump_traceback_later(timeout + LINGER_TIME, exit=True)
        except (ImportError, RuntimeError, OSError, ValueError):
            pass


def watch(connection, settings):
    """End everything when nothing moves for too long."""

    def on_alarm(_number, frame):
        give_up(connection, settings, frame)

    signal.signal(signal.SIGALRM, on_alarm)
    alive(settings.timeout)


def give_up(connection, settings, frame):
    """End the process of an app that does not move, which is at frame."""
    import traceback

    log("no progress for %gs: the app is ended" % settings.timeout)
    write_log("".join("    " + line + "\n" for line in "".join(traceback.format_stack(frame)).rstrip().split("\n")))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection.timeout = LINGER_TIME
    connection.refuse(504)
    connection.close()
    end_children()
    os._exit(1)


def end_children():
    """End what the app has started, which is in our process group."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except OSError:
        return  # no children
    if os.getpgrp() != os.getpid():
        return  # the group is not ours
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + LINGER_TIME
    try:
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                select.select([], [], [], 0.02)
    except OSError:
        return  # the last one has ended
    os.killpg(0, signal.SIGKILL)


def take_connection():
    """Move the connection from the descriptors that an app may use: print()
    must not reach the client."""
    fd = os.dup(0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    return fd


def protect_output():
    # Before the descriptor is another one: a file has a position, a pipe has none.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    os.dup2(2, 1)


def serve(connection, settings, app=None):
    """Serve one request, in a process for it. Return the exit code.

    The app is loaded when the request has been read, unless it is given.
    """
    block = read_request(connection, settings.header_timeout)
    if block is None:
        return 0
    environ, body = prepare(connection, settings, block, constants(True))
    watch(connection, settings)
    call(connection, app or load(settings), environ, body)
    return 0


def prepare(connection, settings, block, fixed):
    """Return environ and body of a request."""
    environ = parameters(block)
    length = int(environ["CONTENT_LENGTH"])
    if length > settings.max_body:
        raise Refused(413, "request body of %d bytes, the limit is %d" % (length, settings.max_body))
    set_paths(environ, settings.mount)
    set_server(environ)
    environ.update(fixed)
    body = environ["wsgi.input"] = Input(connection, length) if length else NO_BODY
    return environ, body


def call(connection, app, environ, body):
    """Call the app and send what it answers."""
    answer = Answer(connection, body, environ["REQUEST_METHOD"] == "HEAD")
    result = app(environ, answer.start_response)
    if type(result) is list:
        answer.send_list(result)
        connection.end()
        return
    try:
        answer.send_all(result)
        connection.end()
    finally:
        if hasattr(result, "close"):
            result.close()


def failed(connection, error):
    """Log the exception that is being handled, and answer. Return the exit code."""
    if isinstance(error, Refused):
        log("%s (answered %d)" % (error, error.status))
        connection.refuse(error.status)
        return 1
    if isinstance(error, ClientGone):
        log("the client closed the connection before the answer was complete")
        return 0
    if isinstance(error, SystemExit):
        log("the app called sys.exit(%r)" % (error.code,))
    elif connection.begun:
        log_exception("exception after the head of the answer was sent; the answer is cut short")
    else:
        log_exception("exception (answered 500)")
    connection.refuse(500)
    return 1


def main(arguments):
    fd = take_connection()
    settings = Settings(arguments)
    connection = Connection(fd, settings.timeout)
    protect_output()
    try:
        os.setpgid(0, 0)
    except OSError:
        pass  # the leader of a session, and so of its group
    try:
        code = serve(connection, settings)
    except BaseException as error:
        code = failed(connection, error)
    connection.close()
    return code
