//! Why an engine did not do what it was asked, in the few kinds that make a difference.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use super::super::answer::Failure;
use super::super::verdict::{Hopeless, Missing, Verdict, missing, verdict};

/// What was in the way, in the engine's words or a provider's own.
pub type Problem = Box<dyn StdError + Send + Sync>;

/// Why an engine did not do what it was asked.
///
/// [`Refusal::said`] sorts an answer of the Engine API as the reaper's own requests are sorted. A provider that refuses by itself
/// says [`Refusal::Final`]. An [`io::Error`] is [`Refusal::Passing`], so `?` does for a connection that breaks.
///
/// ```
/// use reaper::provider::Refusal;
///
/// assert!(matches!(Refusal::said(409, "the name is in use"), Refusal::NameTaken));
/// assert!(matches!(Refusal::said(503, "no server is available"), Refusal::Passing(_)));
/// assert_eq!(Refusal::Final("no reaper without a limit".into()).to_string(), "no reaper without a limit");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// Another container has the name: the reaper is looked up again.
    NameTaken,
    /// The image is not on the engine: it is brought there.
    NoImage,
    /// The network is not on the engine: one is made, unless a person has named it.
    NoNetwork(Problem),
    /// The engine's socket is not where its host is said to have it: an error at once.
    NoSocket(Problem),
    /// Trying again may help: it is tried until the deadline.
    Passing(Problem),
    /// Nobody knows. A creation or a start is asked again; the same words four times in a row are an error.
    Unclear(Problem),
    /// Trying again does not help: an error at once.
    Final(Problem),
}

impl Refusal {
    /// The refusal for an answer of the Engine API: its status, and the words of its `message`.
    #[must_use]
    pub fn said(status: u16, message: &str) -> Self {
        Self::of_creation(Failure::Said { status, message: message.to_owned() })
    }

    /// What stands in the way of a creation or a start, which may be something that can be had.
    pub(super) fn of_creation(failure: Failure) -> Self {
        let Failure::Said { status, message } = &failure else { return Self::of(failure) };
        match missing(*status, message) {
            Some(Missing::Name) => Self::NameTaken,
            Some(Missing::Image) => Self::NoImage,
            Some(Missing::Network) => Self::NoNetwork(failure.into()),
            Some(Missing::Socket) => Self::NoSocket(failure.into()),
            Some(Missing::Container) => Self::Passing(failure.into()),
            None => Self::of(failure),
        }
    }

    /// What stands in the way of any other request.
    pub(super) fn of(failure: Failure) -> Self {
        let Failure::Said { status, message } = &failure else { return Self::Passing(failure.into()) };
        let judged = |advice| Hopeless { problem: failure.to_string(), advice }.into();
        match verdict(*status, message) {
            Verdict::Passes => Self::Passing(failure.into()),
            Verdict::Unclear(advice) => Self::Unclear(judged(advice)),
            Verdict::Never(advice) => Self::Final(judged(advice)),
        }
    }

    /// What was in the way, where there is more to say than the kind does.
    fn problem(&self) -> Option<&Problem> {
        match self {
            Self::NameTaken | Self::NoImage => None,
            Self::NoNetwork(problem)
            | Self::NoSocket(problem)
            | Self::Passing(problem)
            | Self::Unclear(problem)
            | Self::Final(problem) => Some(problem),
        }
    }

    /// What was in the way, by itself.
    pub(crate) fn into_problem(self) -> Problem {
        match self {
            Self::NameTaken | Self::NoImage => self.to_string().into(),
            Self::NoNetwork(problem)
            | Self::NoSocket(problem)
            | Self::Passing(problem)
            | Self::Unclear(problem)
            | Self::Final(problem) => problem,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken => formatter.write_str("another container has the name"),
            Self::NoImage => formatter.write_str("the image is not there"),
            other => other.problem().map_or(Ok(()), |problem| problem.fmt(formatter)),
        }
    }
}

impl StdError for Refusal {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.problem()?.source()
    }
}

/// What an engine answered that is of no use: final where it says that it will not be another.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match Hopeless::found_in(&error) {
            Some(hopeless) => Self::Final(hopeless.clone().into()),
            None => Self::Passing(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_sorted_by_its_status_and_its_words() {
        for (status, message, expected) in [
            (409, "the name is in use", "NameTaken"),
            (404, "No such image: ryuk", "NoImage"),
            (404, "network bridge not found", "NoNetwork("),
            (400, "bind source path does not exist: /x", "NoSocket("),
            (404, "No such container: abc", "Passing("),
            (500, "port is already allocated", "Passing("),
            (500, "on fire", "Unclear("),
            (403, "policy", "Final("),
        ] {
            let said = format!("{:?}", Refusal::said(status, message));
            assert!(said.starts_with(expected), "{status} {message}: {said}");
        }
    }

    #[test]
    fn what_is_no_engine_is_final_and_what_broke_off_passes() {
        let hopeless = Hopeless { problem: "it is a printer".into(), advice: "name another" };
        let refusal = Refusal::from(io::Error::from(hopeless));
        assert!(matches!(refusal, Refusal::Final(_)) && refusal.to_string() == "it is a printer");
        assert!(matches!(Refusal::from(io::Error::other("broke off")), Refusal::Passing(_)));
    }
}
