//! `reaper run`: a session around a command.
//!
//! It prints on standard error alone, and only when there is something to say: standard output is the command's.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use reaper::runner::{End, Runner};
use reaper::{Error, Filter};
use serde_json::Value;

use crate::arguments::Run;
use crate::terminal::{counted, lines, plural, say};

/// The wrapper itself failed, as for `env`, `timeout` and `docker run`.
const NO_SESSION: u8 = 125;
const NOT_STARTED: u8 = 126;
const NOT_FOUND: u8 = 127;

pub(crate) fn run(arguments: &Run) -> ExitCode {
    let runner = match begin(arguments) {
        Ok(runner) => runner,
        Err(error) => {
            say(&format!("no session for the command, which was not started: {}", error.report()));
            return NO_SESSION.into();
        }
    };
    if arguments.verbose {
        say(&format!("session {}", runner.reaper().session()));
    }
    // There is one at least, or the arguments would have been refused.
    let Some((program, rest)) = arguments.command.split_first() else { return NOT_FOUND.into() };
    let outcome = runner.run(Command::new(program).args(rest));
    let program = program.to_string_lossy();
    // What is not to be had here is told by the end.
    for filter in runner.unmatched().unwrap_or_default() {
        say(&format!("nothing carries the label {filter} of --also, so nothing was removed for it"));
    }
    let session = runner.reaper().session().clone();
    let report = runner.report().map(Path::to_path_buf);
    match runner.end() {
        Ok(End::Removed(removed)) if removed.is_empty() => {}
        Ok(End::Removed(removed)) => {
            let (counts, lines) = (counted(&removed), lines(&removed));
            say(&format!("removed what `{program}` left, {counts}:\n{}", lines.trim_end()));
        }
        Ok(End::LeftToReaper { others }) => {
            let who = match others {
                Some(count) => {
                    format!(
                        "{} still {} session {session}",
                        plural(usize::try_from(count).unwrap_or(usize::MAX), "other"),
                        hold(count)
                    )
                }
                None => format!("its reaper does not tell whether others hold session {session}"),
            };
            say(&format!("{who}, so what `{program}` left is removed when nobody holds it any more"));
        }
        Ok(_) => {}
        Err(error) => say(&error.report()),
    }
    if let Some(report) = report {
        match summary(&report, session.as_str()) {
            Ok(summary) => say(&format!("{summary}; each is in {}", report.display())),
            Err(error) => say(&format!("failed to read the report in {}: {error}", report.display())),
        }
    }
    match outcome {
        Ok(status) => code(status).into(),
        Err(error) => {
            say(&format!("failed to start `{program}`: {error}"));
            if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_STARTED }.into()
        }
    }
}

fn begin(arguments: &Run) -> Result<Runner, Error> {
    let session = arguments.session.as_deref();
    let runner = match &arguments.report {
        Some(report) => Runner::begin_with_report(session, report)?,
        None => Runner::begin(session)?,
    };
    if arguments.adopt {
        runner.adopt()?;
    }
    for (key, value) in &arguments.also {
        runner.also(Filter::label(key, value)?)?;
    }
    Ok(runner)
}

/// How much of a session was removed, by why.
fn summary(report: &Path, session: &str) -> io::Result<String> {
    let text = std::fs::read_to_string(report)?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line)?;
        if line["session"] == session {
            *counts.entry(line["why"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
        }
    }
    let all: usize = counts.values().sum();
    let by: Vec<_> = counts.iter().map(|(why, count)| format!("{why} {count}")).collect();
    Ok(if all == 0 { "nothing was removed".into() } else { format!("removed {all}: {}", by.join(", ")) })
}

fn hold(count: u32) -> &'static str {
    if count == 1 { "holds" } else { "hold" }
}

/// As a shell has it in `$?`.
fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 | u8::try_from(signal).unwrap_or_default();
    }
    // A code above 255 is another platform's, and no shell of ours would show it.
    status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1))
}
