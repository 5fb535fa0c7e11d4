//! Which container this server runs in, by what the kernel tells: it is never to be removed, and is taken off a network
//! that was made for it.
//!
//! `HOSTNAME` was rejected: anybody may set it, to the name of somebody else's container too.

use std::fs;

/// The length of a container's id.
const DIGITS: usize = 64;

/// Files that an engine mounts into a container from a folder of that container's.
const MOUNTED: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// The id of this process's container; none where it runs in none, or in one that cannot be told.
pub(crate) fn container() -> Option<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    // The group is this process's own. The files are another container's where it shares that one's network.
    by_group(&read("/proc/self/cgroup")).or_else(|| by_mounts(&read("/proc/self/mountinfo")))
}

/// `…/docker/<id>`, `…/docker-<id>.scope`, `…/libpod-<id>.scope/container`; the innermost.
fn by_group(groups: &str) -> Option<String> {
    let id = |part: &str| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        // Podman's monitor, which is not in the container, has a group named after it as well.
        let id = part.rsplit('-').next().filter(|_| !part.contains("conmon"))?;
        is_id(id).then(|| id.to_owned())
    };
    groups.lines().find_map(|line| line.splitn(3, ':').nth(2)?.rsplit('/').find_map(id))
}

/// The root of such a mount: `…/containers/<id>/hostname`, `…/overlay-containers/<id>/userdata/hostname`.
fn by_mounts(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let root = fields.next()?;
        fields.next().filter(|place| MOUNTED.contains(place))?;
        let mut parts = root.split('/').skip_while(|part| !part.ends_with("containers"));
        // Podman keeps its folder in one that is called "containers", too.
        parts.find(|part| is_id(part)).map(str::to_owned)
    })
}

fn is_id(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0f4d3c0e8a6b5f1b2c7d9e8f0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";
    const OUTER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

    #[test]
    fn the_group_of_every_engine() {
        for line in [
            format!("12:pids:/docker/{ID}"),
            format!("0::/system.slice/docker-{ID}.scope"),
            format!("0::/machine.slice/libpod-{ID}.scope/container"),
            format!("4:memory:/docker/{OUTER}/docker/{ID}"),
            format!("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"),
            format!("9:name=systemd:/\n8:pids:/docker/{ID}\n"),
        ] {
            assert_eq!(by_group(&line).as_deref(), Some(ID), "{line}");
        }
        for line in ["0::/", "", "0::/init.scope", "0::/docker/0f4d3c0e8a6b"] {
            assert_eq!(by_group(line), None, "{line}");
        }
        assert_eq!(by_group(&format!("0::/machine.slice/libpod-conmon-{ID}.scope")), None);
    }

    #[test]
    fn the_mounts_of_every_engine() {
        for root in [
            format!("/var/lib/docker/containers/{ID}/hostname"),
            format!("/docker/containers/{ID}/resolv.conf"),
            format!("/containers/overlay-containers/{ID}/userdata/hostname"),
            format!("/var/lib/containers/storage/vfs-containers/{ID}/userdata/hostname"),
        ] {
            let line = format!("1234 1200 8:1 {root} /etc/hostname rw,relatime - ext4 /dev/sda1 rw");
            assert_eq!(by_mounts(&line).as_deref(), Some(ID), "{line}");
        }
    }

    #[test]
    fn other_mounts_tell_nothing() {
        for line in [
            format!("1 2 8:1 /var/lib/docker/containers/{ID}/data /data rw - ext4 /dev/sda1 rw"),
            "1 2 8:1 /var/lib/docker/containers/0f4d3c0e8a6b/hostname /etc/hostname rw - ext4 /dev/sda1 rw"
                .into(),
            format!("1 2 8:1 /sandboxes/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw"),
            "1 2 8:1 /etc/hostname /etc/hostname rw - ext4 /dev/sda1 rw".into(),
            "1 2".into(),
        ] {
            assert_eq!(by_mounts(&line), None, "{line}");
        }
    }
}
