//! Container engines: where one is, and the requests that are made of it. Knows the settings and the labels.

#[cfg(feature = "cli")]
mod about;
mod answer;
mod api_engine;
mod attend;
#[path = "../../ryuk/connect_words.rs"]
mod connect_words;
mod connector;
mod create;
mod dial;
mod discover;
#[cfg(test)]
pub(crate) mod doubles;
mod endpoint;
mod exec;
mod frames;
mod http;
#[cfg(feature = "testcontainers")]
mod identity;
mod inventory;
#[path = "../../ryuk/kind.rs"]
mod kind;
mod log;
mod look_up;
mod moment;
mod percent;
mod place;
mod place_text;
mod podman;
mod progress;
mod provider;
mod relay;
mod same;
mod secured;
mod sought;
mod ssh;
mod stream;
mod taken;
mod verdict;
mod worker;

#[cfg(feature = "cli")]
pub(crate) use self::about::{ANSWERED_WITHIN, about, create_volume, has_image};
pub(crate) use self::api_engine::ApiEngine;
pub(crate) use self::attend::Said;
pub(crate) use self::connect_words::LABEL as CONNECT;
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::connector::{authority, connect};
#[cfg(feature = "cli")]
pub(crate) use self::discover::{Probed, probes};
pub(crate) use self::discover::{discover, likely};
pub use self::endpoint::Endpoint;
#[cfg(feature = "cli")]
pub(crate) use self::endpoint::set;
pub(crate) use self::exec::Exec;
#[cfg(feature = "testcontainers")]
pub(crate) use self::identity::{Identity, identity};
#[cfg(feature = "cli")]
pub(crate) use self::inventory::Unlisted;
pub(crate) use self::inventory::{Inventory, Removal, Resource};
#[cfg(feature = "cli")]
pub use self::kind::Kind;
#[cfg(not(feature = "cli"))]
pub(crate) use self::kind::Kind;
pub(crate) use self::kind::TASK_OF;
pub(crate) use self::look_up::{has_network, published};
pub(crate) use self::moment::moment;
pub(crate) use self::percent::encode as percent_encode;
pub(crate) use self::place::Place;
pub(crate) use self::provider::{
    Concessions, Container, ContainerSpec, Engine, Ports, Published, Refusal, State,
};
pub(crate) use self::relay::joined_blocking;
#[cfg(feature = "testcontainers")]
pub(crate) use self::same::is_elsewhere;
pub(crate) use self::same::{hidden, leads_to, same};
pub(crate) use self::sought::Sought;
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::stream::Stream;
pub(crate) use self::taken::taken;
pub(crate) use self::worker::{wait, work};
