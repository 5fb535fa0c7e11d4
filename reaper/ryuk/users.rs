//! Who uses what is to be removed: a network or an image that somebody else's container needs stays. Where a scope has ended,
//! that is every container which is not of an ended scope, those of the session too: what they are on goes with them.
//!
//! Asked of the engine's whole list of containers, before anything of these kinds is removed. Docker refuses to remove
//! a network with a running container on it, and Podman takes it from under the container; both remove one that a
//! container would need to be started again.
//!
//! An image stays, too, where it has more than one name. A build gives it one; a second is how somebody keeps it, and
//! nothing tells which of them the session gave. No name is taken from an image that stays.

use std::collections::{BTreeMap, BTreeSet};

use crate::docker::{Docker, Problem};
use crate::kind::Kind;
use crate::listing::{Item, bare};

/// Of all containers on the engine, those that are not ours.
#[derive(Debug, Default)]
pub(crate) struct Users {
    ours: BTreeSet<String>,
    /// A container by the image it is made of.
    images: BTreeMap<String, String>,
    /// A container by the id, or the name, of a network.
    networks: BTreeMap<String, String>,
}

impl Users {
    /// `is_ours` tells of a container whether it is to go itself.
    pub(crate) fn look(engine: &Docker, is_ours: impl Fn(&Item) -> bool) -> Result<Self, Problem> {
        let mut users = Self::default();
        engine.list(Kind::Container, "{}", |container| {
            let is_ours = engine.is_own(&container) || is_ours(&container);
            users.take(container, is_ours);
        })?;
        Ok(users)
    }

    fn take(&mut self, container: Item, is_ours: bool) {
        if is_ours {
            self.ours.insert(container.id);
            return;
        }
        self.images.insert(bare(&container.image).to_owned(), container.id.clone());
        self.networks.extend(container.networks.into_iter().map(|network| (network, container.id.clone())));
    }

    /// Why an image has to stay.
    pub(crate) fn keep_image(&self, image: &Item) -> Option<String> {
        if image.tags.len() > 1 {
            let tags = image.tags.join(", ");
            return Some(format!("it has several names, of which somebody may want to keep one: {tags}"));
        }
        self.images.get(bare(&image.id)).map(|container| used_by(container))
    }

    /// Why a network has to stay; `attached` is who is on it now.
    pub(crate) fn keep_network(&self, network: &Item, attached: &[String]) -> Option<String> {
        let known = [&network.id, &network.name].into_iter().find_map(|name| self.networks.get(name));
        let foreign = known.or_else(|| attached.iter().find(|id| !self.ours.contains(*id)));
        foreign.map(|container| used_by(container))
    }
}

fn used_by(container: &str) -> String {
    format!("it is used by container {container}, which is not to be removed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(id: &str, image: &str, networks: &[&str]) -> Item {
        let networks = networks.iter().map(|name| (*name).to_owned()).collect();
        Item { id: id.into(), image: image.into(), networks, ..Item::default() }
    }

    fn users() -> Users {
        let mut users = Users::default();
        users.take(container("a1", "sha256:one", &["n1"]), true);
        users.take(container("b2", "sha256:two", &["n2", "by name"]), false);
        users
    }

    #[test]
    fn an_image_of_somebody_elses_container_or_with_several_names_stays() {
        let image = |id: &str, tags: &[&str]| Item {
            id: id.into(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Item::default()
        };
        let users = users();
        for (image, stays) in [
            (image("sha256:one", &[]), None),
            (image("sha256:one", &["a:1"]), None),
            (image("sha256:one", &["a:1", "b:2"]), Some("a:1, b:2")),
            (image("sha256:two", &[]), Some("container b2")),
            (image("two", &[]), Some("container b2")),
        ] {
            let why = users.keep_image(&image);
            assert_eq!(why.is_some(), stays.is_some(), "{image:?}: {why:?}");
            assert!(why.unwrap_or_default().contains(stays.unwrap_or_default()), "{image:?}");
        }
    }

    #[test]
    fn a_network_of_somebody_elses_container_stays_whether_that_runs_or_not() {
        let network = |id: &str, name: &str| Item { id: id.into(), name: name.into(), ..Item::default() };
        let users = users();
        let stays = |network: &Item, attached: &[&str]| {
            let attached: Vec<_> = attached.iter().map(|id| (*id).to_owned()).collect();
            users.keep_network(network, &attached)
        };
        assert_eq!(stays(&network("n1", "x"), &["a1"]), None);
        assert!(stays(&network("n1", "x"), &["a1", "c3"]).unwrap().contains("container c3"));
        assert!(stays(&network("n2", "x"), &[]).unwrap().contains("container b2"));
        assert!(stays(&network("n3", "by name"), &[]).unwrap().contains("container b2"));
    }
}
