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
mod kept;
#[path = "../../ryuk/kind.rs"]
mod kind;
mod log;
mod look_up;
mod moment;
mod needs;
mod percent;
mod place;
mod place_text;
mod pluggable;
mod podman;
mod progress;
mod relay;
mod resource;
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
pub(crate) use self::discover::{discover, handed_over, likely};
pub use self::endpoint::Endpoint;
#[cfg(feature = "cli")]
pub(crate) use self::endpoint::set;
pub(crate) use self::exec::Exec;
#[cfg(feature = "testcontainers")]
pub(crate) use self::identity::{Identity, identity};
#[cfg(feature = "cli")]
pub(crate) use self::inventory::Unlisted;
pub(crate) use self::inventory::{Inventory, Removal};
pub use self::kind::Kind;
pub(crate) use self::kind::TASK_OF;
pub(crate) use self::look_up::{has_network, published};
pub(crate) use self::moment::moment;
pub(crate) use self::needs::{Concessions, Engine, Ports, Published, Refusal, State};
pub use self::needs::{Container, ReaperSpec};
pub(crate) use self::percent::encode as percent_encode;
pub(crate) use self::place::Place;
#[cfg(feature = "bollard")]
pub use self::pluggable::Bollard;
pub(crate) use self::pluggable::Handed;
pub use self::pluggable::{
    Answer, Direct, Platform, Problem, Provider, Refusal as ProviderRefusal, Removal as ProviderRemoval,
};
pub(crate) use self::relay::joined_blocking;
pub use self::resource::Resource;
#[cfg(feature = "testcontainers")]
pub(crate) use self::same::is_elsewhere;
pub(crate) use self::same::{hidden, leads_to, same};
pub(crate) use self::sought::Sought;
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::stream::Stream;
pub(crate) use self::taken::taken;
pub(crate) use self::worker::{wait, work};
