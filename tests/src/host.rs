//! A host that uses an engine over the network: with processes, a network and folders of its own, as a machine of a CI server has.

use std::path::PathBuf;
use std::process::Command;

use crate::certificates::{Authority, Validity};
use crate::machine::Machine;
use crate::second_engine::SecondEngine;

/// It ends with all that runs on it when this is dropped.
pub struct Host {
    machine: Machine,
    docker_host: String,
}

impl Host {
    /// A host at the other end of a cable to the engine's, with a certificate of this authority.
    ///
    /// # Panics
    ///
    /// When this machine cannot have one; says what is missing.
    #[must_use]
    pub fn plugged_into(engine: &mut SecondEngine, authority: &Authority) -> Self {
        let mut machine = Machine::start(&[("nsenter", "util-linux")]);
        engine.plug_in(&mut machine);
        authority.write(&machine.folder().join("certificates"), &["client"], Validity::Now);
        for folder in ["home", "temporary"] {
            std::fs::create_dir(machine.folder().join(folder)).expect("room for a folder");
        }
        Self { machine, docker_host: engine.docker_host() }
    }

    /// The same command on this host, whose engine it finds in its environment.
    #[must_use]
    pub fn command(&self, command: &Command) -> Command {
        let mut on_host = self.machine.enter(command);
        let folder = |name: &str| self.machine.folder().join(name);
        on_host.env("HOME", folder("home")).env("TMPDIR", folder("temporary"));
        on_host.env("DOCKER_HOST", &self.docker_host).env("DOCKER_TLS_VERIFY", "1");
        on_host.env("DOCKER_CERT_PATH", folder("certificates"));
        on_host
    }

    /// The names of the threads that run on it.
    #[must_use]
    pub fn threads(&self) -> Vec<String> {
        let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/pid")).ok();
        let own = namespace(&self.machine.process());
        let entries = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
        let processes = entries("/proc".into()).filter(|process| {
            process.file_name().to_str().is_some_and(|process| own.is_some() && namespace(process) == own)
        });
        let tasks = processes.flat_map(|process| entries(process.path().join("task")));
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.map(|name| name.trim_end().to_owned()).collect()
    }

    /// Kills everything that runs on it, at once.
    pub fn kill(mut self) {
        self.machine.end();
    }
}
