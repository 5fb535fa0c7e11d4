//! The programs that tests take besides cargo, each with the Debian package that it is in.

use std::path::PathBuf;
use std::process::Command;

/// A program, and its package.
pub type Program = (&'static str, &'static str);

/// For a machine of a test's own, that is, for namespaces.
pub const MACHINE: [Program; 5] = [
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
    ("bash", "bash"),
];

/// For a Docker Engine on it.
pub const DOCKER: [Program; 3] =
    [("dockerd", "docker.io"), ("containerd", "containerd"), ("pidof", "sysvinit-utils")];

/// For a Podman on it, and for what its containers' ports are reached with.
pub const PODMAN: [Program; 5] = [
    ("podman", "podman"),
    ("runc", "runc"),
    ("conmon", "conmon"),
    ("netavark", "netavark"),
    ("nsenter", "util-linux"),
];

/// For an engine that is a user's, besides: ids for its containers' users, and their network.
pub const ROOTLESS: [Program; 3] =
    [("newuidmap", "uidmap"), ("slirp4netns", "slirp4netns"), ("setpriv", "util-linux")];

/// For a Docker Engine of a user's, besides.
pub const ROOTLESS_DOCKER: [Program; 2] =
    [("rootlesskit", "rootlesskit"), ("rootlesskit-docker-proxy", "rootlesskit")];

/// For a host to log in to.
pub const LOGIN: [Program; 3] =
    [("sshd", "openssh-server"), ("ssh", "openssh-client"), ("ssh-keygen", "openssh-client")];

/// Where Podman looks for what it alone starts, and where Debian has `iptables`, which is on root's path alone.
const HELPERS: [&str; 4] = ["/usr/lib/podman", "/usr/libexec/podman", "/usr/sbin", "/sbin"];

/// Those of these that this system does not have.
#[must_use]
pub fn missing<'a>(programs: impl IntoIterator<Item = &'a Program>) -> Vec<Program> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).chain(HELPERS.map(PathBuf::from)).collect();
    let is_missing = |(program, _): &Program| !folders.iter().any(|folder| folder.join(program).exists());
    programs.into_iter().copied().filter(is_missing).collect()
}

/// Whether this user may make namespaces, become another user, and signal what the engine runs.
#[must_use]
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
