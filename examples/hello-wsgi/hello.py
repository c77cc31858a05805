"""The smallest WSGI application.

Interface: PEP 3333, https://peps.python.org/pep-3333/
"""


def application(environ, start_response):
    """Greet, and say which path was asked for."""
    text = "Hello, WSGI!\nSCRIPT_NAME=%s\nPATH_INFO=%s\n" % (
        environ.get("SCRIPT_NAME", ""),
        environ.get("PATH_INFO", ""),
    )
    # WSGI strings hold bytes as Latin-1 characters; what goes out is the same bytes.
    body = text.encode("latin-1")
    start_response(
        "200 OK",
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]
