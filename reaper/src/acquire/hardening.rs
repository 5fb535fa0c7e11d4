//! What of the reaper container's hardening has to be left out on an engine, found out by what fails.
//!
//! It begins with all of it, and each thing is left out once, when the words of a failure name it: so a reaper is made
//! three times at most. What was found is written on the container, for those who meet it, and down for the session.
//! Asking the engine beforehand was rejected: it tells neither who owns its socket nor how it confines a program.

use std::collections::HashMap;

use crate::engine::{Concessions, ReaperSpec};

/// The label of a container with concessions.
const CONCESSIONS: &str = "test-reaper.concessions";

const ANY_OWNER: &str = "any-owner";
const NEW_PRIVILEGES: &str = "new-privileges";

impl Concessions {
    /// One more, if what was said is due to the hardening and it has not been made yet.
    pub(super) fn after(self, said: &str) -> Option<Self> {
        let said = said.to_ascii_lowercase();
        let has = |word| said.contains(word);
        // Of the embedded server, which cannot connect to the socket.
        if !self.any_owner && has("the engine cannot be reached") && has("permission denied") {
            return Some(Self { any_owner: true, ..self });
        }
        // Of the engine or of the container's first process.
        if !self.new_privileges && has("exec") && (has("operation not permitted") || has("permission denied"))
        {
            return Some(Self { new_privileges: true, ..self });
        }
        None
    }

    /// Both of what was found out.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            any_owner: self.any_owner || other.any_owner,
            new_privileges: self.new_privileges || other.new_privileges,
        }
    }

    /// As they are written down; none where there are none.
    pub(super) fn write(self) -> Option<String> {
        let words = [(self.any_owner, ANY_OWNER), (self.new_privileges, NEW_PRIVILEGES)];
        let words: Vec<_> = words.iter().filter(|(made, _)| *made).map(|(_, word)| *word).collect();
        (!words.is_empty()).then(|| words.join(","))
    }

    pub(super) fn read(text: &str) -> Self {
        let has = |expected| text.split(',').any(|word| word == expected);
        Self { any_owner: has(ANY_OWNER), new_privileges: has(NEW_PRIVILEGES) }
    }

    /// Those with which a container was made.
    pub(super) fn of(labels: &HashMap<String, String>) -> Self {
        labels.get(CONCESSIONS).map(|text| Self::read(text)).unwrap_or_default()
    }
}

impl ReaperSpec {
    /// The same container with these, and marked so.
    pub(super) fn conceding(mut self, concessions: Concessions) -> Self {
        self.labels.extend(concessions.write().map(|made| (CONCESSIONS.to_owned(), made)));
        Self { concessions, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str =
        "ERROR the engine cannot be reached at unix:///var/run/docker.sock: Permission denied (os error 13)";
    const CONFINED: &str =
        "OCI runtime create failed: exec: \"/reaper-ryuk\": operation not permitted: unknown";

    #[test]
    fn each_is_made_once_and_only_where_it_helps() {
        let none = Concessions::default();
        let one = none.after(REFUSED).unwrap();
        assert_eq!(one, Concessions { any_owner: true, new_privileges: false });
        assert_eq!(one.after(REFUSED), None);
        let both = one.after(CONFINED).unwrap();
        assert_eq!(both, Concessions { any_owner: true, new_privileges: true });
        assert_eq!((both.after(REFUSED), both.after(CONFINED)), (None, None));
        for other in
            ["exec format error", "ERROR the engine cannot be reached at x: No such file or directory"]
        {
            assert_eq!(none.after(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Concessions::default().write(), None);
        for (any_owner, new_privileges) in [(true, false), (false, true), (true, true)] {
            let made = Concessions { any_owner, new_privileges };
            assert_eq!(Concessions::read(&made.write().unwrap()), made);
        }
    }
}
