//! An engine of the tests' own: a dockerd that can be stopped and killed, and cut off from this host.
//!
//! It lives in namespaces of its own for processes, mounts and the network, like an engine on another
//! machine. A second dockerd in this machine's network was rejected: with other settings than the first, it
//! was seen to remove the first one's bridge. The namespaces hang on a shell that reads from a pipe which the
//! test holds, so all of it, mounts, interfaces, containers, ends with the test, however that ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::engine::Engine;
use crate::until;

const STARTS_WITHIN: Duration = Duration::from_secs(90);

/// What it takes, and where that comes from on Debian.
const PROGRAMS: [(&str, &str); 7] = [
    ("dockerd", "docker.io"),
    ("containerd", "containerd"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
    ("pidof", "sysvinit-utils"),
];

/// A running engine; removed with all that it had when dropped.
pub struct SecondEngine {
    shell: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    engine: Engine,
    folder: tempfile::TempDir,
    /// Of a network of two: this host, and the engine's.
    number: u32,
    options: &'static str,
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

    fn start_with(options: &'static str) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        require();
        let started = STARTED.fetch_add(1, Ordering::Relaxed);
        let number = std::process::id().wrapping_mul(7).wrapping_add(started) % (1 << 14);
        // Not under the usual folder for such: the engine's socket has to have a short path.
        let folder = tempfile::Builder::new().prefix("engine-").tempdir().expect("a temporary folder");
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"]);
        let log = std::fs::File::create(folder.path().join("shell.log")).expect("a log");
        let mut shell = unshare
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{unshare:?}: {error}"));
        let (commands, answers) = (shell.stdin.take(), shell.stdout.take().expect("a pipe"));
        let mut second = Self {
            shell,
            commands,
            answers: BufReader::new(answers),
            engine: Engine::at(folder.path().join("docker.sock")),
            folder,
            number,
            options,
        };
        // The system's engine has its own things in /run, which must not be met.
        second.run("mount -t tmpfs tmpfs /run && ip link set lo up");
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
        format!("tcp://{}:2375", self.address(2))
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
        let folder = self.folder.path().display();
        let command = format!(
            "dockerd --config-file {folder}/none.json --data-root {folder}/data --exec-root /run/docker \
             --pidfile /run/docker.pid --storage-driver vfs --cgroup-parent {} \
             --exec-opt native.cgroupdriver=cgroupfs --tls=false --host unix:///var/run/docker.sock \
             --host unix://{folder}/docker.sock --host tcp://{}:2375 {} >> {folder}/dockerd.log 2>&1 & daemon=$!",
            self.cgroup(),
            self.address(2),
            self.options,
        );
        std::fs::write(self.folder.path().join("none.json"), "{}").expect("room for a file");
        self.run(&command);
        until("the second engine answers", STARTS_WITHIN, || {
            if self.engine.answers() { Ok(()) } else { Err(self.tail()) }
        });
    }

    /// From now on nothing passes to or from this client of a container, by the port on the client's own
    /// side; neither is told.
    pub fn silence(&mut self, client: u16) {
        for direction in ["--sport", "--dport"] {
            self.run(&format!("iptables --insert FORWARD --protocol tcp {direction} {client} --jump DROP"));
        }
    }

    /// What [`remains`] has to be asked once it is gone.
    #[must_use]
    pub fn traces(&self) -> (PathBuf, u32) {
        (self.folder.path().to_owned(), self.number)
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
        let process = self.process();
        let peer = ["peer", "name", "eth0", "netns", &process];
        ip(&[&["link", "add", &link, "type", "veth"][..], &peer].concat());
        ip(&["address", "add", &format!("{}/30", self.address(1)), "dev", &link]);
        ip(&["link", "set", &link, "up"]);
        let address = self.address(2);
        self.run(&format!("ip address add {address}/30 dev eth0 && ip link set eth0 up"));
        // Containers answer this host through the engine's.
        let gateway = self.address(1);
        self.run(&format!("ip route add default via {gateway}"));
    }

    /// The shell as this host knows it: the child of `unshare`.
    fn process(&self) -> String {
        let children = format!("/proc/{0}/task/{0}/children", self.shell.id());
        let children = std::fs::read_to_string(&children).unwrap_or_default();
        children.split_whitespace().next().unwrap_or_else(|| panic!("unshare has no child")).to_owned()
    }

    fn end_daemon(&mut self, signal: &str) {
        // What it had started itself, containerd, ends a moment later; it must not be met by the next.
        self.run(&format!(
            "kill -s {signal} $daemon; wait $daemon; until ! pidof containerd; do sleep 0.1; done; \
             rm -f /run/docker.pid"
        ));
    }

    /// Runs a line of shell on the engine's host, and gives what it printed.
    fn run(&mut self, line: &str) -> Vec<String> {
        let commands = self.commands.as_mut().expect("the shell runs");
        let sent = writeln!(commands, "{line}\necho \"status $?\"").and_then(|()| commands.flush());
        sent.unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut printed = Vec::new();
        loop {
            let mut answer = String::new();
            let read = self.answers.read_line(&mut answer);
            match answer.trim_end().strip_prefix("status ") {
                Some("0") => return printed,
                None if read.is_ok_and(|count| count > 0) => printed.push(answer.trim_end().to_owned()),
                status => {
                    let log = std::fs::read_to_string(self.folder.path().join("shell.log"));
                    panic!("{line}: {status:?} {}", log.unwrap_or_default());
                }
            }
        }
    }

    fn tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("dockerd.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for SecondEngine {
    fn drop(&mut self) {
        // The shell has nothing more to read and ends, and with it, as the first of its processes, all.
        drop(self.commands.take());
        let _ = self.shell.wait();
        let _ = Command::new("ip").args(["link", "delete", &self.link()]).stderr(Stdio::null()).status();
        for path in cgroups(&self.cgroup()) {
            let _ = std::fs::remove_dir(path);
        }
    }
}

/// What is left of an engine that was dropped, for whoever wants to be sure.
#[must_use]
pub fn remains(folder: &Path, number: u32) -> Vec<String> {
    let folder = folder.display().to_string();
    let mut remains = Vec::new();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    for process in processes {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(&folder) {
            remains.push(format!("process {}", process.file_name().display()));
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    remains.extend(mounts.lines().filter(|line| line.contains(&folder)).map(|line| format!("mount {line}")));
    let link = PathBuf::from(format!("/sys/class/net/rpr{number}"));
    remains.extend(link.exists().then(|| format!("interface {}", link.display())));
    let groups = cgroups(&format!("/reaper-tests-{number}"));
    remains.extend(groups.iter().map(|path| format!("cgroup {}", path.display())));
    remains.extend(Path::new(&folder).exists().then(|| format!("folder {folder}")));
    remains
}

/// The folders of a control group in every hierarchy, the innermost first.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().filter_map(Result::ok);
    let roots = hierarchies.map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
    for root in roots {
        below(&root.join(name.trim_start_matches('/')), &mut found);
    }
    found
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
        below(&entry.path(), found);
    }
    found.push(folder.to_owned());
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip");
    assert!(output.status.success(), "ip {arguments:?}: {}", crate::suite::text(&output));
}

/// What a second engine takes; a test that cannot have it has not passed.
#[track_caller]
fn require() {
    let mut missing = Vec::new();
    let user = Command::new("id").arg("-u").output().map(|output| crate::suite::text(&output));
    if !user.is_ok_and(|id| id.trim() == "0") {
        missing.push("root, for namespaces and a dockerd".to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for (program, package) in PROGRAMS {
        if !std::env::split_paths(&path).any(|folder| folder.join(program).exists()) {
            missing.push(format!("the program `{program}`, on Debian from {package}"));
        }
    }
    assert!(
        missing.is_empty(),
        "this test starts an engine of its own, and that takes: {}; `cargo xtask test --setup` installs what \
         it can",
        missing.join("; ")
    );
}
