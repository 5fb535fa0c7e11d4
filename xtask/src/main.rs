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
mod figures;
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
mod tls;
mod tools;
mod torture;

use std::process::ExitCode;
use std::time::Duration;

use podman::Podman;

const HELP: &str = "\
cargo xtask <command>

  setup            install what is missing for all but fuzz
  demo [--setup]   run tests in parallel processes, kill one, and show what the engine had and has
  test [--setup]   run the suite: all tests but those of `projects`
  test --engine podman|podman-rootless [--setup]
                   run the end-to-end and the fault tests on a Podman that is started for them, root's or a user's, and
                   say which of them it cannot hold, each with the reason
  images [--setup] bring PostgreSQL, Redis and MariaDB to the engine: pulled, or built from Debian's packages, and
                   then under the names, too, by which testcontainers-modules asks for them
  bench [--setup]  the figures that are promised, each beside its floor; fails when one is missed
  bench --tls [--setup]
                   what goes to an engine over TLS, each beside its floor; takes root, for an engine of its own
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
  projects [--setup]
                   what takes long of what others have: projects that adopt the library, in each form, below `#[sqlx::test]`,
                   beside each release of testcontainers, in each edition; clients of the engine over the socket that adopts
  fuzz [--setup] [--seconds N]
                   feed the embedded server's readers with what nobody would send, N seconds each (60)
  torture [--setup] [--quick] [--seed <number>]
                   kills test processes, runners, keepers and reapers many times at random moments,
                   for at most 15 minutes, and prints what was left; --quick is a tenth of it
  package [--setup]
                   both packages as a registry would have them, and a crate of a stranger's on top of them
  check [--setup]  format, spelling, lints with each feature and for other systems, the lowest releases of dependencies,
                   their licences and sources, documentation and its links
  check --pairs [--setup]
                   lints with every pair of features

  --setup          install what is missing (cargo-nextest, or cargo-fuzz, or what check runs; the targets with musl, for
                   the embedded server; on Debian or Ubuntu as root the engine, and for the tests Podman, docker-compose and
                   what makes networks)
                   and say so; without it the command says what is missing
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (setup, rest): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| *argument == "--setup");
    match run(&rest, !setup.is_empty()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str], install: bool) -> Result<(), String> {
    let engine = || setup::require(install);
    let with_images = || engine().and_then(|()| images::run(install));
    match arguments {
        [command, .., "--help" | "-h"] => help_for(command),
        ["setup"] => setup::require_for_projects(true).and_then(|()| setup::require_for_check(true)),
        ["demo"] => engine().and_then(|()| demo::run()),
        ["test", options @ ..] => test(options, install),
        ["projects"] => {
            setup::require_for_projects(install)?;
            images::run(install).and_then(|()| tests::projects())
        }
        ["images"] => setup::engine(install).and_then(|()| images::run(install)),
        ["bench"] => engine().and_then(|()| bench::run()),
        ["bench", "--tls"] => setup::require_for_tests(install).and_then(|()| bench::run_over_tls()),
        ["bench", "--shared"] => with_images().and_then(|()| compare::run()),
        ["bench", "--application"] => with_images().and_then(|()| application::run()),
        ["bench", "--socket"] => engine().and_then(|()| socket::run()),
        ["bench", "--scopes"] => engine().and_then(|()| scopes::run()),
        ["bench", "--adoption"] => with_images().and_then(|()| adoption::run()),
        ["fuzz", options @ ..] => fuzz(options, install),
        ["torture", options @ ..] => engine().and_then(|()| torture::run(options)),
        ["package"] => engine().and_then(|()| package::run()),
        ["check"] => setup::require_for_check(install).and_then(|()| check::check()),
        ["check", "--pairs"] => setup::require_for_check(install).and_then(|()| check::pairs()),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown command {:?}\n\n{HELP}", other.join(" "))),
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

fn test(options: &[&str], install: bool) -> Result<(), String> {
    let podman = match options {
        [] => None,
        ["--engine", name] => Some(Podman::named(name)?),
        other => return Err(format!("unknown option {:?}\n\n{HELP}", other.join(" "))),
    };
    setup::require_for_tests(install)?;
    images::run(install)?;
    podman.map_or_else(tests::run, podman::run)
}

fn fuzz(options: &[&str], install: bool) -> Result<(), String> {
    let each = match options {
        [] => fuzz::USUALLY,
        ["--seconds", number] => {
            let seconds = number.parse().ok().filter(|seconds| *seconds > 0);
            Duration::from_secs(
                seconds.ok_or(format!("--seconds is {number:?}, but must be a whole number above 0"))?,
            )
        }
        other => return Err(format!("unknown option {:?}\n\n{HELP}", other.join(" "))),
    };
    setup::require_fuzzer(install)?;
    fuzz::run(each)
}
