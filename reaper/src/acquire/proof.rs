//! Whether what answers is the server in the container that was looked up.
//!
//! An `ACK` proves a Ryuk, and not whose: behind a forwarded socket an address may be anybody's. A container whose server
//! can be greeted says so by a label, and its creator has put a secret into its environment, which only that server can
//! say. So it is greeted first, and where it does not answer as it must, nothing is registered. Official images are not
//! greeted, since they could not answer.

use super::hello::{self, Hello};
use super::key_words;
use crate::engine::Container;

/// What the server in a container has to say to a greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// None where somebody else has made the container, of our image: then another's would have said his.
    secret: Option<String>,
    /// What it has to be told by who asks for values; none where it keeps none.
    token: Option<String>,
}

impl Expected {
    /// What is expected of a container; none of one that is not to be greeted.
    pub(super) fn of(container: &Container) -> Option<Self> {
        container.labels.get(hello::LABEL)?;
        let word = |wanted| {
            container.environment.iter().find_map(|variable| {
                let (name, value) = variable.split_once('=')?;
                (name == wanted && hello::is_secret(value)).then(|| value.to_owned())
            })
        };
        Some(Self { secret: word(hello::SECRET), token: word(key_words::TOKEN) })
    }

    /// Whether the right answer proves whose the server is, so that an address may be tried that may be anybody's.
    pub(super) fn is_proof(&self) -> bool {
        self.secret.is_some()
    }

    /// What the server has said; none where the answer is not its.
    pub(super) fn said(&self, answer: &str) -> Option<Hello> {
        hello::read(answer).filter(|said| said.secret == self.secret)
    }

    /// What it has to be told by who asks for values.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// As one word, without what is for values.
    pub(super) fn word(&self) -> &str {
        self.secret.as_deref().unwrap_or("-")
    }

    /// The same backwards.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "-" => Some(Self { secret: None, token: None }),
            secret => {
                let secret = hello::is_secret(secret).then(|| secret.to_owned())?;
                Some(Self { secret: Some(secret), token: None })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::State;
    use crate::engine::doubles::reaper;

    fn container(label: bool, environment: &[&str]) -> Container {
        let mut container = reaper("c", State::Running);
        container.labels.extend(label.then(|| (hello::LABEL.to_owned(), "1".to_owned())));
        container.environment = environment.iter().map(|variable| (*variable).to_owned()).collect();
        container
    }

    #[test]
    fn only_what_says_so_is_greeted_and_only_a_secret_is_a_proof() {
        assert_eq!(Expected::of(&container(false, &["REAPER_SECRET=5eed"])), None);
        let expected = |environment: &[&str]| Expected::of(&container(true, environment)).unwrap();
        for none in [&[][..], &["REAPER_SECRET="], &["REAPER_SECRET=-"], &["REAPER_SECRET=a b"], &["PATH"]] {
            assert!(!expected(none).is_proof(), "{none:?}");
        }
        let ours = expected(&["PATH=/bin", "REAPER_SECRET=5eed"]);
        assert!(ours.is_proof());
        let generation = |expected: &Expected, answer| expected.said(answer).map(|said| said.generation);
        assert_eq!(generation(&ours, "HELLO 1 5eed 7"), Some(7));
        assert_eq!(ours.said("HELLO 2 5eed 7").map(|said| said.version), Some(2));
        for others in ["ACK", "HELLO 1 other 7", "HELLO 1 - 7", "ERROR no", ""] {
            assert_eq!(generation(&ours, others), None, "{others}");
        }
        let with_values = expected(&["REAPER_TOKEN=70ce", "REAPER_SECRET=5eed"]);
        assert_eq!((with_values.token(), ours.token()), (Some("70ce"), None));
        let unknown = expected(&[]);
        assert_eq!(
            (generation(&unknown, "HELLO 1 - 7"), generation(&unknown, "HELLO 1 5eed 7")),
            (Some(7), None)
        );
        for expected in [ours, unknown] {
            assert_eq!(Expected::from_word(expected.word()), Some(expected));
        }
    }
}
