//! Hosts, sockets and folders, as settings name them.

use std::path::{Path, PathBuf};

use super::sources::Found;
use crate::error::Result;

/// A host's name or address alone; that of IPv6 may be in brackets, which are taken off.
pub(crate) fn host(text: &str) -> Option<&str> {
    if let Some(bracketed) = text.strip_prefix('[') {
        return bracketed.strip_suffix(']').filter(|address| is_ipv6(address));
    }
    let is_name = !text.is_empty()
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "-._".contains(character));
    (is_name || is_ipv6(text)).then_some(text)
}

/// Where on the host it is reached may follow, as in `fe80::1%eth0`.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<std::net::Ipv6Addr>().is_ok() && zone.chars().all(|c| c.is_ascii_alphanumeric())
}

/// A folder that a variable names; by a path that means the same wherever the process is.
pub(super) fn folder(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Whether a folder is one, and not closed to this user.
pub(super) fn can_be_looked_into(folder: &Path) -> bool {
    // Its own entry is found by whoever may search it.
    std::fs::metadata(folder.join(".")).is_ok()
}

pub(super) fn as_host(found: Found) -> Result<Found> {
    match host(&found.value).map(str::to_owned) {
        Some(value) => Ok(Found { value, ..found }),
        None => Err(found.refuse(
            "a host's name or address alone, such as host.docker.internal or 192.168.0.10, without scheme and port",
        )),
    }
}

/// A path that means the same wherever the processes are that it is handed to.
pub(crate) fn as_absolute(found: Found) -> Found {
    match std::path::absolute(&found.value) {
        Ok(path) => Found { value: path.to_string_lossy().into_owned(), ..found },
        // Without a folder to be in there is nothing to be relative to.
        Err(_) => found,
    }
}

/// The family takes it with its scheme, too.
pub(super) fn as_socket(found: Found) -> Result<Found> {
    let path = found.value.strip_prefix("unix://").unwrap_or(&found.value);
    // A colon would end the path where the engine is told what to mount.
    if path.starts_with('/') && !path.contains(':') {
        let value = path.to_owned();
        return Ok(Found { value, ..found });
    }
    Err(found.refuse(
        "the path of the engine's socket on the engine's own host, such as /var/run/docker.sock; an engine's address \
         belongs in DOCKER_HOST",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_host_and_no_socket_is_refused() {
        let host = |given: &str| as_host(Found::built("with_it", given.to_owned()));
        for (given, used) in [
            ("host.docker.internal", "host.docker.internal"),
            ("[::1]", "::1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("192.168.0.10", "192.168.0.10"),
        ] {
            assert_eq!(host(given).unwrap().value, used);
        }
        for refused in ["tcp://a", "a:1", "[::1]:1", "a/b", "a b", "[a]", "::1::"] {
            assert!(host(refused).is_err(), "{refused}");
        }
        let socket = |given: &str| as_socket(Found::built("with_it", given.to_owned()));
        for (given, used) in [("unix:///a.sock", "/a.sock"), ("//a.sock", "//a.sock")] {
            assert_eq!(socket(given).unwrap().value, used);
        }
        for refused in ["tcp:///a.sock", "a.sock", "unix://a.sock", "/a.sock:ro", "npipe:////./pipe/a"] {
            assert!(socket(refused).is_err(), "{refused}");
        }
    }
}
