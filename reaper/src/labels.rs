//! The labels that tie a resource to its session, and the filters that find it again.
//!
//! The keys are those of the testcontainers family, so that its other tools recognise what is ours.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasher;

use crate::error::{Error, Result};
use crate::session::SessionId;

/// Marks everything that the testcontainers family creates; the value is `true`.
pub const MANAGED: &str = "org.testcontainers";
/// The language of the client; the value is `rust`.
pub const LANGUAGE: &str = "org.testcontainers.lang";
/// The version of the client.
pub const VERSION: &str = "org.testcontainers.version";
/// The session a resource belongs to; what the reaper's filter looks for.
pub const SESSION: &str = "org.testcontainers.sessionId";
/// Marks the reaper container; the value is `true`.
pub const REAPER: &str = "org.testcontainers.reaper";
/// Marks a container that Ryuk, official and embedded, never removes; the value is `true`.
pub const RYUK: &str = "org.testcontainers.ryuk";

/// The labels for everything a test creates, to be had from a live [`crate::Reaper`] only.
///
/// Iterate over `&Labels` for pairs of `&str`, or turn it into the map that bollard and testcontainers take.
///
/// ```no_run
/// # use std::collections::HashMap;
/// # fn main() -> reaper::Result<()> {
/// let reaper = reaper::Reaper::acquire()?;
/// let labels: HashMap<String, String> = reaper.labels().into();
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(BTreeMap<&'static str, String>);

impl Labels {
    pub(crate) fn new(session: &SessionId) -> Self {
        Self(BTreeMap::from([
            (MANAGED, "true".into()),
            (LANGUAGE, "rust".into()),
            (VERSION, env!("CARGO_PKG_VERSION").into()),
            (SESSION, session.to_string()),
        ]))
    }

    /// The labels of the reaper container itself.
    pub(crate) fn of_reaper(session: &SessionId) -> Self {
        let mut labels = Self::new(session);
        labels.0.extend([(REAPER, "true".into()), (RYUK, "true".into())]);
        labels
    }

    /// The labels as pairs of key and value, ordered by key.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }
}

/// Iterates over [`Labels`] as pairs of key and value.
#[derive(Debug, Clone)]
pub struct Iter<'a>(std::collections::btree_map::Iter<'a, &'static str, String>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (*key, value.as_str()))
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<S: BuildHasher + Default> From<&Labels> for HashMap<String, String, S> {
    fn from(labels: &Labels) -> Self {
        labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

/// Matches resources that carry a label; what is registered with the reaper.
///
/// ```
/// let filter = reaper::Filter::label("com.docker.compose.project", "orders")?;
/// # Ok::<(), reaper::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    key: String,
    value: String,
}

impl Filter {
    /// A filter for the label `key` with exactly this `value`.
    ///
    /// # Errors
    ///
    /// [`Error::Filter`] if key or value is empty, or if the key contains `=`, at which the engine would
    /// cut it: such a filter could match what no test created.
    pub fn label(key: impl Into<String>, value: impl Into<String>) -> Result<Self> {
        let filter = Self { key: key.into(), value: value.into() };
        let problem = match &filter {
            Self { key, .. } if key.is_empty() => "the key is empty",
            Self { value, .. } if value.is_empty() => "the value is empty, so it would match any",
            Self { key, .. } if key.contains('=') => "the key contains an equals sign",
            _ => return Ok(filter),
        };
        Err(Error::Filter { filter: filter.to_string(), problem })
    }

    pub(crate) fn session(session: &SessionId) -> Self {
        Self::session_named(session.as_str())
    }

    /// The same for a process that was told the session's name.
    pub(crate) fn session_named(session: &str) -> Self {
        Self { key: SESSION.into(), value: session.to_owned() }
    }

    pub(crate) fn parts(&self) -> (&str, &str) {
        (&self.key, &self.value)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_could_match_what_nobody_named_is_refused() {
        assert!(Filter::label("", "x").is_err());
        assert!(Filter::label("x", "").is_err());
        assert!(Filter::label("a=b", "c").is_err());
        assert_eq!(Filter::label("a", "b=c").unwrap().to_string(), "a=b=c");
    }
}
