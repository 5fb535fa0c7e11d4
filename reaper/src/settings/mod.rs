//! Every setting, its sources and its default. Knows the errors alone.

mod config;
#[path = "../../ryuk/duration.rs"]
mod duration;
mod places;
mod properties;
mod sources;

#[cfg(feature = "cli")]
pub(crate) use self::config::RUN;
pub(crate) use self::config::{Config, Keep, Run, Sweep, running_test};
pub(crate) use self::places::host;
pub(crate) use self::sources::{Found, usable};
