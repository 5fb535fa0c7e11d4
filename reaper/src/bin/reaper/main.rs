//! The command line: `reaper run`, `setup`, `ls`, `rm`, `doctor`, `completions`.
//!
//! On the library's public surface alone, so that it is also the first user of it. One file for each command; what
//! they have in common is the terminal.

mod arguments;
mod doctor;
mod ls;
mod rm;
mod run;
#[cfg(unix)]
mod setup;
mod terminal;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run(arguments) => Ok(run::run(&arguments)),
        #[cfg(unix)]
        Command::Setup => Ok(setup::set_up()),
        #[cfg(unix)]
        Command::Serve { session, runner } => Ok(setup::serve(&session, &runner)),
        Command::Ls(arguments) => block_on(async || ls::run(&arguments).await),
        Command::Rm(arguments) => block_on(async || rm::run(&arguments).await),
        Command::Doctor => block_on(async || doctor::run().await),
        Command::Completions { shell } => arguments::complete(shell).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        // Whoever read our output has had enough of it.
        if error.kind() != io::ErrorKind::BrokenPipe {
            terminal::say(&format!("failed to write: {error}"));
        }
        ExitCode::FAILURE
    })
}

fn block_on(command: impl AsyncFnOnce() -> io::Result<ExitCode>) -> io::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command())
}
