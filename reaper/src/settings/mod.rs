//! Every setting, its sources and its default. Knows the errors alone.

mod certificates;
mod choices;
mod config;
mod contexts;
#[path = "../../ryuk/duration.rs"]
mod duration;
mod places;
mod properties;
mod sources;

pub(crate) use self::choices::{Keep, Sweep};
pub use self::choices::{Scope, Transport};
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::config::FAMILY_HOST;
pub(crate) use self::config::{Config, Run, running_test};
#[cfg(feature = "cli")]
pub(crate) use self::config::{REPORT, RUN};
pub(crate) use self::places::{as_absolute, host};
pub(crate) use self::sources::{Found, usable};
