//! The fault suite on a real engine: something breaks in every way we know, and afterwards nothing of the
//! session is left and nothing of anybody else's was touched.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod before_use;
mod bystanders;
mod ended_processes;
mod ends;
mod engine_answers;
mod engines;
mod far;
mod foreign;
mod foreign_reaper;
mod hosts;
mod keepers;
mod kill_points;
mod namespaces;
mod newcomers;
mod own_container;
mod podman;
mod reaper_container;
mod removal;
mod rootless;
mod scopes;
mod sessions;
mod slow_clients;
mod stopped;
mod swarm;
mod sweeping;
mod together;
mod vanished;
mod wrapper;
