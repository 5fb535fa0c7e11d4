//! The scopes that one connection holds on its reaper: which, for how many guards, and which ends are still to be said.
//!
//! Whoever drops a guard must not wait for a thread, and the process may end right after: where a static holds the
//! connection, nothing closes it before. So an end is noted here, under the lock that the stream's handle is under, and said
//! in that drop. While the thread asks for something else it is left to the thread, which says it when it has its answer.

use std::collections::VecDeque;

use crate::acquire::{ScopeWord, scope_line};
use crate::session::Filter;

#[derive(Debug, Default)]
pub(super) struct Scopes {
    /// Each once.
    held: Vec<Held>,
    /// Ends that nobody has said yet.
    unsaid: Vec<End>,
    /// Ends that the reaper has not answered yet, in the order in which they were said.
    unanswered: VecDeque<End>,
    /// Answers to the first of them, which may be of two words.
    heard: usize,
}

#[derive(Debug)]
struct Held {
    filter: Filter,
    /// How many guards hold it.
    guards: usize,
    /// The reaper that was told, by its mark.
    reaper: String,
}

/// The end of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    filter: Filter,
    /// Whether the reaper was told of its beginning; else it is told of both at once.
    begun: bool,
}

impl End {
    fn words(&self) -> &'static [ScopeWord] {
        if self.begun { &[ScopeWord::End] } else { &[ScopeWord::Begin, ScopeWord::End] }
    }
}

impl Scopes {
    /// One guard more for a scope that is held already; false where it is not.
    pub(super) fn join(&mut self, filter: &Filter) -> bool {
        let known = self.held.iter_mut().find(|held| held.filter == *filter);
        known.map(|held| held.guards += 1).is_some()
    }

    /// A scope of whose beginning this reaper was told.
    pub(super) fn begun(&mut self, filter: Filter, reaper: String) {
        self.held.push(Held { filter, guards: 1, reaper });
    }

    /// The next reaper was told of one that it did not begin with.
    pub(super) fn told(&mut self, filter: &Filter, reaper: &str) {
        if let Some(held) = self.held.iter_mut().find(|held| held.filter == *filter) {
            reaper.clone_into(&mut held.reaper);
        }
    }

    /// One guard less; the last one ends it.
    pub(super) fn let_go(&mut self, filter: &Filter) {
        let Some(at) = self.held.iter().position(|held| held.filter == *filter) else { return };
        self.held[at].guards -= 1;
        if self.held[at].guards == 0 {
            let Held { filter, .. } = self.held.swap_remove(at);
            self.unsaid.push(End { filter, begun: true });
        }
    }

    /// The reaper is told of a scope when it is over: until then nothing of it was to be removed.
    pub(super) fn pass(&mut self, filter: &Filter) {
        self.unsaid.push(End { filter: filter.clone(), begun: false });
    }

    /// It has ended, and what it had is gone.
    pub(super) fn lose(&mut self, filter: &Filter) {
        self.held.retain(|held| held.filter != *filter);
    }

    /// The lines that say what is unsaid.
    pub(super) fn say(&mut self) -> String {
        let lines = lines(&self.unsaid);
        self.unanswered.extend(self.unsaid.drain(..));
        lines
    }

    /// How many answers the reaper owes.
    pub(super) fn owed(&self) -> usize {
        let words: usize = self.unanswered.iter().map(|end| end.words().len()).sum();
        words - self.heard
    }

    /// One more answer has come.
    pub(super) fn answered(&mut self) {
        let Some(first) = self.unanswered.front() else { return };
        self.heard += 1;
        if self.heard == first.words().len() {
            self.unanswered.pop_front();
            self.heard = 0;
        }
    }

    /// What another connection has to hold again, and whether this reaper knows it.
    pub(super) fn held(&self, reaper: &str) -> Vec<(Filter, bool)> {
        self.held.iter().map(|held| (held.filter.clone(), held.reaper == reaper)).collect()
    }

    /// Has another connection say again what the last one has left without an answer.
    pub(super) fn begin_again(&mut self) {
        let unanswered = std::mem::take(&mut self.unanswered);
        self.heard = 0;
        // It has not been begun over the next one.
        let again =
            unanswered.into_iter().chain(self.unsaid.drain(..)).map(|end| End { begun: false, ..end });
        self.unsaid = again.collect();
    }
}

fn lines(ends: &[End]) -> String {
    ends.iter().flat_map(|end| end.words().iter().map(|word| scope_line(*word, &end.filter))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(scope: &str) -> Filter {
        Filter::label("scope", scope).unwrap()
    }

    #[test]
    fn the_last_guard_ends_a_scope_and_once() {
        let mut scopes = Scopes::default();
        assert!(!scopes.join(&filter("a")));
        scopes.begun(filter("a"), "r".into());
        assert!(scopes.join(&filter("a")));
        scopes.let_go(&filter("a"));
        assert_eq!((scopes.say(), scopes.owed()), (String::new(), 0));
        scopes.let_go(&filter("a"));
        scopes.let_go(&filter("a"));
        assert_eq!((scopes.say().as_str(), scopes.owed()), ("%scope-end label=scope=a\n", 1));
        assert_eq!(scopes.say(), "");
        scopes.answered();
        assert_eq!((scopes.owed(), scopes.held("r")), (0, vec![]));
    }

    #[test]
    fn what_passes_is_named_when_it_is_over() {
        let mut scopes = Scopes::default();
        scopes.pass(&filter("a"));
        assert_eq!(scopes.say(), "%scope label=scope=a\n%scope-end label=scope=a\n");
        assert_eq!(scopes.owed(), 2);
    }

    #[test]
    fn answers_are_owed_until_each_word_has_its_own() {
        let mut scopes = Scopes::default();
        scopes.begun(filter("a"), "r".into());
        scopes.pass(&filter("b"));
        scopes.let_go(&filter("a"));
        scopes.say();
        for owed in [2, 1, 0, 0] {
            scopes.answered();
            assert_eq!(scopes.owed(), owed);
        }
        scopes.pass(&filter("b"));
        scopes.say();
        scopes.answered();
        // Half of it was answered over a connection that is gone.
        scopes.begin_again();
        assert_eq!((scopes.owed(), scopes.say().lines().count(), scopes.owed()), (0, 2, 2));
    }

    #[test]
    fn another_connection_holds_what_is_held_and_ends_what_was_not_answered() {
        let mut scopes = Scopes::default();
        for scope in ["a", "b", "c"] {
            scopes.begun(filter(scope), "r".into());
        }
        scopes.let_go(&filter("a"));
        scopes.say();
        scopes.let_go(&filter("b"));
        scopes.begin_again();
        assert_eq!(scopes.held("r"), [(filter("c"), true)]);
        assert_eq!(scopes.held("next"), [(filter("c"), false)]);
        scopes.told(&filter("c"), "next");
        assert_eq!(scopes.held("next"), [(filter("c"), true)]);
        assert_eq!(
            scopes.say(),
            "%scope label=scope=a\n%scope-end label=scope=a\n%scope label=scope=b\n%scope-end label=scope=b\n"
        );
        scopes.lose(&filter("c"));
        scopes.let_go(&filter("c"));
        assert_eq!((scopes.held("next"), scopes.say().as_str()), (vec![], ""));
    }
}
