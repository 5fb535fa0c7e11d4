//! `reaper setup`: nextest's setup script, and the process that it leaves behind.

use std::fs::File;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};

use reaper::setup;

use crate::terminal::say;

/// The file into which a setup script writes the variables for the tests.
const VARIABLES: &str = "NEXTEST_ENV";

pub(crate) fn set_up() -> ExitCode {
    let Some(path) = std::env::var_os(VARIABLES) else {
        say(&format!(
            "`reaper setup` is a setup script for nextest, which names a file for its variables in {VARIABLES}; for any other \
             command there is `reaper run --adopt -- <command>`"
        ));
        return ExitCode::FAILURE;
    };
    let server = std::env::current_exe().map(|program| {
        let mut server = Command::new(program);
        server.arg("serve");
        server
    });
    let variables = server
        .map_err(|error| error.to_string())
        .and_then(|mut server| setup::set_up(&mut server).map_err(|error| error.report()));
    let outcome = variables.and_then(|variables| {
        write(&path, &variables).map_err(|error| format!("failed to write {}: {error}", path.display()))
    });
    outcome.map_or_else(
        |problem| {
            say(&problem);
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// A variable that must not be there cannot be taken away; an empty one counts as none.
fn write(path: &std::ffi::OsStr, variables: &[setup::Variable]) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    for (name, value) in variables {
        match value {
            Some(value) => writeln!(file, "{name}={value}")?,
            None if std::env::var_os(name).is_some() => writeln!(file, "{name}=")?,
            None => {}
        }
    }
    Ok(())
}

pub(crate) fn serve(session: &str, runner: &str) -> ExitCode {
    // Whoever started it has been told.
    if setup::serve(session, runner).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
