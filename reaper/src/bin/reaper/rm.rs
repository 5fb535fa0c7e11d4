//! `reaper rm`: removes sessions, or the orphans of all, and asks before.
//!
//! All that was named is looked up before anything is removed: a slip in the second name must not leave the first
//! removed. Without a terminal nobody can be asked, so nothing is removed unless `--yes` says so.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use reaper::sessions::{Removal, Resource, Runner, Session, list};

use crate::arguments::Rm;
use crate::terminal::{age, counted, lines, plural, printable, put, say, short};

pub(crate) async fn run(arguments: &Rm) -> io::Result<ExitCode> {
    let sessions = match list().await {
        Ok(sessions) => sessions,
        Err(error) => {
            say(&error.report());
            return Ok(ExitCode::FAILURE);
        }
    };
    let chosen = match choose(&sessions, arguments) {
        Ok(chosen) => chosen,
        Err(problem) => {
            say(&format!("{problem}; nothing was removed"));
            return Ok(ExitCode::FAILURE);
        }
    };
    if chosen.is_empty() {
        say("there are no orphans");
        return Ok(ExitCode::SUCCESS);
    }
    let plan: Vec<_> = chosen.iter().map(|session| what(session, arguments.orphans)).collect();
    for (session, resources) in chosen.iter().zip(&plan) {
        put(&describe(session, resources))?;
    }
    let all: Vec<_> = plan.concat();
    let total = format!("{} of {}", counted(&all), plural(chosen.len(), "session"));
    if arguments.dry_run {
        put(&format!("would remove {total}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes && !agreed(&total)? {
        return Ok(ExitCode::FAILURE);
    }
    let mut complete = true;
    for session in chosen {
        let removal = if arguments.orphans { session.remove_orphans().await } else { session.remove().await };
        complete &= removal.left.is_empty();
        report(session, &removal)?;
    }
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn choose<'a>(sessions: &'a [Session], arguments: &Rm) -> Result<Vec<&'a Session>, String> {
    if arguments.orphans {
        return Ok(sessions.iter().filter(|session| session.orphans().next().is_some()).collect());
    }
    let mut chosen: Vec<&Session> = Vec::new();
    for prefix in &arguments.sessions {
        let session = find(sessions, prefix)?;
        if !chosen.iter().any(|other| other.id() == session.id()) {
            chosen.push(session);
        }
    }
    Ok(chosen)
}

/// The session of this id, else the only one whose id begins so.
fn find<'a>(sessions: &'a [Session], prefix: &str) -> Result<&'a Session, String> {
    if let Some(exact) = sessions.iter().find(|session| session.id() == prefix) {
        return Ok(exact);
    }
    let found: Vec<_> = sessions.iter().filter(|session| session.id().starts_with(prefix)).collect();
    match found.as_slice() {
        [session] if !prefix.is_empty() => Ok(session),
        [] => Err(format!("no session on this engine begins with {prefix:?}")),
        several => {
            let ids: Vec<_> = several.iter().map(|session| session.id()).collect();
            Err(format!("several sessions begin with {prefix:?}: {}", ids.join(", ")))
        }
    }
}

fn what(session: &Session, orphans: bool) -> Vec<Resource> {
    if orphans { session.orphans().collect() } else { session.resources().collect() }
}

fn describe(session: &Session, resources: &[Resource]) -> String {
    let runner = match session.runner() {
        Runner::Alive { pid } => format!("its runner, process {pid}, is alive and will miss what is removed"),
        Runner::Gone => "its runner is gone".to_owned(),
        _ => "its runner is not known".to_owned(),
    };
    let reaper = if session.reaper().is_some() { "; its reaper goes last" } else { "" };
    let id = printable(short(session.id(), &[]));
    format!("session {id}, {} old, {runner}{reaper}\n{}", age(session.created()), lines(resources))
}

/// Whether the user says so, who has to be there.
fn agreed(total: &str) -> io::Result<bool> {
    let input = io::stdin();
    if !input.is_terminal() {
        say("nobody can be asked where standard input is no terminal; nothing was removed: say --yes");
        return Ok(false);
    }
    let mut output = io::stderr().lock();
    write!(output, "remove {total}? [y/N] ")?;
    output.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    let agreed = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !agreed {
        writeln!(output, "nothing was removed")?;
    }
    Ok(agreed)
}

fn report(session: &Session, removal: &Removal) -> io::Result<()> {
    let id = printable(short(session.id(), &[]));
    put(&format!("removed {} of session {id}\n", counted(&removal.removed)))?;
    for left in &removal.left {
        say(&format!("left of session {id}: {left}"));
    }
    Ok(())
}
