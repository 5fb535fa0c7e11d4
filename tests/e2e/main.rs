//! The main job on a real engine: the suite is run as a user runs it, and the engine is looked at from
//! outside.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod adoption;
mod attach;
mod attributes;
mod build;
mod by_id;
mod composed;
mod containers;
mod crowd;
mod dropped;
mod ends;
mod held;
mod images;
mod in_a_container;
mod keep;
mod keeper;
mod kept_by_hand;
mod provider;
mod reap_now;
mod refusals;
mod reports;
mod runner;
mod runs;
mod scopes;
mod shared;
mod sweep;
mod testcontainers;
mod transport;
