//! A place of a test's own, where processes have ended that nobody else can know of.
//!
//! Every test run on the engine removes the orphans that it finds, and so would those of these tests. A mark can be
//! judged only in the pid namespace that it names, so each test has one. Making it takes root.

use std::process::Command;
use std::time::Duration;

use reaper_tests::process::Process;
use reaper_tests::suite::Run;
use reaper_tests::{engine, until};
use serde_json::{Value, json};

use crate::reaper;

pub(crate) struct Elsewhere<'a> {
    run: &'a Run,
    /// Keeps the namespace.
    _holder: Process,
    /// Its first process, by the pid outside.
    first: String,
    /// `<boot>.<pid namespace>`
    host: String,
    made: Vec<String>,
}

impl<'a> Elsewhere<'a> {
    pub(crate) fn new(run: &'a Run) -> Self {
        let mut command = run.command("unshare");
        let holder =
            Process::start(command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "sleep", "300"]));
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let first = until("the namespace has its first process", Duration::from_secs(60), || {
            let child = std::fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
            let line = std::fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
            if line.starts_with("sleep") {
                Ok(child)
            } else {
                Err(format!("{child} {line} (this takes root)"))
            }
        });
        let namespace =
            std::fs::read_link(format!("/proc/{first}/ns/pid")).unwrap().to_string_lossy().into_owned();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let host = format!("{}.{}", boot.trim(), namespace.trim_matches(|c: char| !c.is_ascii_digit()));
        Self { run, _holder: holder, first, host, made: Vec::new() }
    }

    /// `reaper` with these arguments, in the namespace.
    pub(crate) fn reaper(&self, arguments: &[&str]) -> Command {
        let program = reaper(self.run, arguments);
        let mut command = self.run.command("nsenter");
        command
            .args(["-t", &self.first, "-p", "-m", "--"])
            .arg(program.get_program())
            .args(program.get_args());
        command
    }

    /// The mark of a process that has ended.
    pub(crate) fn gone(&self) -> String {
        format!("99999.1@{}", self.host)
    }

    /// The mark of one that runs.
    pub(crate) fn alive(&self) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.first)).unwrap();
        let started = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().to_owned();
        format!("1.{started}@{}", self.host)
    }

    /// Makes a volume of a session, with these labels besides.
    pub(crate) fn volume(&mut self, session: &str, labels: &[(&str, &str)]) {
        self.create(&format!("{session}-vol"), session, labels);
    }

    /// One more of that session.
    pub(crate) fn another(&mut self, session: &str, name: &str, labels: &[(&str, &str)]) {
        self.create(&format!("{session}-vol-{name}"), session, labels);
    }

    /// The same under a name that has nothing of the session's.
    pub(crate) fn labelled(&mut self, name: &str, session: &str) {
        self.create(&format!("{name}-{}", std::process::id()), session, &[]);
    }

    fn create(&mut self, name: &str, session: &str, labels: &[(&str, &str)]) {
        let mut all = json!({engine::SESSION: session});
        for (key, value) in labels {
            all[*key] = json!(value);
        }
        let (status, answer) =
            engine::request("POST", "/volumes/create", &json!({"Name": name, "Labels": all}));
        assert_eq!(status, 201, "{answer}");
        self.made.push(name.to_owned());
    }

    /// What ran a session and made this in it.
    pub(crate) fn owned_volume(&mut self, session: &str, mark: &str) {
        self.volume(session, &[("test-reaper.runner", mark), ("test-reaper.process", mark)]);
    }
}

impl Drop for Elsewhere<'_> {
    fn drop(&mut self) {
        for name in &self.made {
            // Most have been removed.
            let _ = engine::request("DELETE", &format!("/volumes/{name}"), &Value::Null);
        }
    }
}
