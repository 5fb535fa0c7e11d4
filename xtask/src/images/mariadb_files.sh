# Run once, when the image is built: the files of a new server, for the entry to copy.
set -e

ln -s mariadbd /usr/sbin/mysqld
ln -s mariadb /usr/bin/mysql
mkdir -p /etc/mysql /var/lib/prepared
# A small log, since it is copied at each start. Names of clients are in no system of names.
printf '[mariadbd]\ninnodb_log_file_size = 4M\nskip-name-resolve\nhost-cache-size = 0\n' >/etc/mysql/my.cnf
chown mysql /var/lib/mysql /var/lib/prepared

cd /usr/share/mysql
{
    printf '%s\n' 'CREATE DATABASE mysql;' 'USE mysql;' 'SET @auth_root_socket = NULL;'
    cat mysql_system_tables.sql mysql_performance_tables.sql mysql_system_tables_data.sql \
        maria_add_gis_sp_bootstrap.sql mysql_sys_schema.sql | sed /@current_hostname/d
} | /usr/bin/setpriv --reuid=mysql --regid=mysql --init-groups mariadbd --bootstrap --datadir=/var/lib/prepared \
    --log-warnings=0 --max-allowed-packet=8M
rm -f /var/lib/prepared/ibtmp1
