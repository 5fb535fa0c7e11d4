//! Where the values of settings come from, and the words that they are written in.
//!
//! Each value is kept with its source, which is what an error about it has to name.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{duration, properties};
use crate::error::{Error, Result};

/// Whoever sets more means for ever, and what adds so much to a clock of any system does not overflow it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const THE_ENVIRONMENT: &str = "the environment";
const THE_BUILDER: &str = "the builder";

/// A value together with the place it came from, for errors that have to name it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) origin: String,
    pub(crate) value: String,
}

/// Two that say the same are the same, wherever they were found.
impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Found {}

/// What it is called, and where it was found.
impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} from {}", self.name, self.origin)
    }
}

impl Found {
    pub(crate) fn built(name: &str, value: String) -> Self {
        Self::named(name, THE_BUILDER, value)
    }

    /// One that somebody else's words named.
    pub(crate) fn named(name: &str, origin: &str, value: String) -> Self {
        Self { name: name.into(), origin: origin.into(), value }
    }

    /// Whether every client of an engine would find it: by its variable, or since it was handed to this one alone.
    pub(crate) fn is_known_to_all(&self) -> bool {
        self.is_variable() || self.origin == THE_BUILDER
    }

    /// Whether it is what every client takes its engine from.
    pub(crate) fn is_variable(&self) -> bool {
        self.origin == THE_ENVIRONMENT && self.name == "DOCKER_HOST"
    }

    /// The error for this value, saying what it should have been.
    pub(crate) fn refuse(&self, expected: impl Into<String>) -> Error {
        Error::Setting {
            name: self.name.clone(),
            origin: self.origin.clone(),
            value: without_password(&self.value),
            expected: expected.into(),
        }
    }
}

/// An address as it may stand in the log of a CI server. Up to the last `@`, since a password may have any character before it.
fn without_password(value: &str) -> String {
    let parts = || {
        let (scheme, address) = value.split_once("://")?;
        let (login, host) = address.rsplit_once('@')?;
        Some((scheme, login.split_once(':')?.0, host))
    };
    match parts() {
        Some((scheme, user, host)) => format!("{scheme}://{user}:***@{host}"),
        None => value.to_owned(),
    }
}

pub(super) fn positive(found: &Found) -> Result<Duration> {
    let nanoseconds = duration::parse(&found.value).ok().and_then(|found| u64::try_from(found).ok());
    let usable = nanoseconds.map(Duration::from_nanos).filter(|span| is_usable(*span));
    usable.ok_or_else(|| {
        found.refuse("a duration above zero and of a year (8760h) at most, such as 10s, 500ms or 1m30s")
    })
}

/// The same for what a method of a builder was given.
pub(crate) fn usable(method: &str, span: Duration) -> Result<Duration> {
    if is_usable(span) {
        return Ok(span);
    }
    let found = Found::built(method, format!("{span:?}"));
    Err(found.refuse("above zero and a year at most"))
}

fn is_usable(span: Duration) -> bool {
    !span.is_zero() && span <= LONGEST
}

/// The words Go's `strconv.ParseBool` takes, since the other clients of the family take them, and on/off.
pub(super) fn truth(found: &Found) -> Result<bool> {
    match found.value.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "yes" => Ok(true),
        "0" | "f" | "false" | "off" | "no" => Ok(false),
        _ => Err(found.refuse("true or false")),
    }
}

/// Where values come from; the environment as a function, so that tests need not change the real one.
pub(super) struct Sources<'a> {
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    pub(super) properties: Properties,
}

impl Sources<'_> {
    /// The first of these that is set; an empty value counts as not set, as shells and CI systems mean it.
    pub(super) fn find(&self, variables: &[&str], properties: &[&str]) -> Option<Found> {
        let variable = variables.iter().find_map(|name| {
            let value = (self.environment)(name)?;
            let origin = THE_ENVIRONMENT.to_owned();
            Some(Found { name: (*name).into(), origin, value: value.trim().to_owned() })
                .filter(|found| !found.value.is_empty())
        });
        variable.or_else(|| {
            properties.iter().find_map(|name| {
                let value = self.properties.entries.get(*name)?.trim().to_owned();
                let found = Found { name: (*name).into(), origin: self.properties.path.clone(), value };
                Some(found).filter(|found| !found.value.is_empty())
            })
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        variable: &str,
        property: &str,
        default: T,
        choices: &[(&str, T)],
    ) -> Result<T> {
        let Some(found) = self.find(&[variable], &[property]) else { return Ok(default) };
        let chosen = choices.iter().find(|(word, _)| found.value.eq_ignore_ascii_case(word));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            found.refuse(format!("one of {}", words.join(", ")))
        })
    }

    pub(super) fn switch(&self, variables: &[&str], property: &str, default: bool) -> Result<bool> {
        self.find(variables, &[property]).map_or(Ok(default), |found| truth(&found))
    }
}

/// `~/.testcontainers.properties`.
#[derive(Default)]
pub(super) struct Properties {
    path: String,
    entries: BTreeMap<String, String>,
}

impl Properties {
    /// Without the file there are none, nor where the folder is none that this user may look into. A file that is there
    /// and cannot be read or understood is an error.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let origin = path.display().to_string();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if is_absent(path, &error) => return Ok(Self::default()),
            Err(error) => return Err(Error::Properties { path: origin, source: Arc::new(error) }),
        };
        Self::parse(origin, &bytes)
    }

    pub(super) fn parse(path: String, bytes: &[u8]) -> Result<Self> {
        match properties::parse(bytes) {
            // The last of several counts, as in Java.
            Ok(entries) => Ok(Self { path, entries: entries.into_iter().collect() }),
            Err(problem) => {
                let source = Arc::new(io::Error::new(io::ErrorKind::InvalidData, problem));
                Err(Error::Properties { path, source })
            }
        }
    }
}

/// Whether there is no file for this user: none, or one in the home of somebody else, as after a `sudo -u` that left
/// `HOME` as it was.
fn is_absent(path: &Path, error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => true,
        io::ErrorKind::PermissionDenied => std::fs::metadata(path).map_or(true, |file| is_others(&file)),
        _ => false,
    }
}

#[cfg(unix)]
fn is_others(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    file.uid() != rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_others(_file: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_says_a_password() {
        for (value, said) in [
            ("ssh://me:secret@h:22", "ssh://me:***@h:22"),
            ("tcp://me:se/cr@t:@h:2375/v1", "tcp://me:***@h:2375/v1"),
            ("http://:secret@h", "http://:***@h"),
            ("ssh://me@h:22", "ssh://me@h:22"),
            ("unix:///home/me@work/docker.sock", "unix:///home/me@work/docker.sock"),
            ("localhost:2375", "localhost:2375"),
        ] {
            let error = Found::built("DOCKER_HOST", value.to_owned()).refuse("another");
            let Error::Setting { value: shown, .. } = &error else { panic!("{error:?}") };
            assert_eq!(shown, said);
            assert!(!error.report().contains("secret"), "{}", error.report());
        }
    }
}
