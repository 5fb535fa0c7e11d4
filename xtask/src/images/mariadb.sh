#!/bin/sh
# Starts MariaDB as the public image does: MARIADB_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD, MARIADB_ROOT_HOST,
# MARIADB_DATABASE, MARIADB_USER, MARIADB_PASSWORD, the same with MYSQL_, the files in /docker-entrypoint-initdb.d;
# arguments are the server's.
#
# As there, a new server is started twice: first for its own machine alone, to be set up ("port: 0"), then for everybody
# ("port: 3306"). Its first files were made when the image was built.
set -e

case "$1" in '' | -*) set -- mariadbd "$@" ;; mysqld) shift && set -- mariadbd "$@" ;; esac
[ "$1" = mariadbd ] || exec "$@"

data=/var/lib/mysql
if [ "$(id -u)" = 0 ]; then
    chown -R mysql "$data"
    exec /usr/bin/setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi

# A name or a text inside quotes, which are given first.
quoted() { printf '%s' "$1"; printf '%s' "$2" | sed "s/$1/$1$1/g"; printf '%s' "$1"; }
user() { printf '%s@%s' "$(quoted "'" "$1")" "$(quoted "'" "$2")"; }
sql() { mariadb --user=root --password="$password" --protocol=socket "$@"; }

if [ ! -d "$data/mysql" ]; then
    for name in ROOT_PASSWORD ALLOW_EMPTY_ROOT_PASSWORD ROOT_HOST DATABASE USER PASSWORD; do
        eval "export MARIADB_$name=\"\${MARIADB_$name:-\$MYSQL_$name}\""
    done
    if [ -z "$MARIADB_ROOT_PASSWORD$MARIADB_ALLOW_EMPTY_ROOT_PASSWORD$MYSQL_ALLOW_EMPTY_PASSWORD" ]; then
        echo "error: set MARIADB_ROOT_PASSWORD, or MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1" >&2
        exit 1
    fi
    cp -a /var/lib/prepared/. "$data"
    password=
    "$@" --skip-networking --innodb-flush-log-at-trx-commit=0 &
    server=$!
    until sql --execute 'SELECT 1' >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || exit 1
        sleep 0.02
    done
    host=${MARIADB_ROOT_HOST:-%}
    secret="IDENTIFIED BY $(quoted "'" "$MARIADB_ROOT_PASSWORD")"
    {
        echo "ALTER USER root@localhost $secret;"
        [ "$host" = localhost ] || {
            echo "CREATE USER $(user root "$host") $secret;"
            echo "GRANT ALL ON *.* TO $(user root "$host") WITH GRANT OPTION;"
        }
        [ -z "$MARIADB_DATABASE" ] || echo "CREATE DATABASE $(quoted '`' "$MARIADB_DATABASE");"
        [ -z "$MARIADB_USER" ] || {
            echo "CREATE USER $(user "$MARIADB_USER" %) IDENTIFIED BY $(quoted "'" "$MARIADB_PASSWORD");"
            [ -z "$MARIADB_DATABASE" ] ||
                echo "GRANT ALL ON $(quoted '`' "$MARIADB_DATABASE").* TO $(user "$MARIADB_USER" %);"
        }
    } | sql
    password=$MARIADB_ROOT_PASSWORD
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
            *.sql) sql ${MARIADB_DATABASE:+"$MARIADB_DATABASE"} <"$file" ;;
            *.sql.gz) gunzip -c "$file" | sql ${MARIADB_DATABASE:+"$MARIADB_DATABASE"} ;;
            *.sql.xz) xzcat "$file" | sql ${MARIADB_DATABASE:+"$MARIADB_DATABASE"} ;;
        esac
    done
    kill -TERM "$server"
    wait "$server"
fi

exec "$@"
