//! The command line: `reaper run`, `ls`, `rm`, `doctor`, `completions`.
//!
//! On the library's public surface alone, so that it is also the first user of it. One file for each command; what
//! they have in common is the terminal.

mod arguments;
mod run;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
    }
}
