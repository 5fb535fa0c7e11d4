//! The labels of a guard, and those of each making that has asked for them.
//!
//! They are lent for as long as the guard is there, so what holds them only grows: a list, each element of which is set once.

use std::sync::OnceLock;

use crate::session::Labels;

#[derive(Debug, Default)]
pub(super) struct LabelSets {
    session: OnceLock<Labels>,
    first: OnceLock<Box<Marked>>,
}

#[derive(Debug)]
struct Marked {
    mark: String,
    labels: Labels,
    next: OnceLock<Box<Self>>,
}

impl LabelSets {
    /// Made when they are first asked for: whoever made a thing is read from files.
    pub(super) fn session(&self, labels: impl FnOnce() -> Labels) -> &Labels {
        self.session.get_or_init(labels)
    }

    /// The session's with this mark.
    pub(super) fn marked(&self, mark: &str, session: &Labels) -> &Labels {
        let mut place = &self.first;
        loop {
            let make = || {
                let labels = session.clone().made_by(mark);
                Box::new(Marked { mark: mark.to_owned(), labels, next: OnceLock::new() })
            };
            let found = place.get_or_init(make);
            if found.mark == mark {
                return &found.labels;
            }
            place = &found.next;
        }
    }
}
