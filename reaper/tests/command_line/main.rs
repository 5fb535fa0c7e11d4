//! The program `reaper` as a user runs it, on a real engine that is looked at from outside.
//!
//! Here and not in the package of the other end-to-end tests, since cargo tells only the tests of its own package
//! where the program is.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod adopt;
mod adopt_load;
#[cfg(feature = "tls")]
mod broken;
mod clients;
mod contexts;
mod doctor;
mod elsewhere;
mod foreign;
mod help;
mod listing;
mod removal;
mod run;
mod setup;
mod signals;
mod swarm;
mod unembedded;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use reaper_tests::suite::Run;

/// The label of a session, as the docker command takes it.
const LABELLED: &str = "--label org.testcontainers.sessionId=$TESTCONTAINERS_SESSION_ID";

/// The program, in the clean environment of a run.
fn reaper(run: &Run, arguments: &[&str]) -> Command {
    let mut command = run.command(env!("CARGO_BIN_EXE_reaper"));
    command.args(arguments);
    command
}

/// A name of this test's own, for a session and what is in it.
fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// The program on a terminal of its own, on which this is typed.
fn on_terminal(run: &Run, command: &str, typed: &str) -> Output {
    let mut terminal = run.command("script");
    terminal.args(["-q", "-e", "-c", command, "/dev/null"]).env("TERM", "xterm");
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut terminal = terminal.spawn().unwrap();
    // It stays open until the program has ended, for `script` would end with it.
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    let output = terminal.wait_with_output().unwrap();
    drop(keyboard);
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
