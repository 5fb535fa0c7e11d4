//! A host to log in to with `ssh`: the machine of a second engine.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use reaper_tests_engine::programs::LOGIN;

use crate::machine;
use crate::second_engine::SecondEngine;

/// A running `sshd` on an engine's machine; it ends with that.
pub struct Login {
    folder: tempfile::TempDir,
    address: String,
}

impl Login {
    /// Lets one user log in, by a key.
    ///
    /// # Panics
    ///
    /// When a program is missing, or does not do it.
    #[must_use]
    pub fn to(engine: &mut SecondEngine) -> Self {
        machine::require(&LOGIN);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        for name in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path.join(name));
            assert!(keygen.status().expect("ssh-keygen starts").success());
        }
        let address = engine.address(2);
        let write = |name: &str, text: String| {
            std::fs::write(path.join(name), text).expect("room for a file");
        };
        let read = |name: &str| std::fs::read_to_string(path.join(name)).expect("a key");
        write("authorized", read("user.pub"));
        write("known", format!("{address} {}", read("host.pub")));
        let here = path.display();
        write(
            "sshd.conf",
            format!(
                "ListenAddress {address}\nHostKey {here}/host\nAuthorizedKeysFile {here}/authorized\nStrictModes no\n\
                 PermitRootLogin yes\nUsePAM no\nPasswordAuthentication no\nPidFile none\nLogLevel VERBOSE\n\
                 MaxStartups 100\n"
            ),
        );
        write(
            "ssh.conf",
            format!(
                "IdentityFile {here}/user\nIdentitiesOnly yes\nUserKnownHostsFile {here}/known\n\
                     GlobalKnownHostsFile none\nStrictHostKeyChecking yes\n"
            ),
        );
        // As a user's own file would be read; but `ssh` looks for that in the home of the system's list alone.
        write("ssh", format!("#!/bin/sh\nexec /usr/bin/ssh -F '{here}/ssh.conf' \"$@\"\n"));
        std::fs::set_permissions(path.join("ssh"), Permissions::from_mode(0o755)).expect("a file of ours");
        engine.run(&format!("mkdir -p /run/sshd && /usr/sbin/sshd -f {here}/sshd.conf -E {here}/sshd.log"));
        Self { folder, address }
    }

    /// What a test sets as `DOCKER_HOST`.
    #[must_use]
    pub fn docker_host(&self) -> String {
        format!("ssh://root@{}", self.address)
    }

    /// The same with the port, and the engine's socket on its host.
    #[must_use]
    pub fn whole_docker_host(&self, socket: &Path) -> String {
        format!("ssh://root@{}:22{}", self.address, socket.display())
    }

    /// Has a command find `ssh` with its keys.
    ///
    /// # Panics
    ///
    /// When a folder's name cannot be in a path.
    pub fn set_for(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.folder.path().to_owned()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders).expect("folders"));
    }

    /// What the host has to say.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("sshd.log")).unwrap_or_default()
    }
}
