# Run once, when the image is built: the files of a new server, for the entry to copy.
set -e

chown postgres /var/lib/postgresql /var/lib/postgresql/data
chmod 700 /var/lib/postgresql/data
# By its path, since the shell has one of its own of that name, which can do less.
as_postgres() { /usr/bin/setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

# Small segments of the log, since they are copied at each start.
as_postgres initdb --pgdata prepared --no-sync --auth trust --username postgres --wal-segsize 1
echo "listen_addresses = '*'" >>prepared/postgresql.conf

# The three databases of a new server are nearly the same: what is, is kept once, in `base/1`.
cd prepared/base
rm -f ./*/pg_internal.init
for file in [2-9]*/*; do
    if cmp -s "$file" "1/${file#*/}"; then rm "$file"; fi
done
