#!/bin/sh
# Starts Redis as the public image does: arguments are the server's, or a command of their own.
set -e

case "$1" in '' | -*) set -- redis-server "$@" ;; esac
# Without it the server refuses everybody who does not come from the container itself.
[ "$1" != redis-server ] || set -- "$@" --protected-mode no

exec "$@"
