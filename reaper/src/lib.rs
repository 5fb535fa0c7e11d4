//! No container, network, volume or image that a Rust test created outlives the test run.
//!
//! ```no_run
//! use reaper::{Reaper, with_reaper};
//!
//! #[with_reaper]
//! fn orders_are_kept(reaper: Reaper) {
//!     // every container created with reaper.labels() is gone when the run is over
//!     let _labels = reaper.labels();
//! }
//! ```

mod acquire;
mod config;
mod connection;
#[path = "../ryuk/duration.rs"]
mod duration;
mod engine;
mod error;
#[cfg(feature = "rstest")]
pub mod fixtures;
mod guard;
mod image;
mod keeper;
pub mod labels;
mod platform;
mod runtime;
mod session;
mod spec;
mod wire;

pub use crate::error::{Attempt, Error, Result};
pub use crate::guard::{Builder, Reaper};
pub use crate::labels::{Filter, Labels};
pub use crate::runtime::current;
pub use crate::session::SessionId;
pub use reaper_macros::with_reaper;

/// What the macros' expansion calls; not for anybody else, and free to change.
#[doc(hidden)]
pub mod __private {
    pub use crate::runtime::*;
}

/// The fixture `reaper` as rstest calls it: the name of the crate is the name of the fixture.
#[cfg(feature = "rstest")]
#[doc(hidden)]
pub use crate::fixtures::reaper as default;
