//! What is told while an engine is examined.

/// How a thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Not as it should be: no test with a guard will pass, or nothing will be removed.
    Bad,
    /// Worth knowing.
    Note,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at, in a word.
    pub subject: &'static str,
    /// How it was found.
    pub verdict: Verdict,
    /// What was found; of several lines where an error has causes.
    pub text: String,
    /// What to do about it, where it is bad.
    pub advice: Option<String>,
}

/// What is told while an engine is examined.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// Something that may take a while begins.
    Begins(&'static str),
    /// Something was looked at.
    Found(Finding),
}

/// An examination under way: whom to tell, and how it looks so far.
pub(super) struct Examination<T> {
    pub(super) tell: T,
    pub(super) all_good: bool,
}

impl<T: FnMut(Told)> Examination<T> {
    pub(super) fn good(&mut self, subject: &'static str, text: String) {
        (self.tell)(Told::Found(Finding { subject, verdict: Verdict::Good, text, advice: None }));
    }

    pub(super) fn note(&mut self, subject: &'static str, text: String) {
        (self.tell)(Told::Found(Finding { subject, verdict: Verdict::Note, text, advice: None }));
    }

    pub(super) fn bad(&mut self, subject: &'static str, text: String, advice: &str) {
        self.all_good = false;
        let advice = Some(advice.to_owned());
        (self.tell)(Told::Found(Finding { subject, verdict: Verdict::Bad, text, advice }));
    }
}
