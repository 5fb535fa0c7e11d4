//! One shared value on this machine: the names of its files, and what is in the one that has it.
//!
//! The first line says whose the value is, the rest is the value, both as JSON. Two pieces, so that a value
//! is read straight into its type: on the way through a general JSON value it would lose what only its type
//! knows, such as integers of 128 bits.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use hmac_sha256::Hash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::kind::Kind;
use crate::error::{Error, Result};
use crate::session::folder::{self, SessionFolder};

/// How much of a key is left readable in the names of its files.
const READABLE: usize = 40;

/// The files of one key.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    value: PathBuf,
    /// Locked by whoever makes the value, and says who that is.
    pub(super) lock: PathBuf,
}

/// What a value's worth hangs on: with a reaper that is gone, what it guarded may be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Guarded {
    /// The reaper container, and how often it has removed things; none where the reaper is switched off.
    pub(super) reaper: Option<String>,
    pub(super) boot: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// For people who look into the folder.
    key: String,
    guarded: Guarded,
    kind: Kind,
}

/// A value as it was found, still to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) guarded: Guarded,
    kind: Kind,
    text: String,
}

impl Entry {
    pub(super) fn new(folder: &SessionFolder, key: &str) -> Self {
        let name = file_name(key);
        let file = |extension| folder.file(&format!("{name}.{extension}"));
        Self { key: key.into(), value: file(folder::VALUE), lock: file("lock") }
    }

    /// The value as it was last made, if it was.
    pub(super) fn read(&self) -> Result<Option<Made>> {
        let text = match folder::read(&self.value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            outcome => outcome.map_err(|error| self.failed(error))?,
        };
        let (header, value) = text.split_once('\n').unwrap_or((&text, ""));
        match serde_json::from_str::<Header>(header) {
            Ok(Header { guarded, kind, .. }) => Ok(Some(Made { guarded, kind, text: value.into() })),
            Err(error) => {
                // Written in one piece, so this is another version's, or somebody has been at it.
                tracing::warn!(key = self.key, %error, "a shared value cannot be read, and is made anew");
                Ok(None)
            }
        }
    }

    /// Keeps a value for the others, and gives it back as they will get it.
    pub(super) fn write<T: Serialize + DeserializeOwned>(&self, value: &T, guarded: &Guarded) -> Result<T> {
        let not_json = |source| Error::SharedValue { key: self.key.clone(), source: Arc::new(source) };
        let text = serde_json::to_string(value).map_err(not_json)?;
        let as_others_get_it = serde_json::from_str(&text).map_err(not_json)?;
        let header = Header { key: self.key.clone(), guarded: guarded.clone(), kind: Kind::of::<T>() };
        let header = serde_json::to_string(&header).map_err(not_json)?;
        folder::replace(&self.value, format!("{header}\n{text}").as_bytes())
            .map_err(|error| self.failed(error))?;
        Ok(as_others_get_it)
    }

    pub(super) fn failed(&self, error: io::Error) -> Error {
        failed(&self.key, error)
    }
}

impl Made {
    /// The value, if it is of the type that is asked for.
    pub(super) fn decode<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let asked = Kind::of::<T>();
        if !self.kind.is_same(&asked) {
            let (made, asked) = (self.kind.name.clone(), asked.name);
            return Err(Error::SharedType { key: key.into(), made, asked });
        }
        serde_json::from_str(&self.text)
            .map_err(|source| Error::SharedValue { key: key.into(), source: Arc::new(source) })
    }
}

pub(super) fn failed(key: &str, error: io::Error) -> Error {
    Error::SharedState { key: key.into(), source: Arc::new(error) }
}

/// Readable as far as that goes, and different for different keys also where a file system does not tell
/// capitals from small letters.
fn file_name(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let readable: String = key.chars().take(READABLE).map(plain).collect();
    let digest: String =
        Hash::hash(key.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{readable}-{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(root: &std::path::Path, key: &str) -> Entry {
        Entry::new(&SessionFolder::join(root, "s", None).unwrap(), key)
    }

    fn guarded(reaper: &str) -> Guarded {
        Guarded { reaper: Some(reaper.into()), boot: "boot".into() }
    }

    #[test]
    fn a_value_is_given_back_as_the_others_get_it() {
        let root = tempfile::tempdir().unwrap();
        let entry = entry(root.path(), "key");
        assert!(entry.read().unwrap().is_none());
        let value = (u128::MAX, "line\nbreak".to_owned(), Some(0.1_f64));
        assert_eq!(entry.write(&value, &guarded("a")).unwrap(), value);
        let made = entry.read().unwrap().unwrap();
        assert_eq!(made.guarded, guarded("a"));
        assert_eq!(made.decode::<(u128, String, Option<f64>)>("key").unwrap(), value);
    }

    #[test]
    fn another_type_is_an_error_that_names_both() {
        let root = tempfile::tempdir().unwrap();
        let entry = entry(root.path(), "port");
        entry.write(&1_u16, &guarded("a")).unwrap();
        let error = entry.read().unwrap().unwrap().decode::<String>("port").unwrap_err().to_string();
        assert_eq!(
            error,
            "the shared value \"port\" is a u16, and is asked for as a alloc::string::String; give each a key \
             of its own"
        );
    }

    #[test]
    fn what_json_cannot_hold_is_not_kept() {
        let root = tempfile::tempdir().unwrap();
        let entry = entry(root.path(), "key");
        // Written as null, which is no number.
        let error = entry.write(&f64::NAN, &guarded("a")).unwrap_err();
        assert!(matches!(error, Error::SharedValue { .. }), "{error}");
        assert!(entry.read().unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_read_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let entry = entry(root.path(), "key");
        for text in ["", "\n", "{}\n1", "{\"key\":\"key\"}"] {
            std::fs::write(&entry.value, text).unwrap();
            assert!(entry.read().unwrap().is_none(), "{text:?}");
        }
    }

    #[test]
    fn every_key_has_files_of_its_own_with_names_for_any_file_system() {
        let long = "x".repeat(1000);
        let keys =
            ["a", "A", "a/b", "a_b", "../a", "ä", "\0", " ", &long, &long[1..], "postgres:16 (orders)"];
        let names: std::collections::BTreeSet<_> = keys.iter().map(|key| file_name(key)).collect();
        assert_eq!(names.len(), keys.len());
        for name in &names {
            assert!(name.len() < 100 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
        }
        assert!(names.iter().any(|name| name.starts_with("postgres_16__orders_-")), "{names:?}");
    }
}
