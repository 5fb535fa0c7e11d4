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

pub(crate) const SERVICES: [Service; 2] = [
    Service {
        name: "postgres",
        public: "postgres:17-alpine",
        packages: &["postgresql", "busybox-static", "libc-bin", "tzdata"],
        brings: &["lib", "zlib", "postgresql-1", "postgresql-client-1"],
        programs: &[
            "usr/lib/postgresql/*/bin/postgres",
            "usr/lib/postgresql/*/bin/initdb",
            "usr/lib/postgresql/*/bin/psql",
            "usr/lib/postgresql/*/bin/pg_dump",
            "usr/lib/postgresql/*/bin/pg_isready",
            "usr/lib/postgresql/*/lib/*.so",
        ],
        data: &["usr/share/postgresql/*", "usr/share/zoneinfo", "usr/lib/locale/C.utf8", "usr/bin/busybox"],
        // Compiling queries needs LLVM, which is larger than all the rest; the server does without.
        without: &["llvmjit", "man", "right", "posix"],
        entrypoint: include_str!("postgres.sh"),
        configuration: &[
            "ENV LANG=C.UTF-8 PGDATA=/var/lib/postgresql/data/pgdata",
            "USER postgres",
            "WORKDIR /var/lib/postgresql",
            "VOLUME /var/lib/postgresql/data",
            "EXPOSE 5432",
            "ENTRYPOINT [\"/entrypoint\"]",
            "CMD [\"postgres\"]",
        ],
        prepare: &["sh", "-c", include_str!("initdb.sh")],
    },
    Service {
        name: "redis",
        public: "redis:7-alpine",
        packages: &["redis-server", "busybox-static"],
        brings: &["lib", "zlib", "redis-tools"],
        programs: &["usr/bin/redis-server", "usr/bin/redis-cli"],
        data: &["usr/bin/busybox"],
        without: &[],
        entrypoint: include_str!("redis.sh"),
        configuration: &[
            "USER redis",
            "WORKDIR /data",
            "VOLUME /data",
            "EXPOSE 6379",
            "ENTRYPOINT [\"/entrypoint\"]",
            "CMD [\"redis-server\"]",
        ],
        prepare: &[],
    },
];

/// Folders that every user in the image may write to, since nothing in it belongs to anybody but root.
pub(crate) const WRITABLE: [&str; 6] =
    ["tmp", "run", "run/postgresql", "var/lib/postgresql", "var/lib/postgresql/data", "data"];
pub(crate) const PASSWD: &str = "root:x:0:0::/:/bin/sh\npostgres:x:70:70::/var/lib/postgresql:/bin/sh\n\
                                 redis:x:999:999::/data:/bin/sh\n";
pub(crate) const GROUP: &str = "root:x:0:\npostgres:x:70:\nredis:x:999:\n";

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
