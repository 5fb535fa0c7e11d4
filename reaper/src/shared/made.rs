//! A shared value as it goes from process to process: what is said of it and the value itself, both as JSON.
//!
//! Two pieces, so that a value is read straight into its type: on the way through a general JSON value it would lose what
//! only its type knows, such as integers of 128 bits.

use std::io;
use std::sync::Arc;

use hmac_sha256::Hash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::kind::Kind;
use crate::error::{Error, Result};

/// Between the two pieces; in JSON of one line there is none.
const BETWEEN: char = '\t';

/// How much of a key is left readable in its name.
const READABLE: usize = 40;

/// A value as it was found, still to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) which: Which,
    kind: Kind,
    text: String,
}

/// What tells a value of a key from those before and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    InFolder(Guarded),
    AtReaper { mark: String, number: u64 },
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
    /// For people who look at it.
    key: String,
    kind: Kind,
}

impl Made {
    /// Reads what [`written`] has written; none where it is another version's, or somebody has been at it.
    pub(super) fn read(key: &str, which: Which, text: &str) -> Option<Self> {
        let (header, value) = text.split_once(BETWEEN).unwrap_or((text, ""));
        match serde_json::from_str::<Header>(header) {
            Ok(Header { kind, .. }) => Some(Self { which, kind, text: value.into() }),
            Err(error) => {
                tracing::warn!(key, %error, "a shared value cannot be read, and is made anew");
                None
            }
        }
    }

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

/// A value for the others, on one line; and as they will get it.
pub(super) fn written<T: Serialize + DeserializeOwned>(key: &str, value: &T) -> Result<(String, T)> {
    let not_json = |source| Error::SharedValue { key: key.into(), source: Arc::new(source) };
    let text = serde_json::to_string(value).map_err(not_json)?;
    // Only between tokens, as a value may bring that is JSON already: inside of strings they are escaped.
    let text = text.replace(['\n', '\r', BETWEEN], " ");
    let as_others_get_it = serde_json::from_str(&text).map_err(not_json)?;
    let header = Header { key: key.into(), kind: Kind::of::<T>() };
    let header = serde_json::to_string(&header).map_err(not_json)?;
    Ok((format!("{header}{BETWEEN}{text}"), as_others_get_it))
}

pub(super) fn failed(key: &str, error: io::Error) -> Error {
    Error::SharedState { key: key.into(), source: Arc::new(error) }
}

/// A name for a key: readable as far as that goes, and different for different keys also where a file system does not tell
/// capitals from small letters.
pub(super) fn name_of(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let readable: String = key.chars().take(READABLE).map(plain).collect();
    let digest: String =
        Hash::hash(key.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{readable}-{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn which() -> Which {
        Which::AtReaper { mark: "reaper".into(), number: 1 }
    }

    fn read(text: &str) -> Option<Made> {
        Made::read("key", which(), text)
    }

    #[test]
    fn a_value_is_given_back_as_the_others_get_it() {
        let value = (u128::MAX, "line\nbreak\tand more".to_owned(), Some(0.1_f64));
        let (text, same) = written("a\nkey\t", &value).unwrap();
        assert_eq!((same, text.lines().count()), (value.clone(), 1));
        let made = read(&text).unwrap();
        assert_eq!(made.decode::<(u128, String, Option<f64>)>("key").unwrap(), value);
    }

    #[test]
    fn another_type_is_an_error_that_names_both() {
        let (text, _) = written("port", &1_u16).unwrap();
        let error = read(&text).unwrap().decode::<String>("port").unwrap_err().to_string();
        assert_eq!(
            error,
            "the shared value \"port\" is a u16, and is asked for as a alloc::string::String; give each a key \
             of its own"
        );
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        assert!(matches!(written("key", &f64::NAN), Err(Error::SharedValue { .. })));
    }

    #[test]
    fn what_cannot_be_read_counts_as_nothing() {
        for text in ["", "{}", "{}\t1", "\u{0}", "[1"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_key_has_a_name_of_its_own_for_any_file_system_and_any_reaper() {
        let long = "x".repeat(1000);
        let keys =
            ["a", "A", "a/b", "a_b", "../a", "ä", "\0", " ", &long, &long[1..], "postgres:16 (orders)"];
        let names: std::collections::BTreeSet<_> = keys.iter().map(|key| name_of(key)).collect();
        assert_eq!(names.len(), keys.len());
        for name in &names {
            assert!(name.len() < 100 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
        }
        assert!(names.iter().any(|name| name.starts_with("postgres_16__orders_-")), "{names:?}");
    }
}
