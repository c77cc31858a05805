#!/bin/sh
# The smallest CGI program: a head, an empty line, a body.
echo 'Status: 200 OK'
echo 'Content-Type: text/plain'
echo
echo "Hello from $SCRIPT_NAME."
