//! Processes that a test starts, and what the system says of any.
//!
//! A test that fails half-way must not leave a process that holds a session, so a [`Process`] is killed when it
//! is dropped. [`Runner`] is a runner that does what the test says: real ones are used wherever it matters what
//! they do, but none can be told to wait two seconds between two tests.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::Duration;

use crate::suite::{Run, signal, text};

/// For what a killed child has left in its pipes.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// A child with its output collected; killed when dropped, and heard where the test has failed.
pub struct Process {
    /// None once it was waited for.
    child: Option<Child>,
    /// Where its standard error is.
    errors: Option<PathBuf>,
}

impl Process {
    /// Starts a command.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        Self::of(crate::suite::spawn(command))
    }

    fn of(child: Child) -> Self {
        Self { child: Some(child), errors: None }
    }

    /// The same with its standard error in a file, for whoever wants to read that while it runs; it is part of what it printed
    /// all the same.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn start_with_errors_in(command: &mut Command, path: &Path) -> Self {
        let errors =
            std::fs::File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child: Some(child), errors: Some(path.to_owned()) }
    }

    /// Its pid.
    ///
    /// # Panics
    ///
    /// Never: the child is there until the end.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("there until the end").id()
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Kills it as `kill -9` does.
    ///
    /// # Panics
    ///
    /// When it had ended by itself.
    #[track_caller]
    pub fn kill(mut self) {
        if self.is_running() {
            signal("KILL", &self.id().to_string());
            let _ = self.output();
        } else {
            panic!("ended by itself: {}", text(&self.output()));
        }
    }

    /// Waits until it ends, which has to be a success, and gives what it printed.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "an assertion before anything else")]
    pub fn succeed(self) -> String {
        let output = self.output();
        assert!(output.status.success(), "{}: {}", output.status, text(&output));
        text(&output)
    }

    /// Waits until it ends, which has to be a failure, and gives what it printed.
    ///
    /// # Panics
    ///
    /// When it succeeds.
    #[track_caller]
    #[must_use]
    pub fn fail(self) -> String {
        let output = self.output();
        assert!(!output.status.success(), "should have failed: {}", text(&output));
        text(&output)
    }

    /// Waits until it ends, in whatever way.
    ///
    /// # Panics
    ///
    /// When its standard error was put into a file that is gone.
    #[must_use]
    pub fn output(mut self) -> Output {
        let child = self.child.take().expect("there until the end");
        let mut output = child.wait_with_output().expect("a child can be waited for");
        if let Some(path) = &self.errors {
            output.stderr = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        output
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            tell(child, self.errors.as_deref());
        }
    }
}

/// Prints what a child has said: whoever waited for it in vain wants to know. What it has left behind may hold its output open.
fn tell(child: Child, errors: Option<&Path>) {
    let (sender, said) = std::sync::mpsc::channel();
    let command = child.id();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match said.recv_timeout(HEARD_WITHIN) {
        Ok(Ok(output)) => eprintln!("the process {command}, killed now, had said:\n{}", text(&output)),
        Ok(Err(error)) => eprintln!("what the process {command} had said is not known: {error}"),
        Err(_) => eprintln!("the process {command} was killed, and its output is open all the same"),
    }
    // It may have been what could not be written.
    if let Some(Ok(said)) = errors.map(std::fs::read_to_string) {
        eprintln!("and as errors:\n{said}");
    }
}

/// A shell that goes by the name of cargo, and so is what the processes under it take for their runner.
pub struct Runner {
    process: Process,
    commands: ChildStdin,
}

impl Runner {
    /// Starts one, in the clean environment of a run and these variables.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(run: &Run, variables: &[(&str, &str)]) -> Self {
        let program = run.file("cargo");
        std::fs::copy("/bin/sh", &program).expect("a copy of the shell");
        let mut command = run.command(&program.to_string_lossy());
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the shell starts");
        let commands = child.stdin.take().expect("it was asked for");
        Self { process: Process::of(child), commands }
    }

    /// Its pid.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A line for the shell.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub fn run(&mut self, line: &str) {
        writeln!(self.commands, "{line}").expect("the runner reads");
    }

    /// Has it run one of the suite's tests; the shell waits for its end, unless the line goes on with `&`.
    pub fn test(&mut self, run: &Run, test: &str, and: &str) {
        let binary = run.binary("attribute");
        let program = binary.get_program().to_string_lossy().into_owned();
        self.run(&format!("'{program}' --exact {test} --include-ignored </dev/null {and}"));
    }

    /// Lets it end after the last line.
    ///
    /// # Panics
    ///
    /// When its last command failed.
    #[track_caller]
    pub fn end(self) {
        drop(self.commands);
        self.process.succeed();
    }
}

/// What the system says of a process.
#[derive(Debug)]
pub struct Facts {
    /// `T` when it is stopped.
    pub state: String,
    /// The group's id.
    pub group: u32,
    /// The session's id, which is its leader's.
    pub session: u32,
    /// 0 without a controlling terminal.
    pub terminal: i32,
    /// Processor time in ticks of the kernel's, usually a hundredth of a second.
    pub ticks: u64,
    /// How many times it has waited for something: one that is never woken waits once.
    pub waits: u64,
    /// The name in `ps`.
    pub name: String,
}

impl Facts {
    /// None when there is no such process.
    #[must_use]
    pub fn of(process: &str) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let (front, fields) = stat.rsplit_once(") ")?;
        let (_, name) = front.split_once('(')?;
        let fields: Vec<_> = fields.split(' ').collect();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let waits = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        let ticks: Vec<u64> = [11, 12].iter().filter_map(|index| fields.get(*index)?.parse().ok()).collect();
        Some(Self {
            state: (*fields.first()?).to_owned(),
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            terminal: fields.get(4)?.parse().ok()?,
            ticks: ticks.iter().sum(),
            waits: waits.trim().parse().ok()?,
            name: name.to_owned(),
        })
    }
}

/// The parent of a process.
#[must_use]
pub fn parent(process: &str) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1).map(str::to_owned)
}

/// The processes whose parent is this one, ended ones too.
#[must_use]
pub fn with_parent(expected: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = processes.map(|process| process.file_name().to_string_lossy().into_owned());
    names.filter(|process| parent(process).as_deref() == Some(expected)).collect()
}

/// The open descriptors of a process and what each leads to.
#[must_use]
pub fn descriptors(process: &str) -> Vec<(u32, String)> {
    let entries = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let target = std::fs::read_link(entry.path()).ok()?;
            Some((number, target.to_string_lossy().into_owned()))
        })
        .collect();
    found.sort();
    found
}

/// The memory that a process shares with nobody, in bytes.
///
/// # Panics
///
/// When there is no such process.
#[must_use]
pub fn private_memory(process: &str) -> u64 {
    let path = format!("/proc/{process}/smaps_rollup");
    let rollup = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    let kilobytes = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.sum::<u64>() << 10
}

/// The processes whose arguments contain all these.
#[must_use]
pub fn with_arguments(expected: &[&str]) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let fitting = processes.filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let arguments: Vec<_> = line.split('\0').collect();
        expected.iter().all(|expected| arguments.contains(expected))
    });
    fitting.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

/// This process as the library marks what one has created, written down here a second time.
///
/// # Panics
///
/// Where the system does not tell.
#[must_use]
pub fn mark_of_this() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the system tells of this process");
    let fields = stat.rsplit_once(") ").expect("a name in brackets").1;
    let started = fields.split(' ').nth(19).expect("a start time").to_owned();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot");
    let namespace = std::fs::read_link("/proc/self/ns/pid").expect("a namespace").display().to_string();
    let namespace = namespace.trim_matches(|c: char| !c.is_ascii_digit());
    format!("{}.{started}@{}.{namespace}", std::process::id(), boot.trim())
}
