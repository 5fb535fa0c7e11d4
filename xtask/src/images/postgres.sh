#!/bin/sh
# Starts PostgreSQL as the public image does: POSTGRES_PASSWORD, POSTGRES_USER, POSTGRES_DB, POSTGRES_HOST_AUTH_METHOD,
# POSTGRES_INITDB_ARGS, PGDATA, the files in /docker-entrypoint-initdb.d; arguments are the server's.
#
# As there, a new server is started twice: first for its own machine alone, with its log on standard output, to be set
# up; then for everybody, with its log on standard error. Whoever waits for a server looks for the line on both.
#
# The public image runs initdb at each start. Here that was done once, when the image was built, and a start copies what
# came of it, unless the variables ask for another one.
set -e

case "$1" in '' | -*) set -- postgres "$@" ;; esac
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres "$PGDATA"
    exec /usr/bin/setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

# A name or a text inside quotes, which are given first.
quoted() { printf '%s' "$1"; printf '%s' "$2" | sed "s/$1/$1$1/g"; printf '%s' "$1"; }

# Every step of the setting up, in the database of the user's.
sql() { psql --quiet --no-psqlrc --no-password --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$@"; }

files() {
    if [ -n "$POSTGRES_INITDB_ARGS" ]; then
        # Words of a command line.
        eval "initdb --pgdata \"\$PGDATA\" --no-sync --auth-local trust --username postgres $POSTGRES_INITDB_ARGS"
        echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    else
        cp -a /var/lib/postgresql/prepared/. "$PGDATA"
        # The image has once what the new databases have in common.
        for base in "$PGDATA"/base/[2-9]*; do cp -an "$PGDATA"/base/1/* "$base"; done
    fi
    chmod 700 "$PGDATA"
    echo "host all all all $method" >>"$PGDATA/pg_hba.conf"
}

# The first user has the name that was asked for. A session cannot rename its own user, so another one does.
first_user() {
    [ "$POSTGRES_USER" = postgres ] || {
        psql --quiet --username postgres --command 'CREATE ROLE "renames it" SUPERUSER LOGIN'
        psql --quiet --username 'renames it' --dbname postgres --command \
            "ALTER ROLE postgres RENAME TO $(quoted '"' "$POSTGRES_USER")"
        sql postgres --command 'DROP ROLE "renames it"'
    }
    {
        [ -z "$POSTGRES_PASSWORD" ] ||
            echo "ALTER ROLE $(quoted '"' "$POSTGRES_USER") PASSWORD $(quoted "'" "$POSTGRES_PASSWORD");"
        [ "$POSTGRES_DB" = postgres ] || echo "CREATE DATABASE $(quoted '"' "$POSTGRES_DB");"
    } | sql postgres
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
        echo "error: set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust" >&2
        exit 1
    fi
    export POSTGRES_USER="${POSTGRES_USER:-postgres}"
    export POSTGRES_DB="${POSTGRES_DB:-$POSTGRES_USER}"
    files
    # Nothing is lost when the machine goes down now, but what is made again at the next start.
    "$@" -c listen_addresses= -c fsync=off 2>&1 &
    server=$!
    until pg_isready --quiet --username postgres; do
        kill -0 "$server" 2>/dev/null || exit 1
        sleep 0.02
    done
    first_user
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
            *.sql) sql "$POSTGRES_DB" --file "$file" ;;
            *.sql.gz) gunzip -c "$file" | sql "$POSTGRES_DB" ;;
            *.sql.xz) xzcat "$file" | sql "$POSTGRES_DB" ;;
        esac
    done
    kill -INT "$server"
    wait "$server"
fi

exec "$@"
