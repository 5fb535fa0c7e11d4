//! What one process of a session writes down for the others, in the session's folder: small notes, each of one piece.
//!
//! To read one takes no folder: a process that finds all well has made none.

use std::io;
use std::path::PathBuf;

use hmac_sha256::Hash;

use super::private::{read, replace};
use super::session_folder::{SessionFolder, path_of};

/// The notes of a session about one thing, such as an engine; none are kept where there is no folder for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Option<Notes>);

#[derive(Debug, Clone)]
struct Notes {
    root: PathBuf,
    session: String,
    /// What they are about, as it fits into a file's name.
    about: String,
}

impl Memory {
    /// The notes of a session in this user's folder about what the key names.
    pub(crate) fn of(root: PathBuf, session: &str, key: &str) -> Self {
        let about = Hash::hash(key.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self(Some(Notes { root, session: session.to_owned(), about }))
    }

    /// What was noted.
    pub(crate) fn recall(&self, what: &str) -> Option<String> {
        let notes = self.0.as_ref()?;
        read(&path_of(&notes.root, &notes.session).join(notes.file(what))).ok()
    }

    /// Notes it, in place of what was noted before. The session's runner tells when all of it may go.
    pub(crate) fn keep(&self, what: &str, text: &str, runner: Option<&str>) -> io::Result<()> {
        let Some(notes) = &self.0 else { return Ok(()) };
        let folder = SessionFolder::join(&notes.root, &notes.session, runner)?;
        replace(&folder.file(&notes.file(what)), text.as_bytes())
    }
}

impl Notes {
    fn file(&self, what: &str) -> String {
        format!("{}.{what}", self.about)
    }
}
