//! Where the values of settings come from, and the words that they are written in.
//!
//! Each value is kept with its source, which is what an error about it has to name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::duration;
use crate::error::{Error, Result};

/// A value together with the place it came from, for errors that have to name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) origin: String,
    pub(crate) value: String,
}

impl Found {
    pub(crate) fn built(name: &str, value: String) -> Self {
        Self { name: name.into(), origin: "the builder".into(), value }
    }

    /// The error for this value, saying what it should have been.
    pub(crate) fn refuse(&self, expected: impl Into<String>) -> Error {
        Error::Setting {
            name: self.name.clone(),
            origin: self.origin.clone(),
            value: self.value.clone(),
            expected: expected.into(),
        }
    }
}

pub(super) fn positive(found: &Found) -> Result<Duration> {
    let refusal = || found.refuse("a duration above zero such as 10s, 500ms or 1m30s");
    let nanoseconds = duration::parse(&found.value).map_err(|_| refusal())?;
    match u64::try_from(nanoseconds) {
        Ok(nanoseconds) if nanoseconds > 0 => Ok(Duration::from_nanos(nanoseconds)),
        _ => Err(refusal()),
    }
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
            let origin = "the environment".to_owned();
            Some(Found { name: (*name).into(), origin, value: value.trim().to_owned() })
                .filter(|found| !found.value.is_empty())
        });
        variable.or_else(|| {
            properties.iter().find_map(|name| {
                let value = self.properties.entries.get(*name).filter(|value| !value.is_empty())?.clone();
                Some(Found { name: (*name).into(), origin: self.properties.path.clone(), value })
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

/// `~/.testcontainers.properties`: `key=value` or `key: value`, comments with `#` or `!`.
///
/// The family's files use no more of Java's format than that; the crates that read all of it bring
/// a regular expression engine along.
#[derive(Default)]
pub(super) struct Properties {
    path: String,
    entries: BTreeMap<String, String>,
}

impl Properties {
    pub(super) fn load(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(path.display().to_string(), &text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => {
                Err(Error::Properties { path: path.display().to_string(), source: Arc::new(error) })
            }
        }
    }

    pub(super) fn parse(path: String, text: &str) -> Self {
        let lines = text.lines().map(str::trim_start);
        let entries = lines
            .filter(|line| !line.starts_with(['#', '!']))
            .filter_map(|line| line.split_once(['=', ':']))
            .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            .collect();
        Self { path, entries }
    }
}
