//! Which sessions have something on an engine, what it is, and what of it is an orphan.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::engine::{self, Inventory as _, Kind, Place, Sought, State, Unlisted, discover};
use crate::error::{Error, Result};
use crate::removal::reap::Reaped;
use crate::removal::sweep::Orphans;
use crate::session::{ADOPTED, LANGUAGE, PROCESS, RUNNER, SCOPE, SESSION, TEST, owner_is_gone, owner_lives};
use crate::settings::Config;

/// Something on an engine that belongs to a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Resource {
    /// What it is.
    pub kind: Kind,
    /// What the engine removes it by: an id, for a volume its name.
    pub id: String,
    /// As people call it; none for an image without a tag.
    pub name: Option<String>,
}

/// The name, else the id as `docker ps` shows it.
impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.strip_prefix("sha256:").unwrap_or(&self.id);
        formatter.write_str(self.name.as_deref().unwrap_or(id.get(..12).unwrap_or(id)))
    }
}

/// Whether the runner of a session, with whose end it is over, runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runner {
    /// It runs, on this machine.
    Alive {
        /// Its process.
        pid: u32,
    },
    /// It has ended.
    Gone,
    /// It ran elsewhere, or nobody wrote down who it is.
    Unknown,
}

/// What a session's reaper container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaper {
    /// It runs, and so guards the session.
    Running,
    /// It is paused, and so removes nothing until it is unpaused.
    Paused,
    /// It was created and does not run yet.
    Created,
    /// It has ended.
    Ended,
}

/// What is on the engine of a test with a scope of its own, with which it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scope {
    /// What tells it apart in its session.
    pub id: String,
    /// The test, as its runner calls it; none where nobody knew.
    pub test: Option<String>,
    /// Its process, on the machine where it runs; none where nobody knew.
    pub pid: Option<u32>,
    /// Whether that runs; none where it cannot be told from here.
    pub is_alive: Option<bool>,
    /// What it has made.
    pub resources: Vec<Resource>,
}

/// What is on the engine of one process, of a test mostly, and goes with the session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maker {
    /// The test, as its runner calls it; none where nobody knew, or it was none.
    pub test: Option<String>,
    /// The process, on the machine where it runs; none where nobody knew.
    pub pid: Option<u32>,
    /// Whether that runs; none where it cannot be told from here.
    pub is_alive: Option<bool>,
    /// What it has made.
    pub resources: Vec<Resource>,
}

/// A session of which something is on the engine: ours, or that of another client of the testcontainers family.
#[derive(Debug, Clone)]
pub struct Session {
    pub(super) id: String,
    /// The reaper containers among them.
    pub(super) found: Vec<engine::Resource>,
    pub(super) engine: Place,
}

/// The sessions on the engine that a test would use, the youngest first.
///
/// # Errors
///
/// As for [`Reaper::acquire`](crate::Reaper::acquire) where there is no engine, and [`Error::Engine`] where it does
/// not say what it has.
pub async fn list() -> Result<Vec<Session>> {
    let engine = discover(&Config::load()?)?.place;
    let mut sessions: BTreeMap<String, Vec<engine::Resource>> = BTreeMap::new();
    let found = engine.list_all(Sought::Key(SESSION)).await.map_err(|Unlisted { kind, problem }| {
        Error::Engine { operation: format!("list the {kind}s of {engine}"), source: Arc::new(problem) }
    })?;
    for resource in found {
        // Nobody's, where it is empty.
        if let Some(session) = resource.labels.get(SESSION).filter(|session| !session.is_empty()) {
            sessions.entry(session.clone()).or_default().push(resource);
        }
    }
    let of = |(id, found)| Session { id, found, engine: engine.clone() };
    let mut sessions: Vec<_> = sessions.into_iter().map(of).collect();
    sessions.sort_by_key(|session| std::cmp::Reverse(session.created()));
    Ok(sessions)
}

impl Session {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When the oldest that is left of it was created, by the engine's clock; images count where there is nothing else,
    /// since they may have been built long before.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        let oldest = |images: bool| {
            let found = self.found.iter().filter(|found| (found.kind == Kind::Image) == images);
            found.filter_map(|found| found.created).min()
        };
        oldest(false).or_else(|| oldest(true))
    }

    /// The language of the client that made it, as it calls it: `rust`, `java`.
    #[must_use]
    pub fn language(&self) -> Option<&str> {
        self.found.iter().find_map(|found| found.labels.get(LANGUAGE)).map(String::as_str)
    }

    /// Whether its runner runs.
    #[must_use]
    pub fn runner(&self) -> Runner {
        let marks: Vec<_> = self.found.iter().filter_map(|found| found.labels.get(RUNNER)).collect();
        let alive = marks.iter().find(|mark| owner_lives(mark) == Some(true));
        let pid = alive.and_then(|mark| mark.split('.').next()?.parse().ok());
        match pid {
            Some(pid) => Runner::Alive { pid },
            None if !marks.is_empty() && marks.iter().all(|mark| owner_is_gone(mark)) => Runner::Gone,
            None => Runner::Unknown,
        }
    }

    /// What its reaper does; none where it has no reaper container.
    #[must_use]
    pub fn reaper(&self) -> Option<Reaper> {
        let reapers = || self.found.iter().filter(|found| found.is_reaper());
        let reaper = reapers().find(|reaper| reaper.runs()).or_else(|| reapers().next())?;
        Some(match reaper.state {
            // One that is being stopped has not ended, and holds what its clients made until it has.
            Some(State::Running | State::Stopping) => Reaper::Running,
            Some(State::Paused) => Reaper::Paused,
            Some(State::Created) | None => Reaper::Created,
            Some(State::Ended) => Reaper::Ended,
        })
    }

    /// What there is of it, the reaper container left out.
    pub fn resources(&self) -> impl Iterator<Item = Resource> {
        self.found.iter().filter(|found| !found.is_reaper()).map(resource)
    }

    /// The scopes of its tests of which something is there, by their tests' names.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        let mut scopes: BTreeMap<(Option<&String>, &String), Vec<&engine::Resource>> = BTreeMap::new();
        for found in &self.found {
            if let Some(scope) = found.labels.get(SCOPE) {
                scopes.entry((found.labels.get(TEST), scope)).or_default().push(found);
            }
        }
        let of = |((test, id), found): ((Option<&String>, &String), Vec<&engine::Resource>)| {
            let process = found.iter().find_map(|found| found.labels.get(PROCESS));
            Scope {
                id: id.clone(),
                test: test.cloned(),
                pid: process.and_then(|process| pid(process)),
                is_alive: process.and_then(|process| is_alive(process)),
                resources: found.into_iter().map(resource).collect(),
            }
        };
        scopes.into_iter().map(of).collect()
    }

    /// Who has made what goes with the session, as far as a test or an adopting socket has written it down; by their tests' names.
    #[must_use]
    pub fn makers(&self) -> Vec<Maker> {
        let mut makers: BTreeMap<(Option<&String>, &String), Vec<&engine::Resource>> = BTreeMap::new();
        for found in self.found.iter().filter(|found| !found.is_reaper() && !found.labels.contains_key(SCOPE))
        {
            let is_told = [TEST, ADOPTED].iter().any(|key| found.labels.contains_key(*key));
            if let Some(process) = found.labels.get(PROCESS).filter(|_| is_told) {
                makers.entry((found.labels.get(TEST), process)).or_default().push(found);
            }
        }
        let of = |((test, process), found): ((Option<&String>, &String), Vec<&engine::Resource>)| Maker {
            test: test.cloned(),
            pid: pid(process),
            is_alive: is_alive(process),
            resources: found.into_iter().map(resource).collect(),
        };
        makers.into_iter().map(of).collect()
    }

    /// What of it nobody will remove by himself: it carries the marks of a runner and of a process that have both provably
    /// ended, and has no reaper that runs or is about to. What `REAPER_KEEP` keeps is none. Reaper containers that
    /// were never started, or have ended, are among them.
    pub fn orphans(&self) -> impl Iterator<Item = Resource> {
        let orphans = Orphans::of(&self.id, &self.found);
        self.found.iter().filter(move |found| orphans.include(found)).map(resource)
    }
}

fn pid(process: &str) -> Option<u32> {
    process.split('.').next()?.parse().ok()
}

/// None where it cannot be told from here.
fn is_alive(process: &str) -> Option<bool> {
    owner_lives(process).filter(|lives| *lives).or_else(|| owner_is_gone(process).then_some(false))
}

pub(super) fn resource(found: &engine::Resource) -> Resource {
    Resource { kind: found.kind, id: found.id.clone(), name: named(&found.name) }
}

/// What was removed, by name.
pub(crate) fn resources(reaped: &Reaped) -> Vec<Resource> {
    reaped.found.iter().map(resource).collect()
}

fn named(name: &str) -> Option<String> {
    Some(name.to_owned()).filter(|name| !name.is_empty())
}
