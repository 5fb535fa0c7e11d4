//! The services that the examples use: where each comes from, and what goes into an image of our own.
//!
//! File lists instead of whole packages: a root with all that the packages depend on has six times the size.

use std::collections::BTreeSet;

/// A service and the recipe for its image.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    /// The public image, used where it can be pulled.
    pub(crate) public: &'static str,
    /// Names of public images that it answers to where these cannot be pulled: those that testcontainers-modules has by
    /// default, and those that people write. The release is Debian's all the same.
    pub(crate) answers_to: &'static [&'static str],
    /// Debian's packages, and the beginnings of the names of those that they bring along.
    pub(crate) packages: &'static [&'static str],
    pub(crate) brings: &'static [&'static str],
    /// Programs and what they load at run time, as paths with at most one `*` in a component: these, and the
    /// libraries that they need.
    pub(crate) programs: &'static [&'static str],
    /// Files and folders that are taken as they are.
    pub(crate) data: &'static [&'static str],
    /// What of the above is left out, by the beginning of a name.
    pub(crate) without: &'static [&'static str],
    pub(crate) entrypoint: &'static str,
    /// The image's configuration, as lines of a Dockerfile.
    pub(crate) configuration: &'static [&'static str],
    /// A command that is run in the image once, and whose changes belong to it.
    pub(crate) prepare: &'static [&'static str],
}

pub(crate) const SERVICES: [Service; 3] = [
    Service {
        name: "postgres",
        public: "postgres:17-alpine",
        answers_to: &[
            "postgres:latest",
            "postgres:alpine",
            "postgres:11-alpine",
            "postgres:17",
            "postgres:17-alpine",
        ],
        packages: &["postgresql", "bash", "busybox-static", "libc-bin", "tzdata", "util-linux"],
        brings: &["lib", "zlib", "postgresql-1", "postgresql-client-1"],
        programs: &[
            "usr/lib/postgresql/*/bin/postgres",
            "usr/lib/postgresql/*/bin/initdb",
            "usr/lib/postgresql/*/bin/psql",
            "usr/lib/postgresql/*/bin/pg_dump",
            "usr/lib/postgresql/*/bin/pg_isready",
            "usr/lib/postgresql/*/lib/*.so",
            "usr/bin/bash",
            "usr/bin/setpriv",
        ],
        data: &["usr/share/postgresql/*", "usr/share/zoneinfo", "usr/lib/locale/C.utf8", "usr/bin/busybox"],
        // Compiling queries needs LLVM, which is larger than all the rest; the server does without.
        without: &["llvmjit", "man", "right", "posix"],
        entrypoint: include_str!("postgres.sh"),
        configuration: &[
            "ENV LANG=C.UTF-8 PGDATA=/var/lib/postgresql/data",
            "WORKDIR /var/lib/postgresql",
            "VOLUME /var/lib/postgresql/data",
            "EXPOSE 5432",
            "ENTRYPOINT [\"docker-entrypoint.sh\"]",
            "CMD [\"postgres\"]",
        ],
        prepare: &["sh", "-c", include_str!("initdb.sh")],
    },
    Service {
        name: "redis",
        public: "redis:7-alpine",
        answers_to: &["redis:latest", "redis:alpine", "redis:5.0", "redis:7", "redis:7-alpine"],
        packages: &["redis-server", "busybox-static", "util-linux"],
        brings: &["lib", "zlib", "redis-tools"],
        programs: &["usr/bin/redis-server", "usr/bin/redis-cli", "usr/bin/setpriv"],
        data: &["usr/bin/busybox"],
        without: &[],
        entrypoint: include_str!("redis.sh"),
        configuration: &[
            "WORKDIR /data",
            "VOLUME /data",
            "EXPOSE 6379",
            "ENTRYPOINT [\"docker-entrypoint.sh\"]",
            "CMD [\"redis-server\"]",
        ],
        prepare: &[],
    },
    Service {
        name: "mariadb",
        public: "mariadb:11.3",
        answers_to: &["mariadb:latest", "mariadb:11.3"],
        packages: &["mariadb-server-core", "mariadb-client-core", "bash", "busybox-static", "util-linux"],
        brings: &["lib", "zlib"],
        programs: &["usr/sbin/mariadbd", "usr/bin/mariadb", "usr/bin/bash", "usr/bin/setpriv"],
        data: &[
            "usr/share/mysql/charsets",
            "usr/share/mysql/english",
            "usr/share/mysql/*.sql",
            "usr/bin/busybox",
        ],
        without: &["fill_help", "mysql_test"],
        entrypoint: include_str!("mariadb.sh"),
        configuration: &[
            "ENV LANG=C.UTF-8",
            "VOLUME /var/lib/mysql",
            "EXPOSE 3306",
            "ENTRYPOINT [\"docker-entrypoint.sh\"]",
            "CMD [\"mariadbd\"]",
        ],
        prepare: &["sh", "-c", include_str!("mariadb_files.sh")],
    },
];

/// Folders that every user in the image may write to, since nothing in it belongs to anybody but root.
pub(crate) const WRITABLE: [&str; 9] = [
    "tmp",
    "run",
    "run/postgresql",
    "run/mysqld",
    "var/lib/postgresql",
    "var/lib/postgresql/data",
    "var/lib/mysql",
    "data",
    "docker-entrypoint-initdb.d",
];
pub(crate) const PASSWD: &str = "root:x:0:0::/:/bin/sh\npostgres:x:70:70::/var/lib/postgresql:/bin/sh\n\
                                 mysql:x:998:998::/var/lib/mysql:/bin/sh\nredis:x:999:999::/data:/bin/sh\n";
pub(crate) const GROUP: &str = "root:x:0:\npostgres:x:70:\nmysql:x:998:\nredis:x:999:\n";

impl Service {
    /// The name by which the examples start it, wherever it came from.
    pub(crate) fn tag(&self) -> String {
        format!("reaper-examples/{}", self.name)
    }

    /// Changes with the recipe, and with the machine's architecture.
    pub(crate) fn recipe(&self) -> String {
        // FNV-1a: nobody attacks it, and unlike the standard library's it is the same in each release of Rust.
        let text = format!("{} {self:?} {WRITABLE:?} {PASSWD}", std::env::consts::ARCH);
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    /// Whether a package that another one depends on is worth having.
    pub(crate) fn wants(&self, package: &str) -> bool {
        self.brings.iter().any(|start| package.starts_with(start))
            && !["libllvm", "libz3", "libperl"].iter().any(|start| package.starts_with(start))
    }

    /// What is taken from the packages' files: programs first.
    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        self.without.iter().any(|start| name.starts_with(start))
    }

    /// The packages themselves, to begin with.
    pub(crate) fn packages(&self) -> BTreeSet<String> {
        self.packages.iter().map(|&name| name.to_owned()).collect()
    }
}
