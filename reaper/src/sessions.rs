//! What of sessions is on an engine, for people.
//!
//! Feature `cli`. The command line was not given the engine's lists as they are: what is an orphan, and in which
//! order a session is removed, is decided here once for it and for the sweep of a test run.

use std::fmt;

pub use crate::engine::inventory::Kind;
use crate::reap::Reaped;

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

/// What was removed, by name.
pub(crate) fn resources(reaped: Reaped) -> Vec<Resource> {
    let named = |name: String| Some(name).filter(|name| !name.is_empty());
    reaped.names.into_iter().map(|((kind, id), name)| Resource { kind, id, name: named(name) }).collect()
}
