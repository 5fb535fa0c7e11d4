//! Projects that adopt the library, in `fixtures/adopted-*`: run as their users run them, ended in every way, and looked
//! at from outside.
//!
//! What they create is read from what they ask of the engine, through the proxy, and not from labels: an unchanged
//! project has none.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine;
use crate::process::Process;
use crate::proxy::{Decision, Proxy, Request};
use crate::suite::{Run, signal, succeeded};
use crate::until;

/// All processes of a run have it in their environment.
const MARK: &str = "ADOPTED_MARK";
/// Each project has one test that hangs where this is set.
const HANGS: &str = "ADOPTED_HANGS";
const HANGING: &str = "waits_for_a_message";
/// Of each project.
const TESTS: usize = 6;

const CONTAINERS: &str = "/containers";

const WITHIN: Duration = Duration::from_secs(120);

/// How far a project has adopted the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Not at all.
    Unchanged,
    /// Not at all, and the command is `reaper run --adopt`.
    Wrapped,
    /// `reaper::labels()` in its helper.
    OneLine,
    /// One container for the whole run.
    Shared,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All tests pass.
    Green,
    /// `kill -9` of the tests that run.
    TestsKilled,
    /// `kill -9` of everything.
    AllKilled,
    /// Ctrl-C.
    Interrupted,
    /// nextest's timeout.
    TimedOut,
}

/// What was seen of a run.
#[derive(Debug)]
pub struct Seen {
    /// How many containers it has created, its reaper left out.
    pub containers: usize,
    /// What is still there once every process has ended, of these, their volumes and its networks: paths of the engine's.
    pub left: Vec<String>,
    /// From the start of the command to its end.
    pub took: Duration,
    /// What the command has written.
    pub said: String,
}

impl Form {
    fn feature(self) -> &'static str {
        match self {
            Self::Unchanged | Self::Wrapped => "",
            Self::OneLine => "labels",
            Self::Shared => "shared",
        }
    }
}

impl Seen {
    /// How many containers are still there.
    #[must_use]
    pub fn containers_left(&self) -> usize {
        containers(&self.left)
    }
}

/// Runs a project; gives what was seen when nothing of it was left, or whatever is left where nobody removes it.
///
/// # Panics
///
/// When it does not build, does not end as it should, or leaves something that it should not.
#[must_use]
pub fn run(package: &'static str, form: Form, end: End) -> Seen {
    let run = Run::of(package);
    succeeded(
        &run.cargo(&["test", "--no-run", "--features", form.feature()]).output().expect("cargo starts"),
    );
    let mark = format!("{package}-{form:?}-{end:?}-{}", std::process::id());
    let created = Created::default();
    let proxy = Proxy::new({
        let created = created.clone();
        move |request| created.decide(request)
    });
    let mut command = command(&run, form, end);
    proxy.serve(command.env(MARK, &mark)).process_group(0);
    let errors = run.file("errors");
    let began = Instant::now();
    let mut process = Process::start_with_errors_in(&mut command, &errors);
    let said = || std::fs::read_to_string(&errors).unwrap_or_default();
    let needed = if form == Form::Shared { 1 } else { TESTS };
    let has_what_it_needs = || containers(&created.things()) >= needed;
    let hanging = || until_hanging(&mark, said, has_what_it_needs);
    match end {
        End::Green | End::TimedOut => {}
        End::TestsKilled => hanging().iter().for_each(|test| signal("KILL", test)),
        End::Interrupted => {
            hanging();
            signal("INT", &format!("-{}", process.id()));
        }
        End::AllKilled => {
            hanging();
            until("everything is killed", WITHIN, || {
                let all = marked(&mark);
                for process in &all {
                    let _ = Command::new("kill").args(["-s", "KILL", "--", process]).output();
                }
                if all.is_empty() { Ok(()) } else { Err(format!("{all:?}")) }
            });
        }
    }
    until("the run is over", WITHIN, || if process.is_running() { Err(said()) } else { Ok(()) });
    let took = began.elapsed();
    let output = process.output();
    assert_eq!(output.status.success(), end == End::Green, "{}", said());
    until("no process of it is left", WITHIN, || {
        let all = marked(&mark);
        if all.is_empty() { Ok(()) } else { Err(format!("{all:?}: {}", said())) }
    });
    let look = || created.things().into_iter().filter(|thing| engine::inspect(thing).is_some()).collect();
    let mut left: Vec<String> = look();
    if form != Form::Unchanged {
        until("nothing of it is left", WITHIN, || {
            left = look();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}: {}", said())) }
        });
    }
    Seen { containers: containers(&created.things()), left, took, said: said() }
}

/// Removes what an unchanged run has left.
pub fn remove(left: &[String]) {
    // While a container is there, its network and its volumes are in use.
    let (containers, others): (Vec<_>, Vec<_>) = left.iter().partition(|thing| thing.starts_with(CONTAINERS));
    for thing in containers.into_iter().chain(others) {
        let path = thing.strip_suffix("/json").unwrap_or(thing);
        let _ = engine::request("DELETE", &format!("{path}?force=1"), &Value::Null);
    }
}

fn command(run: &Run, form: Form, end: End) -> Command {
    let profile = if end == End::TimedOut { "hurried" } else { "default" };
    let inner = run.cargo(&["nextest", "run", "--profile", profile, "--features", form.feature()]);
    let mut command = if form == Form::Wrapped {
        let mut outer = run.command(&wrapper());
        outer.args(["run", "--adopt", "--"]).arg(inner.get_program()).args(inner.get_args());
        outer
    } else {
        inner
    };
    if end != End::Green {
        command.env(HANGS, "1");
    }
    command
}

/// The program `reaper`, which cargo builds beside the tests.
fn wrapper() -> String {
    let test = std::env::current_exe().expect("the path of the test");
    let program = test.ancestors().nth(2).unwrap_or(Path::new(".")).join("reaper");
    assert!(program.exists(), "{} is not there: build the workspace with --all-features", program.display());
    program.display().to_string()
}

/// Waits until the one test that hangs is the only one that runs, and has what it needs; gives its processes.
fn until_hanging(mark: &str, said: impl Fn() -> String, has_what_it_needs: impl Fn() -> bool) -> Vec<String> {
    let is_ready = || {
        let said = said();
        let passed = said.matches("PASS [").count();
        let tests = marked(mark).into_iter().filter(|process| {
            let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
            line.split('\0').any(|word| word == HANGING) && line.contains("/deps/")
        });
        let tests: Vec<_> = tests.collect();
        let hangs = tests.iter().any(|test| {
            std::fs::read_to_string(format!("/proc/{test}/environ"))
                .is_ok_and(|all| all.contains("NEXTEST_TEST_NAME"))
        });
        let is_ready = passed == TESTS - 1 && hangs && has_what_it_needs();
        if is_ready { Ok(tests) } else { Err(format!("{tests:?}: {said}")) }
    };
    until("all tests but one have passed", WITHIN, is_ready)
}

/// The processes of a run.
fn marked(mark: &str) -> Vec<String> {
    let expected = format!("{MARK}={mark}");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = processes.filter(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == expected.as_bytes())
    });
    ours.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

/// What the engine was asked to create: where it tells of each.
#[derive(Default, Clone)]
struct Created(Arc<Mutex<Vec<String>>>);

impl Created {
    fn decide(&self, request: &Request) -> Decision {
        let asks_for = |path: &str| request.line.starts_with("POST ") && request.line.contains(path);
        // What the library needs for itself is no business of the project's.
        let is_ours = request.line.contains("name=reaper_");
        let kind = [CONTAINERS, "/networks"].into_iter().find(|kind| asks_for(&format!("{kind}/create")));
        let Some(kind) = kind.filter(|_| !is_ours) else { return Decision::Pass };
        let created = self.clone();
        Decision::Change(Box::new(move |answer| {
            created.add(kind, &answer);
            answer
        }))
    }

    fn add(&self, kind: &str, answer: &str) {
        let answer: Value = serde_json::from_str(answer).unwrap_or_default();
        let Some(id) = answer["Id"].as_str() else { return };
        let container = engine::inspect(&format!("/containers/{id}/json")).unwrap_or_default();
        let mounts = container["Mounts"].as_array().into_iter().flatten();
        let volumes =
            mounts.filter_map(|mount| mount["Name"].as_str()).map(|name| format!("/volumes/{name}"));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(if kind == CONTAINERS { format!("{CONTAINERS}/{id}/json") } else { format!("{kind}/{id}") });
        all.extend(volumes);
    }

    fn things(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How many of these are containers.
fn containers(things: &[String]) -> usize {
    things.iter().filter(|thing| thing.starts_with(CONTAINERS)).count()
}
