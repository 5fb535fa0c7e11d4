//! What the command line is made of: being a runner, and a diagnosis of an engine. Knows all of the library.

pub mod diagnosis;
pub mod runner;
