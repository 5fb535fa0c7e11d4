//! The embedded server as a process, against an engine of our own on a Unix socket.
//!
//! The engine can be told to misbehave, which a real one does not do on request; what it was asked is what
//! these tests look at. The same server against a real engine is tested end to end.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod clients;
mod comings;
mod connect;
mod engine;
mod foreign;
mod greeting;
mod hostile;
mod keys;
mod limits;
mod process;
mod removal;
mod reports;
mod scope_ends;
mod scopes;
mod swarm;
mod world;
