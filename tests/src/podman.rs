//! A Podman of the tests' own, as Debian packages it, which differs from Docker where it matters most: in what it takes
//! for a match, and in what force does.
//!
//! It runs on a machine of its own. What a test starts on that machine's network finds it as people find theirs: at a
//! socket on the same host, with ports published on 127.0.0.1. And what is started [inside](Podman::inside) has this engine
//! alone: so all other tests are run on Podman, with its own processes and mounts in sight and no other engine's.

use std::path::PathBuf;
use std::process::Command;

use reaper_tests_engine::programs;
use serde_json::json;

use crate::engine::Engine;
use crate::holder::Holder;
use crate::machine::{Machine, cgroups};
use crate::suite::Run;
use crate::user;

/// Limits that a container may have inside another, which is where tests run, too.
const CONFIGURATION: &str = r#"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=32768:32768"]
[engine]
events_logger = "file"
[network]
network_backend = "netavark"
"#;

/// A running Podman; removed with all that it had when dropped.
pub struct Podman {
    machine: Machine,
    engine: Engine,
}

impl Podman {
    /// One with everything as usual.
    ///
    /// # Panics
    ///
    /// When this machine cannot have one; says what is missing.
    #[must_use]
    pub fn start() -> Self {
        Self::on(Machine::start(&programs::PODMAN), "")
    }

    /// A user's (rootless), whose containers' users are not the system's.
    ///
    /// # Panics
    ///
    /// As for [`Podman::start`].
    #[must_use]
    pub fn start_rootless() -> Self {
        let mut machine = Machine::start(&[&programs::PODMAN[..], &programs::ROOTLESS].concat());
        let user = user::add(&mut machine);
        let folder = machine.folder().display().to_string();
        machine.run(&format!("chown -R {0}:{0} {folder}", user::ID));
        Self::by(machine, &user, &format!("{}/containers", user::RUNTIME), "")
    }

    /// One that takes these seconds more to remove a container of the workload's image.
    ///
    /// # Panics
    ///
    /// As for [`Podman::start`].
    #[must_use]
    pub fn start_with_slow_removals(seconds: u32) -> Self {
        let machine = Machine::start(&programs::PODMAN);
        // Run when the container's processes have ended, before Podman answers that it is removed.
        let hook = json!({
            "version": "1.0.0",
            "stages": ["poststop"],
            "when": {"commands": ["/workload$"]},
            "hook": {"path": "/bin/sleep", "args": ["sleep", seconds.to_string()]},
        });
        let hooks = machine.folder().join("hooks");
        let written = std::fs::create_dir(&hooks)
            .and_then(|()| std::fs::write(hooks.join("slow.json"), hook.to_string()));
        written.expect("room for a file");
        Self::on(machine, &format!("--hooks-dir {}", hooks.display()))
    }

    fn on(machine: Machine, options: &str) -> Self {
        Self::by(machine, "env", "/run/podman", options)
    }

    /// By a command that runs others with an environment, and with this folder for what a restart of the machine ends.
    fn by(mut machine: Machine, env: &str, run_root: &str, options: &str) -> Self {
        let folder = machine.folder().to_owned();
        machine.run(&format!(
            "mkdir {0}/commands && ln -s /usr/bin/docker {0}/commands/docker",
            folder.display()
        ));
        let engine = Engine::at(folder.join("podman.sock"));
        // Networks are kept where they end with it, and not in /run, for a user's containers are set up with one of their own.
        let networks = format!("network_config_dir = \"{}\"\n", folder.join("networks").display());
        std::fs::write(folder.join("containers.conf"), [CONFIGURATION, &networks].concat())
            .expect("room for a file");
        // The locks of all its containers are in shared memory, and it caches what it is not told where to.
        machine.hide_state();
        let folder = folder.display();
        let command = format!(
            "{env} CONTAINERS_CONF={folder}/containers.conf podman --root {folder}/root --runroot {run_root} \
             --runtime runc --cgroup-manager cgroupfs --storage-driver vfs {options} system service --time 0 \
             unix://{folder}/podman.sock"
        );
        machine.run_engine(&command, &engine);
        Self { machine, engine }
    }

    /// Its raw API.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What a test sets as `DOCKER_HOST` to use it.
    #[must_use]
    pub fn docker_host(&self) -> String {
        self.engine.docker_host()
    }

    /// A command that begins with a clean environment, started where this is the engine: on its machine's network, for
    /// elsewhere no port of its containers is reached.
    ///
    /// # Panics
    ///
    /// When its machine has ended.
    #[must_use]
    pub fn with(&self, command: &Command) -> Command {
        let mut inside = self.machine.with_network(command);
        // Last, for the engine of all other tests may be among those.
        inside.env("DOCKER_HOST", self.docker_host());
        inside
    }

    /// A command that is run on its machine altogether, in this environment and folder, with this for its engine. What is
    /// in `/run` and `/var/lib` of the host is not there, the host's own engine with it.
    ///
    /// # Panics
    ///
    /// When its machine has ended.
    #[must_use]
    pub fn inside(&self, command: &[String]) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["--target", &self.machine.process(), "--mount", "--net", "--pid", "--"]);
        // Whoever enters other mounts is at their root.
        let folder = std::env::current_dir().expect("a folder to be in");
        inside.args(["sh", "-c", "cd \"$0\" && exec \"$@\""]).arg(folder).args(command);
        // Debian's docker command, of this Podman's age. Later ones commit a container without saying anything more, and to
        // that it answers "Decode(): EOF".
        let commands = self.machine.folder().join("commands");
        let path = std::env::var("PATH").unwrap_or_default();
        inside.env("PATH", format!("{}:{path}", commands.display()));
        inside.env("DOCKER_HOST", self.docker_host());
        inside
    }

    /// One of the suite's tests with it, in a session that has been given a name, whose reaper waits a second.
    #[must_use]
    pub fn test(&self, run: &Run, test: &str, session: &str) -> Command {
        let mut command = self.with(&run.binary("attribute"));
        command.args(["--exact", test, "--include-ignored"]);
        command.env("TESTCONTAINERS_SESSION_ID", session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        command
    }

    /// A session on it that is held until it is let go.
    ///
    /// # Panics
    ///
    /// When it gets no guard.
    #[must_use]
    pub fn hold(&self, name: &str, settings: &[(&str, &str)]) -> Holder {
        Holder::start_on(&self.engine, name, settings, |run, session| self.test(run, "holds", session))
    }

    /// Says a line to a reaper as any client of the family does, and goes; gives the answer.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn tell(&self, reaper: &str, line: &str) -> String {
        let found = self.engine.inspect(&format!("/containers/{reaper}/json")).expect("the reaper is there");
        let port = &found["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"];
        let port = port.as_str().unwrap_or_else(|| panic!("no port is published: {found}"));
        let script = "exec 3<>/dev/tcp/127.0.0.1/$0 && printf '%s\\n' \"$1\" >&3 && read -r answer <&3 && echo $answer";
        let mut client = Command::new("bash");
        let output = self.with(client.args(["-c", script, port, line])).output().expect("bash starts");
        crate::suite::succeeded(&output).trim().to_owned()
    }

    /// The folder that both its machine and this one have.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.machine.folder().to_owned()
    }

    /// The control groups of its containers, which all Podmans have in one place.
    fn cgroups(&self) -> Vec<PathBuf> {
        let layers = std::fs::read_dir(self.machine.folder().join("root/vfs-containers"));
        let containers = layers.into_iter().flatten().filter_map(Result::ok);
        let group = |id| cgroups(&format!("/libpod_parent/libpod-{id}"));
        containers.flat_map(|container| group(container.file_name().display().to_string())).collect()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let cgroups = self.cgroups();
        self.machine.end();
        for path in cgroups {
            let _ = std::fs::remove_dir(path);
        }
    }
}
