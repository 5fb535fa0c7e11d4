//! A rootless Docker Engine of the tests' own: a user's, on a machine of its own, started as Docker's script for it does.

use std::path::Path;
use std::process::Command;

use reaper_tests_engine::programs;

use crate::engine::Engine;
use crate::machine::Machine;
use crate::user;

/// A running one; removed with all that it had when dropped.
pub struct RootlessDocker {
    machine: Machine,
    engine: Engine,
}

impl RootlessDocker {
    /// One with everything as usual.
    ///
    /// # Panics
    ///
    /// When this machine cannot have one; says what is missing.
    #[must_use]
    pub fn start() -> Self {
        let needed = [&programs::DOCKER[..], &programs::ROOTLESS, &programs::ROOTLESS_DOCKER].concat();
        let mut machine = Machine::start(&needed);
        let user = user::add(&mut machine);
        // Networks are kept there, whoever's they are.
        machine.hide_state();
        let folder = machine.folder().display().to_string();
        let engine = Engine::at(machine.folder().join("user/docker.sock"));
        machine.run(&format!("mkdir {folder}/user && chown {0}:{0} {folder}/user", user::ID));
        // The links are to what the engine of root has there; the user's makes its own.
        let daemon = format!(
            "rm -f /run/docker /run/containerd /run/xtables.lock\n\
             exec dockerd --rootless --config-file {folder}/none.json --data-root {folder}/user/data \
             --exec-root {0}/docker --pidfile {0}/docker.pid --storage-driver vfs \
             --userland-proxy-path \"$(command -v rootlesskit-docker-proxy)\" \
             --host unix://{0}/docker.sock --host unix://{folder}/user/docker.sock\n",
            user::RUNTIME
        );
        let written = std::fs::write(machine.folder().join("daemon.sh"), daemon)
            .and_then(|()| std::fs::write(machine.folder().join("none.json"), "{}"));
        written.expect("room for a file");
        let command = format!(
            "{user} rootlesskit --state-dir {folder}/user/rootlesskit --net slirp4netns --mtu 65520 --disable-host-loopback --port-driver builtin \
             --copy-up /etc --copy-up /run --propagation rslave sh {folder}/daemon.sh"
        );
        machine.run_engine(&command, &engine);
        Self { machine, engine }
    }

    /// Its raw API.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A command that begins with a clean environment, started where this is the engine: on its machine's network, where the
    /// ports of its containers are.
    ///
    /// # Panics
    ///
    /// When its machine has ended.
    #[must_use]
    pub fn with(&self, command: &Command) -> Command {
        let mut inside = self.machine.with_network(command);
        inside.env("DOCKER_HOST", self.engine.docker_host());
        inside
    }

    /// The folder that both its machine and this one have.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.machine.folder()
    }
}
