//! No container, network, volume or image that a Rust test created outlives the test run.
//!
//! However the run ends: green, by a panic, a timeout, Ctrl-C or `kill -9`. A small container, the reaper,
//! removes what carries the labels of the run as soon as the run's last connection to it is gone.
//!
//! New here? [Your first test](guide::first_test) takes a minute, and [the guide](guide) has the rest.
//!
//! # One line for all tests
//!
//! Where tests start what they need through one helper, [`labels`] in that is all. The process is guarded from the first
//! call until its end, and no test has to know:
//!
//! ```no_run
//! use testcontainers::core::error::TestcontainersError;
//! use testcontainers::runners::AsyncRunner;
//! use testcontainers::{ContainerAsync, GenericImage, ImageExt};
//!
//! async fn start_redis() -> Result<ContainerAsync<GenericImage>, TestcontainersError> {
//!     // Whatever is created with these labels is gone when the run is over.
//!     GenericImage::new("redis", "7").with_labels(reaper::labels()).start().await
//! }
//! ```
//!
//! It works anywhere, sync or async, also in a library, a `static` or a constructor; [`hold`] gives the guard itself. Tests
//! that need no engine do not ask for one.
//!
//! # One test
//!
//! Where the guard's end is to be the test's, an attribute hands one in:
//!
//! ```
//! use reaper::{Reaper, with_reaper};
//!
//! #[with_reaper]
//! fn orders_are_kept(reaper: Reaper) {
//!     let labels = reaper.labels();
//!     assert!(labels.iter().count() > 0);
//! }
//! ```
//!
//! The attribute makes the function a test by itself; with `#[test]`, `#[tokio::test]` or `#[rstest]` it stands
//! above or below. The guard is there before the first line, and before any fixture is built; it goes after
//! everything else in the test. Without a parameter, [`current`] gives it to the body and to helpers:
//!
//! ```
//! use reaper::with_reaper;
//!
//! fn docker_arguments() -> Vec<String> {
//!     let reaper = reaper::current();
//!     reaper.labels().iter().map(|(key, value)| format!("--label={key}={value}")).collect()
//! }
//!
//! #[with_reaper]
//! async fn a_helper_asks_for_the_guard() -> std::io::Result<()> {
//!     let arguments = docker_arguments();
//!     Ok(())
//! }
//! ```
//!
//! What it creates goes with the run; with the test, where the attribute says `scope = "test"` ([`Scope`]).
//!
//! # A whole module
//!
//! ```
//! #[reaper::with_reaper]
//! mod tests {
//!     #[test]
//!     fn one() {}
//!
//!     #[tokio::test]
//!     async fn two() {}
//! }
//! ```
//!
//! # rstest
//!
//! Feature `rstest` has [fixtures](https://docs.rs/test-reaper/latest/reaper/fixtures):
//!
#![cfg_attr(feature = "rstest", doc = "```")]
#![cfg_attr(not(feature = "rstest"), doc = "```ignore")]
//! use reaper::{Reaper, fixtures::reaper};
//! use rstest::rstest;
//!
//! #[rstest]
//! #[case("orders")]
//! #[case("customers")]
//! fn a_database_each(reaper: Reaper, #[case] name: &str) {}
//! ```
//!
//! # testcontainers
//!
//! Its releases since 0.23.2 take the labels, with nothing switched on here:
//!
//! ```no_run
//! use reaper::{Reaper, with_reaper};
//! use testcontainers::core::error::TestcontainersError;
//! use testcontainers::runners::AsyncRunner;
//! use testcontainers::{GenericImage, ImageExt};
//!
//! #[with_reaper]
//! async fn redis_answers(reaper: Reaper) -> Result<(), TestcontainersError> {
//!     let redis = GenericImage::new("redis", "7").with_labels(reaper.labels()).start().await?;
//!     Ok(())
//! }
//! # async fn compiled(reaper: Reaper) -> Result<(), TestcontainersError> {
//! #     GenericImage::new("redis", "7").with_labels(reaper.labels()).start().await.map(drop)
//! # }
//! ```
//!
//! Feature `testcontainers` has `image.with_reaper(&reaper)` for the same, and `image.start_shared(&reaper, "redis")`
//! for a container that the whole run shares. The networks of testcontainers carry no labels: [`Reaper::network`] has
//! one that does, whose name it takes.
//!
//! bollard takes the labels as a map, `Some(reaper.labels().into())`, in any release, and the docker CLI as above.
//!
//! # Compose
//!
//! What compose creates carries its project's label, so the reaper is told of that, before anything is started:
//!
//! ```
//! use std::process::Command;
//!
//! use reaper::{Filter, Reaper, with_reaper};
//!
//! #[with_reaper]
//! fn orders_are_kept(reaper: Reaper) -> Result<(), Box<dyn std::error::Error>> {
//!     let project = format!("orders-{}", std::process::id());
//!     reaper.also(Filter::label("com.docker.compose.project", &project)?)?;
//!     Command::new("docker").args(["compose", "-p", &project, "up", "--detach"]).status()?;
//!     Ok(())
//! }
//! ```
//!
//! # Once per run
//!
//! nextest starts a process per test, so what a `static` or a fixture holds is made once per *process*.
//! [`Reaper::shared`] makes a value once per *run*: the first process that asks for a key makes it, all others
//! wait and get it, and what it stands for is removed with the session:
//!
//! ```
//! use reaper::{Reaper, with_reaper};
//!
//! # async fn start_database(reaper: &Reaper) -> std::io::Result<String> { Ok(String::new()) }
//! #[with_reaper]
//! async fn orders_are_kept(reaper: Reaper) -> reaper::Result<()> {
//!     let url: String = reaper.shared("database", || start_database(&reaper)).await?;
//!     Ok(())
//! }
//! ```
//!
//! The value is what processes can tell each other: an address, an id, a password; whatever serde can write.
//!
//! [`Reaper::shared_by_id`] is the same for a container that any library has started: it looks at it on each attach, tells
//! where it is reached, and has it started again where it does not run any more.
//!
//! Where it takes no more than a container, feature `bollard` has it ready: `Reaper::shared_container` starts it once,
//! waits until it is ready, looks at it on each attach, and makes it again where it does not run any more:
//!
#![cfg_attr(feature = "bollard", doc = "```no_run")]
#![cfg_attr(not(feature = "bollard"), doc = "```ignore")]
//! use reaper::bollard::models::ContainerCreateBody;
//! use reaper::{ContainerSpec, Reaper, with_reaper};
//!
//! #[with_reaper]
//! async fn orders_are_cached(reaper: Reaper) -> reaper::Result<()> {
//!     let redis = ContainerCreateBody { image: Some("redis:7".into()), ..Default::default() };
//!     let redis = ContainerSpec::new(redis).with_port(6379);
//!     let redis = reaper.shared_container("redis", redis).await?;
//!     let address = redis.address(6379)?;
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! [`#[shared]`](macro@shared) does the same for a function: whoever calls it, in whichever process, gets what its
//! body returned the first time. With rstest's `#[fixture]`, above or below, it is a fixture:
//!
//! ```
//! use reaper::{Reaper, shared, with_reaper};
//!
//! #[shared]
//! async fn database(reaper: Reaper) -> Result<String, Box<dyn std::error::Error>> {
//!     // … creates a container with reaper.labels() and waits until it is ready
//!     Ok("postgres://127.0.0.1:32768".into())
//! }
//!
//! #[with_reaper]
//! async fn orders_are_kept(reaper: Reaper) -> Result<(), Box<dyn std::error::Error>> {
//!     let url = database(reaper).await?;
//!     Ok(())
//! }
//! ```
//!
//! # When things go wrong
//!
//! - No engine: the test fails, at its own place, with every endpoint that was tried, why each failed, and what to do;
//!   at full length once per process. A test with `#[should_panic]` fails, too.
//! - The reaper is killed: its end is noticed at once, a new one is created and told every filter again.
//! - The test is killed: the operating system closes its connection, which is all the reaper waits for.
//! - Something cannot be removed: the reaper's log says what and why.
//! - A test fails and what it created has to be looked at: `REAPER_KEEP=on-failure` keeps it. The end of a test under
//!   [`with_reaper`] counts, a panic other than the expected one or what it returns: an error, a failing `ExitCode`, and any
//!   `Termination` of its own, since that tells the harness alone. By hand, a panic while the guard is held. What was
//!   killed has failed. Where tests share a process, they share its fate.
//! - Everything has to be gone at once: [`Reaper::reap_now`].
//!
//! # What the attribute writes
//!
//! ```
//! # use reaper::Reaper;
//! #[test]
//! fn orders_are_kept() {
//!     match ::reaper::__private::enter() {
//!         _guard => {
//!             match ::reaper::__private::parameter::<Reaper>() {
//!                 reaper => {
//!                     // the body
//!                 }
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! A `match` and no `let`, so that nothing of the body can be hidden by a name, or hide one.
//!
//! # The guide
//!
//! [One page an idea](guide), from the first test to what each message means.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `embedded` (default) | the reaper's own image, compiled in |
//! | `tokio` (default) | `#[with_reaper]` alone runs an `async fn` |
//! | `rstest` | the [fixtures](https://docs.rs/test-reaper/latest/reaper/fixtures) |
//! | `bollard` | containers that a session shares, by the types of bollard 0.20 or 0.21, which is re-exported; with `rstest` the fixture of its client |
//! | `testcontainers` | the same for its images of release 0.28, and `with_reaper` for their labels |
//! | `tls` | TLS to an engine that is named by an address |
//! | `cli` | the command line `reaper`, and what it is made of: [sessions](https://docs.rs/test-reaper/latest/reaper/sessions) on an engine, a [diagnosis](https://docs.rs/test-reaper/latest/reaper/diagnosis) of it, [being a runner](https://docs.rs/test-reaper/latest/reaper/runner) |
//! | `ryuk-server` | the embedded server as a program |

mod acquire;
mod engine;
mod error;
mod guard;
mod platform;
mod removal;
mod session;
mod settings;
mod shared;
mod test;
#[cfg(feature = "cli")]
mod tools;

#[cfg(feature = "bollard")]
pub use ::bollard;

pub use crate::engine::Endpoint;
pub use crate::error::{Attempt, Error, Result};
pub use crate::guard::{Builder, Reaper};
pub use crate::removal::Reaped;
#[cfg(feature = "cli")]
pub use crate::removal::sessions;
pub use crate::session::{Filter, Labels, LabelsIter, SessionId, label_keys};
pub use crate::settings::{Scope, Transport};
#[cfg(feature = "bollard")]
pub use crate::shared::ContainerSpec;
#[cfg(feature = "testcontainers")]
pub use crate::shared::testcontainers;
pub use crate::shared::{Network, SharedContainer};
#[cfg(feature = "rstest")]
pub use crate::test::fixtures;
pub use crate::test::{current, endpoint, hold, labels};
#[cfg(all(unix, feature = "cli"))]
pub use crate::tools::setup;
#[cfg(feature = "cli")]
pub use crate::tools::{diagnosis, runner};
#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/shared.md")]
pub use reaper_macros::shared;
#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/with_reaper.md")]
pub use reaper_macros::with_reaper;

pub mod provider {
    #![doc = include_str!("../docs/links.md")]
    #![doc = include_str!("../docs/provider.md")]

    #[cfg(feature = "bollard")]
    pub use crate::engine::Bollard;
    pub use crate::engine::{
        Answer, Container, Direct, Kind, Platform, Problem, Provider, ProviderRefusal as Refusal,
        ProviderRemoval as Removal, ReaperSpec, Resource,
    };
}

/// The guide, one page an idea. (Only documentation: nothing of it is in a build.)
///
#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/guide.md")]
#[cfg(any(doc, doctest))]
pub mod guide {
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/adopting.md")]
    pub mod adopting {}
    #[cfg(feature = "bollard")]
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/bollard.md")]
    pub mod bollard {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/ci.md")]
    pub mod ci {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/commands.md")]
    pub mod commands {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/engines.md")]
    pub mod engines {
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/colima.md")]
        pub mod colima {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/docker.md")]
        pub mod docker {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/docker_desktop.md")]
        pub mod docker_desktop {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/docker_in_docker.md")]
        pub mod docker_in_docker {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/in_a_container.md")]
        pub mod in_a_container {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/orbstack.md")]
        pub mod orbstack {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/podman.md")]
        pub mod podman {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/rancher_desktop.md")]
        pub mod rancher_desktop {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/remote.md")]
        pub mod remote {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/rootless_docker.md")]
        pub mod rootless_docker {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/several_hosts.md")]
        pub mod several_hosts {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/swarm.md")]
        pub mod swarm {}
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!("../docs/guide/engines/transport.md")]
        pub mod transport {}
    }
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/first_test.md")]
    pub mod first_test {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/how_it_works.md")]
    pub mod how_it_works {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/ides.md")]
    pub mod ides {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/keeping.md")]
    pub mod keeping {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/migrating.md")]
    pub mod migrating {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/nextest.md")]
    pub mod nextest {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/recipes.md")]
    pub mod recipes {}
    #[cfg(feature = "rstest")]
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/rstest.md")]
    pub mod rstest {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/scopes.md")]
    pub mod scopes {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/settings.md")]
    pub mod settings {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/shared.md")]
    pub mod shared {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/testcontainers.md")]
    pub mod testcontainers {}
    #[doc = include_str!("../docs/links.md")]
    #[doc = include_str!("../docs/guide/troubleshooting.md")]
    pub mod troubleshooting {}
}

/// What the macros' expansion calls; not for anybody else, and free to change.
#[doc(hidden)]
pub mod __private {
    pub use crate::test::*;
}

/// The fixture `reaper` as rstest calls it: the name of the crate is the name of the fixture.
#[cfg(feature = "rstest")]
#[doc(hidden)]
pub use crate::test::fixtures::reaper as default;
