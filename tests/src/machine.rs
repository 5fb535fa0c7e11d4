//! A machine of the test's own, as far as an engine sees one: namespaces for processes, mounts and the network.
//!
//! They hang on a shell that reads from a pipe which the test holds, so all of it, processes, mounts, interfaces,
//! containers, ends with the test, however that ends. An engine beside the system's in this machine's network was
//! rejected: with other settings than the first, a second dockerd was seen to remove the first one's bridge.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use reaper_tests_engine::programs::{self, Program};

use crate::engine::Engine;
use crate::until;

const STARTS_WITHIN: Duration = Duration::from_secs(90);

/// It ends when this is dropped.
pub struct Machine {
    shell: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Machine {
    /// One that has these programs besides.
    ///
    /// # Panics
    ///
    /// When this machine cannot have one; says what is missing.
    #[must_use]
    pub fn start(programs: &[Program]) -> Self {
        require(programs);
        // Not under the usual folder for such: the engine's socket has to have a short path.
        let mut builder = tempfile::Builder::new();
        // For a user's engine, and for who is in the group that may use another's.
        let builder = builder.prefix("engine-").permissions(Permissions::from_mode(0o755));
        let folder = builder.tempdir().expect("a temporary folder");
        // bash, since the first of all processes is who has to wait for those whose parents have ended: other shells do not.
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash"]);
        let log = std::fs::File::create(folder.path().join("shell.log")).expect("a log");
        let mut shell = unshare
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{unshare:?}: {error}"));
        let (commands, answers) = (shell.stdin.take(), shell.stdout.take().expect("a pipe"));
        let mut machine = Self { shell, commands, answers: BufReader::new(answers), folder };
        // The system's engine has its own things in /run, which must not be met.
        machine.run("mount -t tmpfs tmpfs /run && ip link set lo up");
        machine
    }

    /// Both see it under this path.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its first process as this host knows it: the child of `unshare`.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn process(&self) -> String {
        let children = format!("/proc/{0}/task/{0}/children", self.shell.id());
        let children = std::fs::read_to_string(&children).unwrap_or_default();
        children.split_whitespace().next().unwrap_or_else(|| panic!("unshare has no child")).to_owned()
    }

    /// Runs a line of shell on it, and gives what that printed.
    ///
    /// # Panics
    ///
    /// When the line fails.
    pub fn run(&mut self, line: &str) -> Vec<String> {
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
                status => panic!("{line}: {status:?} {}", self.log("shell")),
            }
        }
    }

    /// The same command, run on it with the same environment.
    ///
    /// # Panics
    ///
    /// When it has ended.
    #[must_use]
    pub fn enter(&self, command: &Command) -> Command {
        let mut entered = Command::new("nsenter");
        entered.args(["--target", &self.process(), "--mount", "--net", "--pid", "--"]);
        entered.arg(command.get_program()).args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            entered.envs(value.map(|value| (name, value)));
        }
        entered
    }

    /// From now on it has shared memory, state and caches of its own, which anybody may write to.
    pub(crate) fn hide_state(&mut self) {
        self.run(
            "for folder in /dev/shm /var/lib /var/cache; do mount -t tmpfs -o mode=1777 tmpfs $folder; done",
        );
    }

    /// The same command in a clean environment and its own, started where this machine's network is, and everything else this
    /// host's.
    ///
    /// # Panics
    ///
    /// When it has ended.
    #[must_use]
    pub fn with_network(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net=/proc/{}/ns/net", self.process())).arg("--");
        inside.arg(command.get_program()).args(command.get_args());
        inside.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside
    }

    /// Starts an engine, which the shell knows as `$daemon` then, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not answer in the end.
    pub fn run_engine(&mut self, command: &str, engine: &Engine) {
        let log = self.folder().join("engine.log");
        self.run(&format!("{command} >> {} 2>&1 & daemon=$!", log.display()));
        until("the engine answers", STARTS_WITHIN, || {
            if engine.answers() { Ok(()) } else { Err(self.log("engine")) }
        });
    }

    /// The end of a log.
    #[must_use]
    pub fn log(&self, name: &str) -> String {
        let log = std::fs::read_to_string(self.folder().join(format!("{name}.log"))).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// Ends it before it is dropped.
    pub fn end(&mut self) {
        // The shell has nothing more to read and ends, and with it, as the first of its processes, all.
        drop(self.commands.take());
        let _ = self.shell.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}

/// What is left of a machine that was dropped, by its folder.
#[must_use]
pub fn remains(folder: &Path) -> Vec<String> {
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
    remains.extend(Path::new(&folder).exists().then(|| format!("folder {folder}")));
    remains
}

/// The folders of a control group in every hierarchy, the innermost first.
#[must_use]
pub fn cgroups(name: &str) -> Vec<PathBuf> {
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

/// What a machine takes; a test that cannot have it has not passed.
#[track_caller]
pub(crate) fn require(besides: &[Program]) {
    let mut missing = Vec::new();
    if !programs::is_root() {
        missing.push("root, for namespaces and an engine".to_owned());
    }
    for (program, package) in programs::missing(programs::MACHINE.iter().chain(besides)) {
        missing.push(format!("the program `{program}`, on Debian from {package}"));
    }
    assert!(
        missing.is_empty(),
        "this test starts an engine of its own, and that takes: {}; `cargo xtask test --setup` installs what \
         it can",
        missing.join("; ")
    );
}
