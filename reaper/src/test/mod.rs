//! What a test's code calls: the expansions of `#[with_reaper]` and `#[shared]`, and the fixtures for rstest. Knows the
//! guard and what is shared.

mod endpoint;
#[cfg(feature = "rstest")]
pub mod fixtures;
mod guarded;
mod held;
mod outcome;
pub mod shared;

pub use self::endpoint::endpoint;
#[cfg(feature = "rstest")]
pub(crate) use self::guarded::acquire_in;
pub use self::guarded::*;
pub use self::held::{hold, labels};
