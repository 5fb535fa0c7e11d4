//! The programs that tests take besides cargo, each with the Debian package that it is in.

use std::path::PathBuf;

/// A program, and its package.
pub type Program = (&'static str, &'static str);

/// For a machine of a test's own, that is, for namespaces.
pub const MACHINE: [Program; 4] =
    [("ip", "iproute2"), ("iptables", "iptables"), ("unshare", "util-linux"), ("mount", "mount")];

/// For a Docker Engine on it.
pub const DOCKER: [Program; 3] =
    [("dockerd", "docker.io"), ("containerd", "containerd"), ("pidof", "sysvinit-utils")];

/// For a Podman on it, and for what its containers' ports are reached with.
pub const PODMAN: [Program; 6] = [
    ("podman", "podman"),
    ("runc", "runc"),
    ("conmon", "conmon"),
    ("netavark", "netavark"),
    ("nsenter", "util-linux"),
    ("bash", "bash"),
];

/// Where Podman looks for what it alone starts.
const HELPERS: [&str; 2] = ["/usr/lib/podman", "/usr/libexec/podman"];

/// Those of these that this system does not have.
#[must_use]
pub fn missing<'a>(programs: impl IntoIterator<Item = &'a Program>) -> Vec<Program> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).chain(HELPERS.map(PathBuf::from)).collect();
    let is_missing = |(program, _): &Program| !folders.iter().any(|folder| folder.join(program).exists());
    programs.into_iter().copied().filter(is_missing).collect()
}
