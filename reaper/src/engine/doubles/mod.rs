//! Engines for tests: one does what it is told, one has a will of its own in virtual time, one is a shelf of things, and one
//! answers over a socket.

mod fake;
#[cfg(unix)]
mod scripted;
mod shelf;
mod simulated;
mod simulated_ryuk;
mod world;

pub(crate) use self::fake::{
    Answer, Event as FakeEvent, FakeEngine, OWN_NETWORK, World as FakeWorld, failure, reaper, refusal,
};
#[cfg(unix)]
pub(crate) use self::scripted::scripted;
pub(crate) use self::shelf::{Shelf, resource};
pub(crate) use self::world::{Event, Fault, Operation, Ryuk, Simulated, SimulatedEngine, Trouble, World};
