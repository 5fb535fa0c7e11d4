//! The crate in `fixtures/suite` and those beside it, built once and run as a user would run them, in a clean
//! environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::until;

const RECORDED_WITHIN: Duration = Duration::from_secs(150);

/// How a line begins that is no record, but says why there will be none.
const FAILED: &str = "FAILED ";

/// A folder for one run: the suite's log lies in it. Removed when dropped.
pub struct Run {
    package: &'static str,
    folder: tempfile::TempDir,
}

/// A line of the suite's log.
#[derive(Debug, Clone)]
pub struct Record {
    /// The test's name.
    pub test: String,
    /// nextest's attempt, from 1.
    pub attempt: String,
    /// The test process.
    pub pid: String,
    /// The session id that it derived.
    pub session: String,
    /// The reaper container it is connected to.
    pub reaper: String,
    /// The container it created; empty if none.
    pub container: String,
}

impl Run {
    /// A run that has logged nothing yet. The suite is built by then, so that no deadline has to wait for it.
    ///
    /// # Panics
    ///
    /// When there is no room for a temporary folder, or the suite does not build.
    #[must_use]
    pub fn new() -> Self {
        Self::of("suite")
    }

    /// The same for another of the packages in `fixtures`.
    ///
    /// # Panics
    ///
    /// As for [`Run::new`].
    #[must_use]
    pub fn of(package: &'static str) -> Self {
        let run = Self { package, ..Self::unbuilt() };
        run.with_binaries(|_| {});
        run
    }

    /// The same for what needs none of the suite.
    ///
    /// # Panics
    ///
    /// When there is no room for a temporary folder.
    #[must_use]
    pub fn unbuilt() -> Self {
        Self { package: "suite", folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// `cargo` with these arguments on the suite, with what it needs and nothing else in its environment.
    #[must_use]
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.args(arguments).args(["--locked", "--manifest-path"]).arg(self.manifest());
        command.arg("--target-dir").arg(target());
        self.clean(&mut command);
        command
    }

    /// Everything that the package is built of, a line each: name and version.
    #[must_use]
    pub fn tree(&self) -> Command {
        let mut command = Command::new("cargo");
        command.args(["tree", "--locked", "--prefix", "none", "--manifest-path"]).arg(self.manifest());
        self.clean(&mut command);
        command
    }

    /// One of the suite's test binaries by itself.
    ///
    /// # Panics
    ///
    /// When there is none of that name.
    #[must_use]
    pub fn binary(&self, name: &str) -> Command {
        let mut command = self.with_binaries(|binaries| Command::new(&binaries[name]));
        self.clean(&mut command);
        command
    }

    /// The build script of a package that the suite is built of.
    ///
    /// # Panics
    ///
    /// When it has none.
    #[must_use]
    pub fn build_script(&self, package: &str) -> PathBuf {
        let build = self.cargo(&["test", "--no-run", "--message-format", "json"]).output();
        let output = build.expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found = messages(&output).find_map(|message| {
            let is_script = message["target"]["kind"][0] == "custom-build";
            let id = message["package_id"].as_str()?;
            let path = message["filenames"][0].as_str()?;
            (is_script && id.contains(&format!("#{package}@"))).then(|| path.into())
        });
        found.unwrap_or_else(|| panic!("{package} has no build script"))
    }

    /// Any program, in the same environment.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.clean(&mut command);
        command
    }

    /// Makes a context, as the docker command itself writes one down.
    ///
    /// # Panics
    ///
    /// When the command does not do it.
    pub fn context(&self, name: &str, engine: &str) {
        let mut create = self.command("docker");
        create.args(["context", "create", name, "--docker", engine]).env_remove("DOCKER_HOST");
        succeeded(&create.output().expect("the docker command starts"));
    }

    /// What the suite's tests have logged so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.lines().iter().filter(|line| !line.starts_with(FAILED)).map(|line| Record::read(line)).collect()
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What a test has logged, once it has.
    ///
    /// # Panics
    ///
    /// When it has not within the time that a runner takes to get there, and at once when a test of the run
    /// could not create what it should.
    #[track_caller]
    #[must_use]
    pub fn until_recorded(&self, test: &str) -> Record {
        until(&format!("the test {test} has logged"), RECORDED_WITHIN, || {
            let failed = self.lines().into_iter().find(|line| line.starts_with(FAILED));
            assert!(failed.is_none(), "while waiting for the test {test}: {failed:?}");
            let records = self.records();
            let found = records.iter().find(|record| record.test == test).cloned();
            found.ok_or_else(|| format!("{records:?}"))
        })
    }

    /// A place for a file that belongs to this run.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn manifest(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(self.package).join("Cargo.toml")
    }

    /// The package's test binaries by name, built if they are not.
    fn with_binaries<T>(&self, take: impl FnOnce(&BTreeMap<String, PathBuf>) -> T) -> T {
        static BUILT: Mutex<BTreeMap<&str, BTreeMap<String, PathBuf>>> = Mutex::new(BTreeMap::new());
        // A build that failed has put nothing in.
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        take(built.entry(self.package).or_insert_with(|| self.build()))
    }

    fn build(&self) -> BTreeMap<String, PathBuf> {
        let build = self.cargo(&["test", "--no-run", "--message-format", "json"]).output();
        let output = build.expect("cargo starts");
        // What is on the other stream is for programs.
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let executable = |message: serde_json::Value| {
            let path = message["executable"].as_str()?.into();
            Some((message["target"]["name"].as_str()?.to_owned(), path))
        };
        messages(&output).filter_map(executable).collect()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Only what a login shell has: an outer cargo or nextest leaves variables that mean something to the
    /// inner one, and this machine's settings are not the test's. But for the engine, which is that of all tests.
    fn clean(&self, command: &mut Command) {
        command.env_clear().env("SUITE_LOG", self.log()).env("HOME", self.folder.path());
        for name in [
            "PATH",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "TMPDIR",
            "RUSTUP_TOOLCHAIN",
            "CARGO_INCREMENTAL",
            "DOCKER_HOST",
        ] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        // Another HOME would hide what cargo and rustup have installed under the usual one.
        if let Some(home) = std::env::home_dir() {
            for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
                if std::env::var_os(name).is_none() {
                    command.env(name, home.join(folder));
                }
            }
        }
    }
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

impl Record {
    fn read(line: &str) -> Self {
        let mut words = line.split(' ').map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        Self {
            test: next(),
            attempt: next(),
            pid: next(),
            session: next(),
            reaper: next(),
            container: next(),
        }
    }
}

/// What cargo has told of a build, with `--message-format json`.
fn messages(output: &Output) -> impl Iterator<Item = serde_json::Value> {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages: Vec<_> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    messages.into_iter()
}

/// The one session of all these tests, which have one reaper.
///
/// # Panics
///
/// When there is another session or reaper among them, or none.
#[track_caller]
#[must_use]
pub fn only_session(records: &[Record]) -> String {
    let sessions: BTreeSet<_> = records.iter().map(|record| &record.session).collect();
    let reapers: BTreeSet<_> = records.iter().map(|record| &record.reaper).collect();
    assert_eq!((sessions.len(), reapers.len()), (1, 1), "{records:#?}");
    records[0].session.clone()
}

/// What a command printed, both streams.
#[must_use]
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What a command printed that did what it should.
///
/// # Panics
///
/// When it did not.
#[track_caller]
#[expect(clippy::must_use_candidate, reason = "an assertion before anything else")]
pub fn succeeded(output: &Output) -> String {
    let text = text(output);
    assert!(output.status.success(), "{text}");
    text
}

/// Starts a command with its output collected.
///
/// # Panics
///
/// When it cannot be started.
#[track_caller]
pub fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// The pids of a session's keepers, by the name and argument that `ps` shows.
#[must_use]
pub fn keepers(session: &str) -> Vec<String> {
    let expected = format!("reaper-keeper\0--exact\0{session}\0");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let keepers = processes.filter(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|line| line == expected.as_bytes())
    });
    keepers.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

/// Waits until a session has no keeper any more.
///
/// # Panics
///
/// When it still has one.
#[track_caller]
pub fn until_no_keeper(session: &str) {
    until("the keeper is gone", Duration::from_secs(10), || {
        let keepers = keepers(session);
        if keepers.is_empty() { Ok(()) } else { Err(format!("{keepers:?}")) }
    });
}

/// Sends a signal to a process, or to a group by its negative id.
///
/// # Panics
///
/// When there is no such process.
#[track_caller]
pub fn signal(signal: &str, target: &str) {
    let status = Command::new("kill").args(["-s", signal, "--", target]).status().expect("kill");
    assert!(status.success(), "kill -s {signal} -- {target}: {status}");
}

/// The workspace's own, where most of what these packages depend on has been built already.
fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}
