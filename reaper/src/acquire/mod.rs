//! From a name to an acknowledged connection: looks the session's reaper up, or creates it. Knows the engine and the
//! session.

mod aftermath;
mod claims;
mod earlier;
mod ending;
mod hardening;
// Each side uses one half.
#[cfg_attr(not(test), expect(dead_code, reason = "the server's half"))]
#[path = "../../ryuk/hello.rs"]
mod hello;
mod image;
#[cfg_attr(not(test), expect(dead_code, reason = "the server's half"))]
#[path = "../../ryuk/key_words.rs"]
mod key_words;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod model;
mod own_network;
#[cfg(test)]
mod own_network_tests;
#[cfg(test)]
mod pace_tests;
mod patience;
mod proof;
mod reach;
mod route;
mod search;
#[cfg(test)]
mod setback_tests;
mod setbacks;
mod spec;
#[cfg(test)]
mod spec_tests;
#[cfg(test)]
mod tests;
mod way;
mod wire;

pub(crate) use self::claims::{Claimed, Claims, KeyServer, Unclaimed};
pub(crate) use self::earlier::{found_before, leave, memory};
#[cfg(any(unix, feature = "cli"))]
pub(crate) use self::hello::read_removed as removed_in;
pub(crate) use self::hello::{KEYS, SCOPE_HAS_ENDED, SCOPES, ScopeWord};
#[cfg(feature = "cli")]
pub(crate) use self::image::Image;
pub(crate) use self::key_words::Ask;
pub(crate) use self::search::{Acquired, acquire};
pub(crate) use self::spec::Plan;
pub(crate) use self::way::{Route, Way};
pub(crate) use self::wire::{WireError, encode, forget_values, next_answer, register, scope, scope_line};
#[cfg(feature = "cli")]
pub(crate) use self::wire::{count_clients, end_run};
