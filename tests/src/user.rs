//! A user of a machine of the test's own, who is not root there and has ids to give to the users of containers: what he
//! runs is a rootless engine.

use crate::machine::Machine;

pub(crate) const ID: u32 = 61_000;
/// What ends with his session.
pub(crate) const RUNTIME: &str = "/run/user/61000";

const NAME: &str = "reaper-user";
const IDS: &str = "700000:65536";

/// Has a machine know him, and gives the command that runs another as him.
pub(crate) fn add(machine: &mut Machine) -> String {
    let folder = machine.folder().display().to_string();
    // Names and ids that this machine alone knows, and the devices that systems give to every user.
    for (file, line) in [
        ("passwd", format!("{NAME}:x:{ID}:{ID}::{RUNTIME}:/bin/sh")),
        ("group", format!("{NAME}:x:{ID}:")),
        ("subuid", format!("{NAME}:{IDS}")),
        ("subgid", format!("{NAME}:{IDS}")),
    ] {
        machine.run(&format!(
            "cp /etc/{file} {folder}/{file} && echo '{line}' >> {folder}/{file} && \
             chmod 644 {folder}/{file} && mount --bind {folder}/{file} /etc/{file}"
        ));
    }
    machine.run(&format!(
        "mknod -m 666 /run/tun c 10 200 && mount --bind /run/tun /dev/net/tun && \
         mkdir -p {RUNTIME} && chown {ID}:{ID} {RUNTIME}"
    ));
    format!("setpriv --reuid {ID} --regid {ID} --clear-groups env HOME={RUNTIME} XDG_RUNTIME_DIR={RUNTIME}")
}
