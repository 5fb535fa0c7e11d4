#!/bin/sh
# Starts Redis as the public image does: arguments are the server's, or a command of their own.
set -e

case "$1" in '' | -* | *.conf) set -- redis-server "$@" ;; esac
# Without it the server refuses everybody who does not come from the container itself.
[ "$1" != redis-server ] || set -- "$@" --protected-mode no

if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    chown -R redis .
    exec /usr/bin/setpriv --reuid=redis --regid=redis --init-groups "$@"
fi
exec "$@"
