#!/usr/bin/env python3
"""Shows the environment that a CGI program gets, sorted, one name a line."""

import os

print("Status: 200 OK")
print("Content-Type: text/plain; charset=utf-8")
print()
for name, value in sorted(os.environ.items()):
    print("%s=%s" % (name, ascii(value)[1:-1]))
