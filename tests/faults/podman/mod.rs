//! Podman, which takes more for a match than Docker does, and more by force.

mod filters;
mod past_the_reaper;
mod runs;
mod scopes;
mod slow;
mod transport;
mod users;

use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::until;
use reaper_tests::world::{self, image};
use serde_json::Value;

/// Wider than every timeout that these tests set, and the removing.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// Of every kind one, all with these labels.
struct Things([String; 4]);

impl Things {
    fn create(engine: &Engine, name: &str, labels: &Value) -> Self {
        let container = world::container(engine, image(engine), labels, None);
        world::network(engine, name, labels);
        world::volume(engine, name, labels);
        let image = world::commit(engine, &container, name, labels);
        let things = [
            format!("/containers/{container}/json"),
            format!("/networks/{name}"),
            format!("/volumes/{name}"),
            format!("/images/{image}/json"),
        ];
        let things = Self(things);
        assert_eq!(things.there(engine).len(), 4, "not all were created: {:?}", things.0);
        things
    }

    /// What of it is there.
    fn there(&self, engine: &Engine) -> Vec<&str> {
        self.0.iter().map(String::as_str).filter(|path| engine.inspect(path).is_some()).collect()
    }

    #[track_caller]
    fn are_all_there(&self, engine: &Engine) {
        assert_eq!(self.there(engine), self.0);
    }

    #[track_caller]
    fn are_gone(&self, engine: &Engine) {
        assert_eq!(self.there(engine), Vec::<&str>::new());
    }
}

fn named(what: &str) -> String {
    format!("{what}-{}", std::process::id())
}

#[track_caller]
fn until_reaper_is_gone(engine: &Engine, reaper: &str) {
    until("the reaper is gone", GONE_WITHIN, || {
        let found = engine.inspect(&format!("/containers/{reaper}/json"));
        found.map_or(Ok(()), |found| Err(found["State"].to_string()))
    });
}
