//! The labels that tie a resource to its session, and the filters that find it again.

use std::collections::{BTreeMap, HashMap, btree_map};
use std::fmt;
use std::hash::BuildHasher;

use super::id::SessionId;
use super::label_keys::{
    KEEP, LANGUAGE, MAKING, MANAGED, PROCESS, REAPER, RUNNER, RYUK, SCOPE, SESSION, TEST, VERSION,
};
use super::owner::Owner;
use crate::error::{Error, Result};

/// The labels for everything a test creates, to be had from a live [`Reaper`](crate::Reaper) only.
///
/// Iterate over `&Labels` for pairs of `&str`, or turn it into the map that bollard and testcontainers take.
///
/// One of them says which process made a thing, so two processes have not the same: what is looked for by its labels
/// (`with_reuse` of testcontainers) is not found by another process, which makes its own. What the processes of a
/// session have in common is made by [`Reaper::shared`](crate::Reaper::shared), or by `start_shared` where it is
/// testcontainers'.
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
    pub(crate) fn new(session: &SessionId, owner: Owner) -> Self {
        let mut labels = BTreeMap::from([
            (MANAGED, "true".into()),
            (LANGUAGE, "rust".into()),
            (VERSION, env!("CARGO_PKG_VERSION").into()),
            (SESSION, session.to_string()),
        ]);
        labels.extend(owner.runner.map(|runner| (RUNNER, runner)));
        labels.extend(owner.process.map(|process| (PROCESS, process)));
        Self(labels)
    }

    /// The same for what is to stay.
    pub(crate) fn kept(mut self, mark: String) -> Self {
        self.0.insert(KEEP, mark);
        self
    }

    /// The same for what one test creates, of which its process runs no other.
    pub(crate) fn of_test(mut self, test: Option<String>) -> Self {
        self.0.extend(test.map(|test| (TEST, test)));
        self
    }

    /// The same for what goes with one guard, which a test holds.
    pub(crate) fn scoped(mut self, scope: &str, test: Option<&str>) -> Self {
        self.0.insert(SCOPE, scope.to_owned());
        self.0.extend(test.map(|test| (TEST, test.to_owned())));
        self
    }

    /// The same for what one making of a shared value creates.
    pub(crate) fn made_by(mut self, mark: &str) -> Self {
        self.0.insert(MAKING, mark.to_owned());
        self
    }

    /// The labels of what the reaper itself needs, such as a network of its own.
    pub(crate) fn of_reapers_own(session: &SessionId, owner: Owner) -> Self {
        let mut labels = Self::new(session, owner);
        labels.0.insert(REAPER, "true".into());
        labels
    }

    /// The labels of the reaper container itself.
    pub(crate) fn of_reaper(session: &SessionId, owner: Owner) -> Self {
        let mut labels = Self::of_reapers_own(session, owner);
        labels.0.insert(RYUK, "true".into());
        labels
    }

    /// The labels as pairs of key and value, ordered by key.
    #[must_use]
    pub fn iter(&self) -> LabelsIter<'_> {
        LabelsIter(self.0.iter())
    }
}

/// Iterates over [`Labels`] as pairs of key and value.
#[derive(Debug, Clone)]
pub struct LabelsIter<'a>(btree_map::Iter<'a, &'static str, String>);

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (*key, value.as_str()))
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = LabelsIter<'a>;

    fn into_iter(self) -> LabelsIter<'a> {
        self.iter()
    }
}

impl<S: BuildHasher + Default> From<&Labels> for HashMap<String, String, S> {
    fn from(labels: &Labels) -> Self {
        labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

/// Matches resources that carry all of its labels; what is registered with the reaper.
///
/// ```
/// use reaper::Filter;
///
/// let project = Filter::label("com.docker.compose.project", "orders")?;
/// let service = Filter::label("com.docker.compose.project", "orders")?.and("com.docker.compose.service", "db")?;
/// # Ok::<(), reaper::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Never empty.
    labels: Vec<(String, String)>,
}

impl Filter {
    /// A filter for the label `key` with exactly this `value`.
    ///
    /// # Errors
    ///
    /// [`Error::Filter`] if key or value is empty, or if the key contains `=`, at which the engine would
    /// cut it: such a filter could match what no test created.
    pub fn label(key: impl Into<String>, value: impl Into<String>) -> Result<Self> {
        Self { labels: Vec::new() }.and(key, value)
    }

    /// The same filter for what carries this label besides.
    ///
    /// # Errors
    ///
    /// As for [`Filter::label`].
    pub fn and(mut self, key: impl Into<String>, value: impl Into<String>) -> Result<Self> {
        let (key, value) = (key.into(), value.into());
        let problem = match () {
            () if key.is_empty() => "the key is empty",
            () if value.is_empty() => "the value is empty, so it would match any",
            () if key.contains('=') => "the key contains an equals sign",
            () => {
                self.labels.push((key, value));
                return Ok(self);
            }
        };
        Err(Error::Filter { filter: format!("{key}={value}"), problem })
    }

    /// Everything of a session.
    pub(crate) fn session(session: &SessionId) -> Self {
        Self { labels: vec![(SESSION.into(), session.to_string())] }
    }

    /// The same for one that an engine named; any client's, and so of any form.
    #[cfg(feature = "cli")]
    pub(crate) fn found_session(session: &str) -> Self {
        Self { labels: vec![(SESSION.into(), session.into())] }
    }

    /// What of a session carries this label of ours, whose key and value are known to be good.
    pub(crate) fn of_session(session: &str, key: &str, value: &str) -> Self {
        Self { labels: vec![(SESSION.into(), session.into()), (key.into(), value.into())] }
    }

    /// One that was written down; none where that was not by us.
    pub(crate) fn noted(labels: Vec<(String, String)>) -> Option<Self> {
        let are_usable = labels.iter().all(|(key, value)| !key.is_empty() && !value.is_empty());
        (are_usable && !labels.is_empty()).then_some(Self { labels })
    }

    /// Whether a resource with these labels is one that the reaper would remove for it.
    pub(crate) fn matches(&self, labels: &HashMap<String, String>) -> bool {
        self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// The labels, all of which a resource must carry, as pairs of key and value.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut labels = self.labels();
        if let Some((key, value)) = labels.next() {
            write!(formatter, "{key}={value}")?;
        }
        labels.try_for_each(|(key, value)| write!(formatter, " and {key}={value}"))
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
        let filter = Filter::label("a", "b=c").unwrap();
        assert!(filter.clone().and("x", "").is_err());
        assert_eq!(filter.and("x", "y").unwrap().to_string(), "a=b=c and x=y");
    }
}
