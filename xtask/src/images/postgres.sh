#!/bin/sh
# Starts PostgreSQL as the public image does, as far as tests use it: POSTGRES_PASSWORD, POSTGRES_USER,
# POSTGRES_DB, POSTGRES_HOST_AUTH_METHOD, PGDATA; arguments are the server's.
#
# The public image runs initdb at each start. Here that was done once, when the image was built, and a
# start copies what came of it: 0.2 s instead of 2 to 6 s, by the engine's file system.
set -e

case "$1" in '' | -*) set -- postgres "$@" ;; esac
[ "$1" = postgres ] || exec "$@"

# A name or a text inside quotes, which are given first.
quoted() { printf '%s' "$1"; printf '%s' "$2" | sed "s/$1/$1$1/g"; printf '%s' "$1"; }

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
        echo "error: set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust" >&2
        exit 1
    fi
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    mkdir -p "$PGDATA"
    cp -a /var/lib/postgresql/prepared/. "$PGDATA"
    # The image has once what the new databases have in common.
    for base in "$PGDATA"/base/[2-9]*; do cp -an "$PGDATA"/base/1/* "$base"; done
    chmod 700 "$PGDATA"
    echo "host all all all $method" >>"$PGDATA/pg_hba.conf"
    {
        [ "$user" = postgres ] || echo "CREATE ROLE $(quoted '"' "$user") SUPERUSER LOGIN"
        [ -z "$POSTGRES_PASSWORD" ] ||
            echo "ALTER ROLE $(quoted '"' "$user") PASSWORD $(quoted "'" "$POSTGRES_PASSWORD")"
        [ "$database" = postgres ] ||
            echo "CREATE DATABASE $(quoted '"' "$database") OWNER $(quoted '"' "$user")"
    } | postgres --single -D "$PGDATA" -c fsync=off -c log_checkpoints=off postgres >/dev/null
fi

exec "$@"
