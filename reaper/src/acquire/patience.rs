//! How long to believe that a refusal passes, where its words do not tell: the same words again and again, and nothing
//! else in between, are an answer.
//!
//! An engine that says no for a moment (it starts, its disk is slow, its host has no port) says something else or yes
//! soon. One that cannot do it says the same for ever, and everybody would wait for a deadline.
//!
//! The session's processes count together. Where each round takes the engine long and a hundred take turns, each of them is refused
//! once in a minute, and would never know.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::earlier::now;
use crate::error::Error;
use crate::session::folder::Memory;

/// Fewer may be an accident,
const TIMES: u32 = 4;
/// and so may many within less than this.
const AT_LEAST: Duration = Duration::from_secs(1);
/// Between two refusals that are further apart, an engine may have said anything to others.
const TOGETHER: Duration = Duration::from_secs(5);

const NOTE: &str = "refusals";
/// In which it is asked again, so that the verdict does not wait for a long pause.
pub(super) const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// What the engine has refused so far, in words.
#[derive(Debug, Default)]
pub(super) struct Refusals(Option<Same>);

#[derive(Debug)]
struct Same {
    words: String,
    times: u32,
    since: Instant,
}

impl Refusals {
    /// Takes one more in; gives whether it has been said often enough to stay, to this process or to all of the session.
    pub(super) fn stay(
        &mut self,
        error: &Error,
        memory: &Memory,
        runner: impl Fn() -> Option<String>,
    ) -> bool {
        let words = essence(&error.report());
        let among_all = Noted::of(memory).and_one_more(&words, now());
        if let Err(error) = among_all.keep(memory, runner().as_deref()) {
            tracing::debug!(%error, "a refusal is not counted for the session's other processes");
        }
        self.stay_for_one(words) || among_all.stay()
    }

    fn stay_for_one(&mut self, words: String) -> bool {
        let now = Instant::now();
        match &mut self.0 {
            Some(same) if same.words == words => {
                same.times += 1;
                same.times >= TIMES && now - same.since >= AT_LEAST
            }
            other => {
                *other = Some(Same { words, times: 1, since: now });
                false
            }
        }
    }

    /// Has what was refused forgotten by all of the session, if anything was: the engine says yes again.
    pub(super) fn are_over(&self, memory: &Memory, runner: impl Fn() -> Option<String>) {
        if self.are_pending()
            && let Err(error) = Noted::default().keep(memory, runner().as_deref())
        {
            tracing::debug!(%error, "refusals of before are still counted");
        }
    }

    /// Whether the last thing said was a refusal.
    pub(super) fn are_pending(&self) -> bool {
        self.0.is_some()
    }
}

/// What the engine has refused to the session's processes, at times in milliseconds of the Unix epoch.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    words: String,
    times: u32,
    since: u64,
    last: u64,
}

impl Noted {
    fn of(memory: &Memory) -> Self {
        memory.recall(NOTE).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Two that count at once may count one. There is a next one soon.
    fn and_one_more(self, words: &str, now: u64) -> Self {
        let apart = now.checked_sub(self.last).map(Duration::from_millis);
        let goes_on = self.words == words && apart.is_some_and(|apart| apart <= TOGETHER);
        let (times, since) = if goes_on { (self.times + 1, self.since) } else { (1, now) };
        Self { words: words.to_owned(), times, since, last: now }
    }

    fn stay(&self) -> bool {
        self.times >= TIMES && Duration::from_millis(self.last.saturating_sub(self.since)) >= AT_LEAST
    }

    fn keep(&self, memory: &Memory, runner: Option<&str>) -> std::io::Result<()> {
        memory.keep(NOTE, &serde_json::to_string(self).unwrap_or_default(), runner)
    }
}

/// The words without what is another each time: ids, ports, times.
pub(super) fn essence(words: &str) -> String {
    let is_part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let parts = words.split_inclusive(|c| !is_part_of_word(c));
    parts.map(|part| if part.contains(|c: char| c.is_ascii_digit()) { "#" } else { part }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn said(words: &str) -> Error {
        let source = Arc::new(std::io::Error::other(words.to_owned()));
        Error::Engine { operation: "start it".into(), source }
    }

    fn alone(refusals: &mut Refusals, words: &str) -> bool {
        refusals.stay(&said(words), &Memory::default(), || None)
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_words_for_long_enough_stay() {
        let mut refusals = Refusals::default();
        for id in ["3f0a", "77b1", "90ce", "e421"] {
            assert!(!alone(&mut refusals, &format!("container {id} is on fire")), "too soon");
        }
        tokio::time::advance(AT_LEAST).await;
        assert!(alone(&mut refusals, "container 0 is on fire"));
    }

    #[tokio::test(start_paused = true)]
    async fn other_words_begin_anew_and_few_are_an_accident() {
        let mut refusals = Refusals::default();
        for words in ["on fire", "on fire", "no memory", "no memory", "no memory", "on fire"] {
            tokio::time::advance(AT_LEAST).await;
            assert!(!alone(&mut refusals, words), "{words}");
        }
    }

    #[test]
    fn what_was_refused_to_others_counts_if_it_was_the_same_a_moment_ago() {
        for (refused, stays) in [
            (&[("on fire", 0), ("on fire", 400), ("on fire", 800), ("on fire", 1_000)][..], true),
            (&[("on fire", 0), ("on fire", 4_000), ("on fire", 8_000), ("on fire", 12_000)], true),
            (&[("on fire", 0), ("on fire", 1), ("on fire", 2), ("on fire", 999)], false),
            (&[("on fire", 0), ("on fire", 400), ("on fire", 2_000)], false),
            (
                &[
                    ("on fire", 0),
                    ("on fire", 400),
                    ("no memory", 800),
                    ("on fire", 1_200),
                    ("on fire", 1_300),
                ],
                false,
            ),
            (&[("on fire", 0), ("on fire", 400), ("on fire", 800), ("on fire", 5_801)], false),
            // The clock was set.
            (&[("on fire", 3_000), ("on fire", 3_400), ("on fire", 3_800), ("on fire", 9)], false),
        ] {
            let noted =
                refused.iter().fold(Noted::default(), |noted, (words, now)| noted.and_one_more(words, *now));
            assert_eq!(noted.stay(), stays, "{refused:?}");
        }
    }

    #[test]
    fn processes_of_a_session_count_together_and_those_without_a_folder_alone() {
        let root = tempfile::tempdir().unwrap();
        let memory = || Memory::of(root.path().to_owned(), "s", "engine");
        let began = now() - 1_000;
        Noted { words: essence(&said("on fire").report()), times: 3, since: began, last: began }
            .keep(&memory(), None)
            .unwrap();
        assert!(!Refusals::default().stay(&said("on fire"), &Memory::default(), || None));
        assert!(Refusals::default().stay(&said("on fire"), &memory(), || None));
        assert!(!Refusals::default().stay(&said("no memory"), &memory(), || None));
    }
}
