//! What the command line is made of: being a runner, also for who does not know sessions, and a diagnosis of an engine. Knows all of the library.

#[cfg_attr(not(unix), path = "no_adoption.rs")]
mod adoption;
pub mod diagnosis;
pub mod runner;
#[cfg(unix)]
pub mod setup;
