//! `cargo xtask`: what a person or a machine does with this repository, written in Rust.
//!
//! A shell script was rejected for all but the entry: these commands start an engine, kill a process in the
//! middle of a test and read the engine's answers.

mod adoption;
mod application;
mod bench;
mod check;
mod compare;
mod demo;
mod fuzz;
mod images;
mod links;
mod minimal;
mod package;
mod plot;
mod podman;
mod progress;
mod python;
mod scopes;
mod setup;
mod socket;
mod step;
mod targets;
mod tests;
mod tools;
mod torture;

use std::process::ExitCode;
use std::time::Duration;

use podman::Podman;

const HELP: &str = "\
cargo xtask <command>

  setup            install what is missing for all but fuzz
  demo [--setup]   run tests in parallel processes, kill one, and show what the engine had and has
  test [--setup]   run all tests
  test --engine podman|podman-rootless [--setup]
                   run the end-to-end and the fault tests on a Podman that is started for them, root's or a user's, and
                   say which of them it cannot hold, each with the reason
  images [--setup] bring PostgreSQL, Redis and MariaDB to the engine: pulled, or built from Debian's packages, and
                   then under the names, too, by which testcontainers-modules asks for them
  bench [--setup]  the figures that are promised, each beside its floor; fails when one is missed
  bench --shared [--setup]
                   a hundred tests on one PostgreSQL, beside a container each and a OnceCell
  bench --scopes [--setup]
                   a hundred tests that clean nothing up: how many containers there are at once, how soon each goes, and
                   the plot of it that is in the README
  bench --application [--setup]
                   the sixty tests of examples/application with a reaper and without: containers, time, what is left
                   after kill -9
  bench --adoption [--setup]
                   four projects before and after they adopt the library: what they start, how long they take, and what is
                   left however a run ends
  bench --socket [--setup]
                   what it costs that creations are adopted: requests, streams, many clients, memory
  releases [--setup]
                   the library beside each release of testcontainers that it promises to stand beside, and below
                   `#[sqlx::test]`
  fuzz [--setup] [--seconds N]
                   feed the embedded server's readers with what nobody would send, N seconds each (60)
  torture [--setup] [--quick] [--seed <number>]
                   kills test processes, runners, keepers and reapers many times at random moments,
                   for at most 15 minutes, and prints what was left; --quick is a tenth of it
  package [--setup]
                   both packages as a registry would have them, and a crate of a stranger's on top of them
  check [--setup]  format, spelling, lints with every pair of features and for other systems, the lowest releases of
                   dependencies, their licences and sources, documentation and its links

  --setup          install what is missing (cargo-nextest, or cargo-fuzz, or what check runs; the targets with musl, for
                   the embedded server; on Debian or Ubuntu as root the engine, and for the tests Podman, docker-compose and
                   what makes networks)
                   and say so; without it the command says what is missing
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [command, .., "--help" | "-h"] => help_for(command),
        ["setup"] => setup::require_for_tests(true),
        ["demo"] => setup::require(false).and_then(|()| demo::run()),
        ["demo", "--setup"] => setup::require(true).and_then(|()| demo::run()),
        ["test", options @ ..] => test(options),
        ["releases"] => {
            setup::require(false).and_then(|()| images::run(false)).and_then(|()| tests::releases())
        }
        ["releases", "--setup"] => {
            setup::require(true).and_then(|()| images::run(true)).and_then(|()| tests::releases())
        }
        ["images"] => setup::engine(false).and_then(|()| images::run(false)),
        ["images", "--setup"] => setup::engine(true).and_then(|()| images::run(true)),
        ["bench"] => setup::require(false).and_then(|()| bench::run()),
        ["bench", "--setup"] => setup::require(true).and_then(|()| bench::run()),
        ["bench", "--shared"] => {
            setup::require(false).and_then(|()| images::run(false)).and_then(|()| compare::run())
        }
        ["bench", "--shared", "--setup"] => {
            setup::require(true).and_then(|()| images::run(true)).and_then(|()| compare::run())
        }
        ["bench", "--application"] => {
            setup::require(false).and_then(|()| images::run(false)).and_then(|()| application::run())
        }
        ["bench", "--application", "--setup"] => {
            setup::require(true).and_then(|()| images::run(true)).and_then(|()| application::run())
        }
        ["bench", "--socket"] => setup::require(false).and_then(|()| socket::run()),
        ["bench", "--socket", "--setup"] => setup::require(true).and_then(|()| socket::run()),
        ["bench", "--scopes"] => setup::require(false).and_then(|()| scopes::run()),
        ["bench", "--scopes", "--setup"] => setup::require(true).and_then(|()| scopes::run()),
        ["bench", "--adoption"] => {
            setup::require(false).and_then(|()| images::run(false)).and_then(|()| adoption::run())
        }
        ["bench", "--adoption", "--setup"] => {
            setup::require(true).and_then(|()| images::run(true)).and_then(|()| adoption::run())
        }
        ["fuzz", options @ ..] => fuzz(options),
        ["torture", options @ ..] => {
            let (setup, options): (Vec<&str>, Vec<&str>) =
                options.iter().partition(|option| **option == "--setup");
            setup::require(!setup.is_empty()).and_then(|()| torture::run(&options))
        }
        ["package"] => setup::require(false).and_then(|()| package::run()),
        ["package", "--setup"] => setup::require(true).and_then(|()| package::run()),
        ["check"] => setup::require_for_check(false).and_then(|()| check::check()),
        ["check", "--setup"] => setup::require_for_check(true).and_then(|()| check::check()),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown command {:?}\n\n{HELP}", other.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// What the list says of one command.
fn help_for(command: &str) -> Result<(), String> {
    let (mut said, mut is_of_it) = (String::new(), false);
    for line in HELP.lines().skip(2) {
        let is_first = line.starts_with("  ") && !line.starts_with("   ");
        if is_first {
            is_of_it = line.split_whitespace().next() == Some(command);
        }
        if is_of_it {
            said.push_str(line);
            said.push('\n');
        }
    }
    if said.is_empty() {
        return Err(format!("unknown command {command:?}\n\n{HELP}"));
    }
    print!("cargo xtask\n\n{said}");
    Ok(())
}

fn test(mut options: &[&str]) -> Result<(), String> {
    let (mut install, mut engine) = (false, None);
    while !options.is_empty() {
        options = match options {
            ["--setup", rest @ ..] => {
                install = true;
                rest
            }
            ["--engine", name, rest @ ..] => {
                engine = Some(Podman::named(name)?);
                rest
            }
            other => return Err(format!("unknown option {:?}\n\n{HELP}", other.join(" "))),
        };
    }
    setup::require_for_tests(install)?;
    images::run(install)?;
    engine.map_or_else(tests::run, |podman| podman::run(podman, install))
}

fn fuzz(mut options: &[&str]) -> Result<(), String> {
    let (mut install, mut each) = (false, fuzz::USUALLY);
    while !options.is_empty() {
        options = match options {
            ["--setup", rest @ ..] => {
                install = true;
                rest
            }
            ["--seconds", number, rest @ ..] => {
                let seconds = number.parse().ok().filter(|seconds| *seconds > 0);
                each = Duration::from_secs(
                    seconds.ok_or(format!("--seconds is {number:?}, but must be a whole number above 0"))?,
                );
                rest
            }
            other => return Err(format!("unknown option {:?}\n\n{HELP}", other.join(" "))),
        };
    }
    setup::require_fuzzer(install)?;
    fuzz::run(each)
}
