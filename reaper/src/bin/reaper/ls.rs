//! `reaper ls`: the sessions on the engine, as a table and as JSON.

use std::io;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use reaper::sessions::{Kind, Maker, Reaper, Resource, Runner, Scope, Session, list};
use serde_json::{Value, json};

use crate::arguments::Ls;
use crate::terminal::{Colour, age, counted, printable, put, say, short};

pub(crate) async fn run(arguments: &Ls) -> io::Result<ExitCode> {
    let sessions = match list().await {
        Ok(sessions) => sessions,
        Err(error) => {
            say(&error.report());
            return Ok(ExitCode::FAILURE);
        }
    };
    if arguments.json {
        let all = Value::Array(sessions.iter().map(as_json).collect());
        put(&format!("{all:#}\n"))?;
    } else if sessions.is_empty() {
        say("no session has anything on this engine");
    } else {
        put(&table(&sessions))?;
    }
    Ok(ExitCode::SUCCESS)
}

const HEADER: [&str; 6] = ["SESSION", "AGE", "LANGUAGE", "RUNNER", "REAPER", "RESOURCES"];

fn table(sessions: &[Session]) -> String {
    let ids: Vec<_> = sessions.iter().map(Session::id).collect();
    let rows: Vec<_> = sessions.iter().map(|session| row(session, &ids)).collect();
    let header = HEADER.map(|title| (title.to_owned(), Some(Colour::Bold)));
    let mut widths = HEADER.map(str::len);
    for row in &rows {
        for (width, (cell, _)) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &Row| {
        let cells = row.iter().zip(widths).map(|((cell, colour), width)| {
            let padded = format!("{cell:<width$}");
            colour.map_or(padded.clone(), |colour| colour.paint(&padded))
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let all =
        sessions.iter().zip(&rows).map(|(session, row)| line(row) + &scopes(session) + &makers(session));
    std::iter::once(line(&header)).chain(all).collect()
}

/// A line below the session's for each of its tests that has a scope of its own.
fn scopes(session: &Session) -> String {
    let of = |scope: &Scope| {
        let test = printable(scope.test.as_deref().unwrap_or(&scope.id));
        format!("  test {test}{}: {}\n", process(scope.pid, scope.is_alive), counted(&scope.resources))
    };
    session.scopes().iter().map(of).collect()
}

/// And one for each process of which it is known that it has made what goes with the session.
fn makers(session: &Session) -> String {
    let of = |maker: &Maker| {
        let test =
            maker.test.as_deref().map_or("a process".to_owned(), |test| format!("test {}", printable(test)));
        format!(
            "  {test}{}, for the session: {}\n",
            process(maker.pid, maker.is_alive),
            counted(&maker.resources)
        )
    };
    session.makers().iter().map(of).collect()
}

fn process(pid: Option<u32>, is_alive: Option<bool>) -> String {
    match (pid, is_alive) {
        (Some(pid), Some(true)) => format!(" ({pid})"),
        (Some(pid), Some(false)) => Colour::Red.paint(format!(" ({pid}, gone)")),
        (Some(pid), None) => format!(" ({pid}, unknown)"),
        (None, _) => String::new(),
    }
}

type Row = [(String, Option<Colour>); 6];

fn row(session: &Session, ids: &[&str]) -> Row {
    let runner = match session.runner() {
        Runner::Alive { pid } => (format!("alive ({pid})"), Some(Colour::Green)),
        Runner::Gone => ("gone".to_owned(), Some(Colour::Red)),
        _ => ("unknown".to_owned(), None),
    };
    let reaper = match session.reaper() {
        Some(Reaper::Running) => Some(Colour::Green),
        Some(_) => Some(Colour::Red),
        None => None,
    };
    let resources: Vec<_> = session.resources().collect();
    let (mut counts, mut colour) = (counted(&resources), None);
    if session.orphans().next().is_some() {
        counts.push_str(", orphaned");
        colour = Some(Colour::Red);
    }
    [
        (printable(short(session.id(), ids)), None),
        (age(session.created()), None),
        (printable(session.language().unwrap_or("-")), None),
        runner,
        (state(session).to_owned(), reaper),
        (counts, colour),
    ]
}

fn state(session: &Session) -> &'static str {
    match session.reaper() {
        Some(Reaper::Running) => "running",
        Some(Reaper::Paused) => "paused",
        Some(Reaper::Created) => "created",
        Some(Reaper::Ended) => "ended",
        Some(_) => "unknown",
        None => "none",
    }
}

fn scope_as_json(scope: &Scope) -> Value {
    json!({
        "scope": scope.id,
        "test": scope.test,
        "pid": scope.pid,
        "alive": scope.is_alive,
        "resources": scope.resources.iter().map(|resource| &resource.id).collect::<Vec<_>>(),
    })
}

fn maker_as_json(maker: &Maker) -> Value {
    json!({
        "test": maker.test,
        "pid": maker.pid,
        "alive": maker.is_alive,
        "resources": maker.resources.iter().map(|resource| &resource.id).collect::<Vec<_>>(),
    })
}

fn as_json(session: &Session) -> Value {
    let (runner, pid) = match session.runner() {
        Runner::Alive { pid } => ("alive", Some(pid)),
        Runner::Gone => ("gone", None),
        _ => ("unknown", None),
    };
    let orphans: Vec<_> = session.orphans().collect();
    let of = |kind| {
        let found = session.resources().filter(move |resource| resource.kind == kind);
        let one = |resource: Resource| json!({"id": resource.id, "name": resource.name, "orphan": orphans.contains(&resource)});
        found.map(one).collect::<Vec<_>>()
    };
    let created = session.created();
    let seconds = created.and_then(|created| created.duration_since(UNIX_EPOCH).ok());
    let age = created.map(|created| SystemTime::now().duration_since(created).unwrap_or_default());
    json!({
        "session": session.id(),
        "created": seconds.map(|seconds| seconds.as_secs()),
        "age_seconds": age.map(|age| age.as_secs()),
        "language": session.language(),
        "runner": runner,
        "runner_pid": pid,
        "reaper": state(session),
        "orphans": orphans.len(),
        "scopes": session.scopes().iter().map(scope_as_json).collect::<Vec<_>>(),
        "services": of(Kind::Service),
        "makers": session.makers().iter().map(maker_as_json).collect::<Vec<_>>(),
        "containers": of(Kind::Container),
        "networks": of(Kind::Network),
        "volumes": of(Kind::Volume),
        "images": of(Kind::Image),
        "configs": of(Kind::Config),
        "secrets": of(Kind::Secret),
    })
}
