//! An engine of the tests' own: a dockerd that can be stopped and killed, and cut off from this host.
//!
//! It lives like an engine on another machine, at the other end of a cable.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use reaper_tests_engine::programs;

use crate::certificates::{Authority, Validity};
use crate::engine::Engine;
use crate::machine::{self, Machine, cgroups};

/// A running engine; removed with all that it had when dropped.
pub struct SecondEngine {
    machine: Machine,
    engine: Engine,
    /// Of a network of two: this host, and the engine's.
    number: u32,
    options: &'static str,
    /// How many other machines are plugged into the engine's.
    plugged: u32,
    /// With the engine's certificate and the authority of its clients'.
    certificates: Option<tempfile::TempDir>,
}

impl SecondEngine {
    /// An engine with everything as usual.
    ///
    /// # Panics
    ///
    /// When this machine cannot have one; says what is missing.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// An engine without the network `bridge`.
    ///
    /// # Panics
    ///
    /// As for [`SecondEngine::start`].
    #[must_use]
    pub fn start_without_bridge() -> Self {
        Self::start_with("--bridge none")
    }

    /// An engine whose containers have other users than its host.
    ///
    /// # Panics
    ///
    /// As for [`SecondEngine::start`].
    #[must_use]
    pub fn start_with_mapped_users() -> Self {
        Self::start_with("--userns-remap nobody:nogroup")
    }

    /// An engine that speaks TLS alone over the network, with an authority that its clients have to know, and that has to have
    /// signed for them.
    ///
    /// # Panics
    ///
    /// As for [`SecondEngine::start`].
    #[must_use]
    pub fn start_with_tls(authority: &Authority) -> Self {
        Self::start_by("", Some(authority))
    }

    fn start_with(options: &'static str) -> Self {
        Self::start_by(options, None)
    }

    fn start_by(options: &'static str, authority: Option<&Authority>) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let started = STARTED.fetch_add(1, Ordering::Relaxed);
        let number = std::process::id().wrapping_mul(7).wrapping_add(started) % (1 << 14);
        let machine = Machine::start(&programs::DOCKER);
        let engine = Engine::at(machine.folder().join("docker.sock"));
        let mut second = Self { machine, engine, number, options, plugged: 0, certificates: None };
        // Its id would be that of the system's engine, which has it in there.
        second.run("mkdir -p /etc/docker && mount -t tmpfs tmpfs /etc/docker");
        second.certificates = authority.map(|authority| {
            let folder = tempfile::tempdir().expect("a folder");
            authority.write(folder.path(), &[&second.address(2)], Validity::Now);
            folder
        });
        if options.contains("userns-remap") {
            second.map_users();
        }
        second.connect();
        second.start_daemon();
        second
    }

    /// Its raw API, over a socket that no cut reaches.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What a test sets as `DOCKER_HOST` to use it.
    #[must_use]
    pub fn docker_host(&self) -> String {
        format!("tcp://{}:{}", self.address(2), self.port())
    }

    /// An address on the cable between: 1 is this host, 2 the engine's, where published ports are reached.
    #[must_use]
    pub fn address(&self, host: u32) -> String {
        let base = self.number * 4 + host;
        format!("10.212.{}.{}", base >> 8, base & 255)
    }

    /// Ends the daemon as a service manager does; containers end with it.
    pub fn stop(&mut self) {
        self.end_daemon("TERM");
    }

    /// Ends the daemon without a moment to do anything; what watches its containers stays.
    pub fn kill(&mut self) {
        self.end_daemon("KILL");
    }

    /// Starts the daemon again on what it had.
    ///
    /// # Panics
    ///
    /// When it does not answer in the end.
    pub fn start_daemon(&mut self) {
        let folder = self.machine.folder().display();
        let command = format!(
            "dockerd --config-file {folder}/none.json --data-root {folder}/data --exec-root /run/docker \
             --pidfile /run/docker.pid --storage-driver vfs --cgroup-parent {} \
             --exec-opt native.cgroupdriver=cgroupfs {} --host unix:///var/run/docker.sock \
             --host unix://{folder}/docker.sock --host tcp://{}:{} {}",
            self.cgroup(),
            self.tls(),
            self.address(2),
            self.port(),
            self.options,
        );
        std::fs::write(self.machine.folder().join("none.json"), "{}").expect("room for a file");
        self.machine.run_engine(&command, &self.engine);
    }

    fn tls(&self) -> String {
        self.certificates.as_ref().map_or_else(
            || "--tls=false".to_owned(),
            |folder| {
                let folder = folder.path().display();
                format!("--tlsverify --tlscacert {folder}/ca.pem --tlscert {folder}/cert.pem --tlskey {folder}/key.pem")
            },
        )
    }

    fn port(&self) -> u16 {
        if self.certificates.is_some() { 2376 } else { 2375 }
    }

    /// Runs a line of shell on its machine.
    ///
    /// # Panics
    ///
    /// When the line fails.
    pub fn run(&mut self, line: &str) {
        self.machine.run(line);
    }

    /// Puts a cable between another machine and the engine's, which that machine knows under its usual address. Nothing leads
    /// from one such machine to another.
    ///
    /// # Panics
    ///
    /// When one of them does not take it, or there are four already.
    pub fn plug_in(&mut self, other: &mut Machine) {
        assert!(self.plugged < 4, "there are addresses for four");
        let base = (self.number * 4 + self.plugged) * 4;
        let address = |host: u32| {
            let number = base + host;
            format!("10.{}.{}.{}", 216 + (number >> 16), (number >> 8) & 255, number & 255)
        };
        let link = format!("host{}", self.plugged);
        self.plugged += 1;
        let (ours, theirs) = (self.machine.process(), other.process());
        let peer = ["peer", "name", &link, "netns", &ours];
        ip(&[&["link", "add", "eth0", "netns", &theirs, "type", "veth"][..], &peer].concat());
        self.machine.run(&format!("ip address add {}/30 dev {link} && ip link set {link} up", address(1)));
        other.run(&format!("ip address add {}/30 dev eth0 && ip link set eth0 up", address(2)));
        other.run(&format!("ip route add default via {}", address(1)));
    }

    /// From now on nothing passes to or from this client of a container, by the port on the client's own
    /// side; neither is told.
    pub fn silence(&mut self, client: u16) {
        for direction in ["--sport", "--dport"] {
            self.machine
                .run(&format!("iptables --insert FORWARD --protocol tcp {direction} {client} --jump DROP"));
        }
    }

    /// From now on nothing passes to any reaper's port, as where a firewall stands before it; nobody is told.
    pub fn wall_off_reapers(&mut self) {
        self.machine.run("iptables --insert FORWARD --protocol tcp --dport 8080 --jump DROP");
    }

    /// Has `nobody` some users to give to containers; on the engine's host alone.
    fn map_users(&mut self) {
        let folder = self.machine.folder().display().to_string();
        // The containers' root passes through it on his way to his files.
        self.machine.run(&format!("chmod 711 {folder}"));
        for file in ["subuid", "subgid"] {
            self.machine.run(&format!(
                "echo nobody:100000:65536 > {folder}/{file} && mount --bind {folder}/{file} /etc/{file}"
            ));
        }
    }

    /// What [`remains`] has to be asked once it is gone.
    #[must_use]
    pub fn traces(&self) -> (PathBuf, u32) {
        (self.machine.folder().to_owned(), self.number)
    }

    /// Where the containers' resources are accounted for; not where the system's engine has its own.
    fn cgroup(&self) -> String {
        format!("/reaper-tests-{}", self.number)
    }

    fn link(&self) -> String {
        format!("rpr{}", self.number)
    }

    /// A cable between this host and the engine's.
    fn connect(&mut self) {
        let link = self.link();
        let process = self.machine.process();
        let peer = ["peer", "name", "eth0", "netns", &process];
        ip(&[&["link", "add", &link, "type", "veth"][..], &peer].concat());
        ip(&["address", "add", &format!("{}/30", self.address(1)), "dev", &link]);
        ip(&["link", "set", &link, "up"]);
        let address = self.address(2);
        self.machine.run(&format!("ip address add {address}/30 dev eth0 && ip link set eth0 up"));
        // Containers answer this host through the engine's.
        let gateway = self.address(1);
        self.machine.run(&format!("ip route add default via {gateway}"));
    }

    fn end_daemon(&mut self, signal: &str) {
        // What it had started itself, containerd, ends a moment later; it must not be met by the next.
        self.machine.run(&format!(
            "kill -s {signal} $daemon; wait $daemon; until ! pidof containerd; do sleep 0.1; done; \
             rm -f /run/docker.pid"
        ));
    }
}

impl Drop for SecondEngine {
    fn drop(&mut self) {
        self.machine.end();
        let _ = Command::new("ip").args(["link", "delete", &self.link()]).stderr(Stdio::null()).status();
        for path in cgroups(&self.cgroup()) {
            let _ = std::fs::remove_dir(path);
        }
    }
}

/// What is left of an engine that was dropped, for whoever wants to be sure.
#[must_use]
pub fn remains(folder: &Path, number: u32) -> Vec<String> {
    let mut remains = machine::remains(folder);
    let link = PathBuf::from(format!("/sys/class/net/rpr{number}"));
    remains.extend(link.exists().then(|| format!("interface {}", link.display())));
    let groups = cgroups(&format!("/reaper-tests-{number}"));
    remains.extend(groups.iter().map(|path| format!("cgroup {}", path.display())));
    remains
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip");
    assert!(output.status.success(), "ip {arguments:?}: {}", crate::suite::text(&output));
}
