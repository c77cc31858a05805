#!/usr/bin/env python3
"""Serves a WSGI application over SCGI: resident, one thread a request.

    serve.py HOST:PORT MODULE:CALLABLE

Standard library only. The web server balances several of these.

Protocol: https://python.ca/scgi/protocol.txt; interface: PEP 3333.
"""

import importlib
import io
import os
import signal
import socketserver
import sys
import threading
from wsgiref.handlers import BaseCGIHandler

MAX_HEADER = 64 * 1024
MAX_BODY = 1024 * 1024  # as http.max_body in scgikit.yaml


class BadRequest(Exception):
    """The request is not SCGI, or larger than this program takes."""


def read_header(stream):
    """Read the header block of one request as a dictionary."""
    digits = b""
    while (char := stream.read(1)) != b":":
        if not char.isdigit() or len(digits) == 6:
            raise BadRequest("no netstring length")
        digits += char
    size = int(digits or b"0")
    if size > MAX_HEADER:
        raise BadRequest("header of %d bytes" % size)
    block = stream.read(size + 1)
    if len(block) != size + 1 or not block.endswith(b"\0,"):
        raise BadRequest("header block is cut or has no end")
    # WSGI strings hold bytes as Latin-1 characters.
    parts = block[:-2].decode("latin-1").split("\0")
    return dict(zip(parts[::2], parts[1::2]))


def read_body(stream, environ):
    """Read the whole body, so that the application sees an end of file."""
    length = environ.get("CONTENT_LENGTH", "")
    if not length.isdigit() or int(length) > MAX_BODY:
        raise BadRequest("body of %r bytes" % length)
    body = stream.read(int(length))
    if len(body) != int(length):
        raise BadRequest("body is cut")
    return io.BytesIO(body)


class Gateway(BaseCGIHandler):
    """Runs the application for one request, and writes one line about it."""

    def close(self):
        print(self.environ.get("REQUEST_METHOD"), ascii(self.environ.get("REQUEST_URI")), self.status, file=sys.stderr)
        super().close()


class Handler(socketserver.StreamRequestHandler):
    """One connection carries one request."""

    timeout = 10

    def handle(self):
        try:
            environ = read_header(self.rfile)
            body = read_body(self.rfile, environ)
        except (BadRequest, OSError) as problem:
            print("bad request:", problem, file=sys.stderr)
            return
        environ.setdefault("PATH_INFO", "")
        gateway = Gateway(body, self.wfile, sys.stderr, environ, multithread=True, multiprocess=True)
        gateway.run(self.server.application)


class Server(socketserver.ThreadingTCPServer):
    """Listens on one address."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address, application):
        self.application = application
        super().__init__(address, Handler)


def main():
    if len(sys.argv) != 3 or ":" not in sys.argv[1] or ":" not in sys.argv[2]:
        sys.exit("usage: serve.py HOST:PORT MODULE:CALLABLE")
    host, _, port = sys.argv[1].rpartition(":")
    module, _, name = sys.argv[2].partition(":")
    sys.path.insert(0, os.getcwd())
    application = getattr(importlib.import_module(module), name)
    with Server((host, int(port)), application) as server:

        def stop(*_):
            # shutdown waits for the loop that this signal interrupts, so it
            # needs a thread of its own.
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        print("serving %s on %s" % (sys.argv[2], sys.argv[1]), file=sys.stderr)
        server.serve_forever()


if __name__ == "__main__":
    main()
