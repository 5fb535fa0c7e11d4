//! Everything that a test needs of an engine, looked at and tried, one thing after another.
//!
//! Feature `cli`: what `reaper doctor` prints. The last steps are a real session, acquired as a test acquires it, since
//! every check that only resembles the real thing passes on some machine on which the tests do not run.

mod finding;
mod session;
mod steps;

pub use self::finding::{Finding, Told, Verdict};
pub use self::steps::examine;
