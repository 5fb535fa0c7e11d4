//! The container that this process runs in.

/// The id that an engine knows that container by, where it is to be seen; none on the machine itself.
///
/// Docker and Podman mount files of the container's own into it, from a folder that has its id. `/.dockerenv` names none, and
/// is Docker's alone.
pub(crate) fn own_container() -> Option<String> {
    if cfg!(target_os = "linux") {
        find(&std::fs::read_to_string("/proc/self/mountinfo").ok()?)
    } else {
        None
    }
}

/// The fourth word of a line is what is mounted, as its file system has it, and the fifth where: proc(5).
fn find(mounts: &str) -> Option<String> {
    mounts
        .lines()
        .find_map(|line| {
            let mut words = line.split(' ').skip(3);
            let (from, to) = (words.next()?, words.next()?);
            if !matches!(to, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf") {
                return None;
            }
            from.split('/').find(|part| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_known_by_what_is_mounted_into_it() {
        let id = "0a1b".repeat(16);
        for folder in ["docker/containers", "containers/storage/overlay-containers"] {
            let mounts = format!(
                "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                 22 21 8:1 /var/lib/{folder}/{id}/userdata/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
            );
            assert_eq!(find(&mounts).as_deref(), Some(id.as_str()), "{folder}");
        }
        // Of another container, whose folder is mounted for other reasons.
        let other = format!("22 21 8:1 /var/lib/docker/containers/{id} /logs rw - ext4 /dev/sda1 rw\n");
        assert_eq!(find(&other), None);
        assert_eq!(find("22 21 8:1 /etc/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"), None);
        assert_eq!(find(""), None);
    }
}
