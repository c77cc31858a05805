#!/usr/bin/env python3
"""Counts the bytes of a request body, read to its end."""

import os
import sys

if os.environ.get("REQUEST_METHOD") != "POST":
    print("Status: 405 Method Not Allowed")
    print("Allow: POST")
    print("Content-Type: text/plain")
    print()
    print("Send something with POST.")
    sys.exit()

size = len(sys.stdin.buffer.read())
print("Status: 200 OK")
print("Content-Type: text/plain")
print()
print("%d bytes" % size)
