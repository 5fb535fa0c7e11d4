//! How long to believe that a refusal passes, where its words do not tell: the same words again and again, and nothing
//! else in between, are an answer.
//!
//! An engine that says no for a moment (it starts, its disk is slow, its host has no port) says something else or yes
//! soon. One that cannot do it says the same for ever, and everybody would wait for a deadline.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// Fewer may be an accident,
const TIMES: u32 = 4;
/// and so may many within less than this.
const AT_LEAST: Duration = Duration::from_secs(1);
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
    /// Takes one more in; gives whether it has been said often enough to stay.
    pub(super) fn stay(&mut self, error: &Error) -> bool {
        let words = essence(&error.report());
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

    /// Whether the last thing said was a refusal.
    pub(super) fn are_pending(&self) -> bool {
        self.0.is_some()
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

    #[tokio::test(start_paused = true)]
    async fn the_same_words_for_long_enough_stay() {
        let mut refusals = Refusals::default();
        for id in ["3f0a", "77b1", "90ce", "e421"] {
            assert!(!refusals.stay(&said(&format!("container {id} is on fire"))), "too soon");
        }
        tokio::time::advance(AT_LEAST).await;
        assert!(refusals.stay(&said("container 0 is on fire")));
    }

    #[tokio::test(start_paused = true)]
    async fn other_words_begin_anew_and_few_are_an_accident() {
        let mut refusals = Refusals::default();
        for words in ["on fire", "on fire", "no memory", "no memory", "no memory", "on fire"] {
            tokio::time::advance(AT_LEAST).await;
            assert!(!refusals.stay(&said(words)), "{words}");
        }
    }
}
