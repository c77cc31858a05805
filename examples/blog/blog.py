#!/usr/bin/env python3
"""A blog in one file: a resident SCGI server, standard library only.

    blog.py HOST:PORT

Posts are text files under posts/: the first line is the title. Comments are
kept in memory. Every request writes one line to stderr, for the logger.

Protocol: https://python.ca/scgi/protocol.txt
"""

import html
import pathlib
import signal
import socketserver
import sys
import threading
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
MAX_HEADER = 64 * 1024
MAX_BODY = 64 * 1024


class BadRequest(Exception):
    """The request is not SCGI, or larger than this program takes."""


def read_request(stream):
    """Read one SCGI request: (variables, body)."""
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
    parts = block[:-2].decode("utf-8", "replace").split("\0")
    variables = dict(zip(parts[::2], parts[1::2]))
    length = variables.get("CONTENT_LENGTH", "")
    if not length.isdigit():
        raise BadRequest("no CONTENT_LENGTH")
    if int(length) > MAX_BODY:
        raise BadRequest("body of %s bytes" % length)
    body = stream.read(int(length))
    if len(body) != int(length):
        raise BadRequest("body is cut")
    return variables, body


def page(title, *lines):
    """An HTML page; the lines are HTML already."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><meta charset="utf-8">',
            "<title>%s</title>" % html.escape(title),
            '<link rel="stylesheet" href="{mount}/static/blog.css">',
            "<h1>%s</h1>" % html.escape(title),
            *lines,
            "",
        ]
    )


class Blog:
    """Posts from disk, comments in memory."""

    def __init__(self):
        self.comments = []

    def answer(self, variables, body):
        """Return (status, headers, text) for one request."""
        method = variables.get("REQUEST_METHOD", "GET")
        path = variables.get("PATH_INFO", "")
        if path == "/comment" and method == "POST":
            return self.comment(body)
        if method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", [("Allow", "GET, HEAD")], page("Not here")
        if path in ("", "/"):
            return "200 OK", [], self.index()
        if path == "/env":
            return "200 OK", [], self.environment(variables)
        return self.post(path.removeprefix("/"))

    def index(self):
        posts = sorted((HERE / "posts").glob("*.txt"))
        links = [
            '<li><a href="{mount}/%s">%s</a>'
            % (post.stem, html.escape(post.read_text("utf-8").partition("\n")[0]))
            for post in posts
        ]
        said = ["<li>%s" % html.escape(comment) for comment in self.comments]
        form = '<form method="post" action="{mount}/comment"><input name="text"> <button>Say it</button></form>'
        return page("Blog", "<ul>", *links, "</ul><h2>Comments</h2><ul>", *said, "</ul>", form)

    def post(self, name):
        file = HERE / "posts" / (name + ".txt")
        if "/" in name or name.startswith(".") or not file.is_file():
            return "404 Not Found", [], page("No such post", '<p><a href="{mount}/">All posts</a>')
        title, _, text = file.read_text("utf-8").partition("\n")
        paragraphs = ["<p>%s" % html.escape(p) for p in text.strip().split("\n\n")]
        return "200 OK", [], page(title, *paragraphs)

    def comment(self, body):
        form = urllib.parse.parse_qs(body.decode("utf-8", "replace"))
        self.comments += [text[:200] for text in form.get("text", [])]
        del self.comments[:-20]
        # A relative Location: the browser resolves it, and every web server
        # must pass it on as it is.
        return "302 Found", [("Location", "./")], ""

    @staticmethod
    def environment(variables):
        rows = ["%s=%s" % item for item in sorted(variables.items())]
        return page("What the web server sent", "<pre>%s</pre>" % html.escape("\n".join(rows)))


class Handler(socketserver.StreamRequestHandler):
    """One connection carries one request."""

    timeout = 10

    def handle(self):
        try:
            variables, body = read_request(self.rfile)
        except (BadRequest, OSError) as problem:
            print("bad request:", problem, file=sys.stderr, flush=True)
            return
        status, headers, text = self.server.blog.answer(variables, body)
        mount = html.escape(urllib.parse.quote(variables.get("SCRIPT_NAME", "")))
        data = text.replace("{mount}", mount).encode()
        lines = ["Status: " + status, "Content-Type: text/html; charset=utf-8"]
        lines += ["%s: %s" % header for header in headers]
        lines += ["Content-Length: %d" % len(data), "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        if variables.get("REQUEST_METHOD") == "HEAD":
            data = b""
        self.wfile.write(head + data)
        print(
            ascii(variables.get("REMOTE_ADDR", "-")),
            variables.get("REQUEST_METHOD", "-"),
            ascii(variables.get("REQUEST_URI", "-")),
            status,
            file=sys.stderr,
            flush=True,
        )


class Server(socketserver.ThreadingTCPServer):
    """Listens on one address; a thread for each connection."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address):
        self.blog = Blog()
        super().__init__(address, Handler)


def stop_on_signals(server):
    """Let SIGTERM and SIGINT end the server after the requests it is serving."""

    def stop(*_):
        # shutdown waits for the loop that this signal interrupts, so it needs
        # a thread of its own.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def main():
    if len(sys.argv) != 2 or ":" not in sys.argv[1]:
        sys.exit("usage: blog.py HOST:PORT")
    host, _, port = sys.argv[1].rpartition(":")
    with Server((host, int(port))) as server:
        stop_on_signals(server)
        print("blog: listening on %s:%s" % (host, port), file=sys.stderr, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
