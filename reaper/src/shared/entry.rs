//! One shared value on this machine: the names of its files, and what is in the one that has it.
//!
//! The first line says what its worth hangs on, the second is the value as it was written.

use std::io;
use std::path::PathBuf;

use super::made::{Guarded, Made, Which, failed, name_of};
use crate::error::Result;
use crate::session::folder::{self, SessionFolder};

/// The files of one key.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    key: String,
    value: PathBuf,
    /// Locked by whoever makes the value, and says who that is.
    pub(super) lock: PathBuf,
}

impl Entry {
    pub(super) fn new(folder: &SessionFolder, key: &str) -> Self {
        let name = name_of(key);
        let file = |extension| folder.file(&format!("{name}.{extension}"));
        Self { key: key.into(), value: file(folder::VALUE), lock: file("lock") }
    }

    /// The value as it was last made, if it was.
    pub(super) fn read(&self) -> Result<Option<Made>> {
        let text = match folder::read(&self.value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            outcome => outcome.map_err(|error| failed(&self.key, error))?,
        };
        let (guarded, value) = text.split_once('\n').unwrap_or((&text, ""));
        match serde_json::from_str::<Guarded>(guarded) {
            Ok(guarded) => Ok(Made::read(&self.key, Which::InFolder(guarded), value)),
            Err(error) => {
                // Written in one piece, so this is another version's, or somebody has been at it.
                tracing::warn!(key = self.key, %error, "a shared value cannot be read, and is made anew");
                Ok(None)
            }
        }
    }

    /// Keeps a value for the others, as it was written.
    pub(super) fn write(&self, text: &str, guarded: &Guarded) -> Result<()> {
        let written = serde_json::to_string(guarded).map_err(io::Error::other);
        let written =
            written.and_then(|guarded| folder::replace(&self.value, format!("{guarded}\n{text}").as_bytes()));
        written.map_err(|error| failed(&self.key, error))
    }
}

#[cfg(test)]
mod tests {
    use super::super::made::written;
    use super::*;

    fn entry(root: &std::path::Path, key: &str) -> Entry {
        Entry::new(&SessionFolder::join(root, "s", None).unwrap(), key)
    }

    fn guarded(reaper: &str) -> Guarded {
        Guarded { reaper: Some(reaper.into()), boot: "boot".into() }
    }

    #[test]
    fn a_value_is_found_with_what_its_worth_hangs_on() {
        let root = tempfile::tempdir().unwrap();
        let entry = entry(root.path(), "key");
        assert!(entry.read().unwrap().is_none());
        for value in [1_u16, 2] {
            entry.write(&written("key", &value).unwrap().0, &guarded("a")).unwrap();
            let made = entry.read().unwrap().unwrap();
            assert_eq!(made.which, Which::InFolder(guarded("a")));
            assert_eq!(made.decode::<u16>("key").unwrap(), value);
        }
    }

    #[test]
    fn what_cannot_be_read_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let entry = entry(root.path(), "key");
        for text in ["", "\n", "{}\n1", "{\"reaper\":null,\"boot\":\"b\"}\n1"] {
            std::fs::write(&entry.value, text).unwrap();
            assert!(entry.read().unwrap().is_none(), "{text:?}");
        }
    }
}
