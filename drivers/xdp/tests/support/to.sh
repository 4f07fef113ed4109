#!/bin/sh
# to.sh REDIRECTION COMMAND...: runs a command with its standard output elsewhere.
redirection=$1
shift
eval 'exec "$@" '"$redirection"
