//! Sessions for who knows nothing of them: an engine's socket that labels what is created over it.
//!
//! ```text
//!  a command ── DOCKER_HOST ──▶ socket ── every request ──▶ engine
//!  and what it starts             └ what creates something gets the labels of the session, the process, the test
//! ```

mod adopted;
mod creation;
mod creator;
mod object;
mod pass;
mod socket;

pub(super) use self::adopted::Adoption;
