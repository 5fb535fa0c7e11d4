//! What looks at an engine from outside, for the tests' harness, whose helpers panic where this gives an error, and for
//! `cargo xtask`: a [`Client`] of its raw API, the [`programs`] that an engine takes, and what is not run on [`podman`].
//!
//! This is a crate of its own, so that `cargo xtask` is built without what the tests need.

mod client;
pub mod podman;
pub mod programs;

pub use client::{Answer, Body, Client, Result, encoded};
