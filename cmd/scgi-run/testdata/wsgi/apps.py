"""WSGI apps for the tests, each with its own way to be right or wrong."""

import io
import os
import sys
import time
from wsgiref.validate import validator

TEXT = [("Content-Type", "text/plain")]


def hello(environ, start_response):
    """The hello world of PEP 3333."""
    start_response("200 OK", TEXT[:])
    return [b"Hello world!\n"]


valid = validator(hello)


@validator
def valid_echo(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", TEXT + [("Content-Length", str(len(body)))])
    return [body]


@validator
def valid_error(environ, start_response):
    write = start_response("404 Not Found", TEXT[:])
    write(b"writ")
    return [b"ten"]


def show(environ, start_response):
    """The environ, one name a line, and where the app runs."""
    start_response("200 OK", TEXT[:])
    lines = ["%s=%r" % (name, value) for name, value in sorted(environ.items()) if not name.startswith("wsgi.")]
    for name in ("version", "url_scheme", "multithread", "multiprocess", "run_once", "input_terminated"):
        lines.append("%s=%r" % (name, environ["wsgi." + name]))
    lines.append("os.environ=%r" % sorted(set(os.environ) - {"LC_CTYPE"}))
    lines.append("sys.argv=%r" % sys.argv)
    return ["\n".join(lines).encode("latin-1")]


def setting(environ, start_response):
    """What the app finds itself in."""
    import resource

    start_response("200 OK", TEXT[:])
    mask = os.umask(0)
    lines = ["umask %04o" % mask, "nice %d" % os.nice(0), "in %s" % os.getcwd()]
    for name, number in (("core", resource.RLIMIT_CORE), ("cpu", resource.RLIMIT_CPU), ("nofile", resource.RLIMIT_NOFILE),
                         ("nproc", resource.RLIMIT_NPROC), ("memory", resource.RLIMIT_AS)):
        lines.append("%s %d %d" % (name, *resource.getrlimit(number)))
    return ["\n".join(lines).encode() + b"\n"]


def noisy(environ, start_response):
    print("printed")
    sys.stderr.write("on stderr\n")
    environ["wsgi.errors"].write("on wsgi.errors\n")
    os.system("echo from a child; cat; echo and more >&2")
    start_response("200 OK", TEXT[:])
    return [b"clean"]


class Body:
    """An iterable that says when it was closed."""

    def __init__(self, chunks):
        self.chunks = iter(chunks)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.chunks)

    def close(self):
        sys.stderr.write("closed\n")


def closing(environ, start_response):
    start_response("200 OK", TEXT[:])
    return Body([b"", b"a", b"", b"b"])


def generator(environ, start_response):
    start_response("200 OK", TEXT[:])
    yield b""
    yield b"one "
    yield b"two"


def late_start(environ, start_response):
    """start_response is called when the first bytes are asked for."""
    yield b""
    start_response("200 OK", TEXT[:])
    yield b"late"


def empty(environ, start_response):
    start_response("204 No Content", [])
    return []


def writer(environ, start_response):
    write = start_response("200 OK", TEXT[:])
    write(b"writ")
    write(b"ten ")
    return [b"and returned"]


def raises(environ, start_response):
    raise RuntimeError("no luck today: /etc/secret")


def raises_after_start(environ, start_response):
    start_response("200 OK", TEXT[:])
    raise RuntimeError("no luck today")


def raises_after_head(environ, start_response):
    start_response("200 OK", TEXT[:])
    yield b"begun"
    raise RuntimeError("no luck today")


def raises_in_close(environ, start_response):
    start_response("200 OK", TEXT[:])

    class Closing(Body):
        def close(self):
            raise RuntimeError("no luck in close")

    return Closing([b"whole"])


def replaces(environ, start_response):
    """An error page instead of a head that was not sent yet."""
    start_response("200 OK", TEXT[:])
    try:
        raise ValueError("replaced")
    except ValueError:
        start_response("503 Service Unavailable", TEXT[:], sys.exc_info())
    return [b"sorry"]


def replaces_too_late(environ, start_response):
    start_response("200 OK", TEXT[:])
    yield b"begun"
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("500 Oops", TEXT[:], sys.exc_info())
    yield b"never"


def starts_twice(environ, start_response):
    start_response("200 OK", TEXT[:])
    start_response("200 OK", TEXT[:])
    return []


def never_starts(environ, start_response):
    return [b"bytes"]


def returns_text(environ, start_response):
    start_response("200 OK", TEXT[:])
    return ["text"]


def returns_none(environ, start_response):
    start_response("200 OK", TEXT[:])


def exits(environ, start_response):
    sys.exit(3)


def bad(environ, start_response):
    """A head that is named by the query string."""
    status, headers = {
        "interim": ("100 Continue", []),
        "digits": ("20 OK", []),
        "banana": ("banana", []),
        "bytes": (b"200 OK", []),
        "reason": ("200 OK\r\nX: y", []),
        "split": ("200 OK", [("X", "y\r\nZ: w")]),
        "nul": ("200 OK", [("X", "\0")]),
        "wide": ("200 OK", [("X", "\u20ac")]),
        "name": ("200 OK", [("X Y", "z")]),
        "colon": ("200 OK", [("X:", "z")]),
        "hop": ("200 OK", [("Transfer-Encoding", "chunked")]),
        "status": ("200 OK", [("Status", "404")]),
        "tuple": ("200 OK", (("X", "y"),)),
        "number": ("200 OK", [("X", 1)]),
        "length": ("200 OK", [("Content-Length", "many")]),
    }[environ["QUERY_STRING"]]
    start_response(status, headers)
    return [b"body"]


def process(environ, start_response):
    """What the list of processes shows, and what the descriptors lead to."""
    start_response("200 OK", TEXT)
    lines = [open("/proc/self/cmdline").read().replace("\0", " ")]
    for fd in os.listdir("/proc/self/fd"):
        try:
            lines.append(os.readlink("/proc/self/fd/" + fd))
        except FileNotFoundError:  # the one of listdir itself
            pass
    return ["\n".join(lines).encode()]


def latin(environ, start_response):
    start_response("200 OK", [("X", "\xfc")])
    return [b""]


def lengths(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "4")])
    return [environ["QUERY_STRING"].encode()]


def reads(environ, start_response):
    """Reads the body in the way that the query string names."""
    body = environ["wsgi.input"]
    how = {
        "part": lambda: [body.read(3)],
        "all": lambda: [body.read()],
        "pieces": lambda: [body.read(2), b"|", body.read(1000), b"|", body.read(), b"|", body.read(5)],
        "zero": lambda: [body.read(0), b"|", body.read()],
        "none": lambda: [body.read(None)],
        "line": lambda: [body.readline(), b"|", body.readline(2), b"|", body.readline(None), b"|", body.readline()],
        "lines": lambda: [b"|".join(body.readlines())],
        "hint": lambda: [b"|".join(body.readlines(1)), b"!", body.read()],
        "for": lambda: [b"|".join(body)],
        "mixed": lambda: [body.readline(), b"|", body.read(1), b"|", body.readline(), b"|", body.read()],
        "nothing": lambda: [b"ignored"],
    }[environ["QUERY_STRING"]]
    start_response("200 OK", TEXT[:])
    return how()


def reads_late(environ, start_response):
    """Answers first, then reads a large body."""
    start_response("200 OK", TEXT[:])
    yield b"x" * 1000000
    yield b" read %d" % len(environ["wsgi.input"].read())


def wraps(environ, start_response):
    """A file of a megabyte, from its 5th byte on."""
    name = os.path.join(os.environ["TMPDIR"], "file")
    with open(name, "wb") as f:
        f.write(b"0123" + b"f" * 1000000)
    f = open(name, "rb")
    f.seek(4)
    headers = TEXT[:]
    if environ["QUERY_STRING"]:
        headers.append(("Content-Length", environ["QUERY_STRING"]))
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](f, 8192)


def wraps_no_file(environ, start_response):
    start_response("200 OK", TEXT[:])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"not a file on disk"))


def large(environ, start_response):
    start_response("200 OK", TEXT[:])
    while True:
        yield b"z" * 65536


def sleeps(environ, start_response):
    pid = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "1000")
    with open(os.path.join(os.environ["TMPDIR"], "pid"), "w") as f:
        f.write("%d\n" % pid)
    time.sleep(1000)


def spins(environ, start_response):
    while True:
        pass


def sleeps_after_head(environ, start_response):
    start_response("200 OK", TEXT[:])
    yield b"begun"
    time.sleep(1000)


class Nested:
    app = staticmethod(hello)


not_callable = 5
