//! The commands that are printed where `REAPER_KEEP` keeps something: as they are printed, in a shell.

use std::process::Command;
use std::time::Duration;

use reaper_tests::bystander::Bystander;
use reaper_tests::engine::{self, Engine};
use reaper_tests::process::Process;
use reaper_tests::suite::{Run, succeeded};
use reaper_tests::{until, world};

/// A run that keeps, and goes on: its reaper is there, and has printed what to do.
struct Keeping {
    session: String,
    reaper: String,
    commands: Vec<String>,
    process: Process,
    /// With what the process prints.
    _run: Run,
}

impl Keeping {
    fn start(name: &str) -> Self {
        let run = Run::new();
        let session = format!("{name}-{}", std::process::id());
        let printed = run.file("printed");
        let mut command = run.binary("attribute");
        command.args(["--exact", "holds", "--include-ignored", "--nocapture"]);
        command.env("TESTCONTAINERS_SESSION_ID", &session).env("REAPER_KEEP", "always");
        command.env("RYUK_RECONNECTION_TIMEOUT", "1s");
        let process = Process::start_with_errors_in(&mut command, &printed);
        let reaper = run.until_recorded("holds").reaper;
        let printed = std::fs::read_to_string(printed).unwrap();
        let commands: Vec<_> = printed
            .lines()
            .filter_map(|line| line.strip_prefix("  docker"))
            .map(|rest| format!("docker{rest}"))
            .collect();
        assert_eq!(commands.len(), 4, "{printed}");
        Self { session, reaper, commands, process, _run: run }
    }

    #[track_caller]
    fn remove_by_hand(&self) {
        for command in &self.commands {
            let output = Command::new("sh").args(["-c", command]).output().unwrap();
            println!("{command}: {}", succeeded(&output));
        }
        assert_eq!(engine::resources(&self.session), [format!("container {}", self.reaper)]);
        let state = engine::inspect(&format!("/containers/{}/json", self.reaper)).unwrap()["State"].clone();
        assert_eq!(state["Running"], true, "{state}");
    }

    fn end(self) {
        self.process.kill();
        until("the reaper is gone", Duration::from_secs(60), || match engine::resources(&self.session) {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        });
    }
}

#[test]
fn what_is_printed_removes_what_was_kept_and_not_the_running_reaper() {
    let engine = Engine::system();
    let bystander = Bystander::new();
    let keeping = Keeping::start("by-hand");
    let labels = world::of_session(&keeping.session);
    world::fill(&engine, &keeping.session, 2, 2);
    let container = world::container(&engine, world::image(&engine), &labels, None);
    world::start(&engine, &container);
    let _ = world::commit(&engine, &container, &format!("{}-image", keeping.session), &labels);
    keeping.remove_by_hand();
    bystander.assert_untouched();
    keeping.end();
}

#[test]
fn what_is_printed_does_so_where_no_container_was_kept_and_where_nothing_was() {
    let engine = Engine::system();
    let keeping = Keeping::start("by-hand-too");
    let labels = world::of_session(&keeping.session);
    world::network(&engine, &format!("{}-net", keeping.session), &labels);
    world::volume(&engine, &format!("{}-vol", keeping.session), &labels);
    keeping.remove_by_hand();
    keeping.remove_by_hand();
    keeping.end();
}
