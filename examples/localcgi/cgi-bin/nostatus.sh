#!/bin/sh
# A script that leaves the Status line out, as many old ones do. The bridge
# adds it, because Apache needs one.
echo 'Content-Type: text/plain'
echo
echo 'No Status line was written by this script.'
