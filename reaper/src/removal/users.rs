//! Who uses what is to be removed: a network or an image that somebody else's container needs stays.
//!
//! Asked of the engine's whole list of containers, before anything of these kinds is removed. Docker refuses to remove a
//! network with a running container on it, and Podman takes it from under the container; both remove one that a container
//! would need to be started again. An image stays, too, where it has more than one name: a build gives it one, a second
//! is how somebody keeps it, and nothing tells which of them the session gave. The embedded server judges in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::engine::{Inventory, Kind, Resource, Sought};

/// Of all containers on the engine, those that are not to go.
#[derive(Debug, Default)]
pub(super) struct Users {
    ours: BTreeSet<String>,
    reapers: BTreeSet<String>,
    /// A container by the image it is made of.
    images: BTreeMap<String, String>,
    /// A container by the id, or the name, of a network.
    networks: BTreeMap<String, String>,
}

impl Users {
    pub(super) async fn look<I: Inventory>(engine: &I, sought: Sought<'_>) -> io::Result<Self> {
        let mut users = Self::default();
        for container in engine.ask(Kind::Container, None).await?.unwrap_or_default() {
            let is_ours = sought.includes(&container.labels);
            users.take(container, is_ours);
        }
        Ok(users)
    }

    fn take(&mut self, container: Resource, is_ours: bool) {
        let id = container.id.clone();
        if container.is_reaper() {
            self.reapers.insert(id.clone());
        } else if is_ours {
            self.ours.insert(id);
            return;
        }
        self.images.insert(bare(&container.image).to_owned(), id.clone());
        self.networks.extend(container.networks.into_iter().map(|network| (network, id.clone())));
    }

    /// Why something has to stay.
    pub(super) async fn keep<I: Inventory>(
        &self,
        engine: &I,
        resource: &Resource,
    ) -> io::Result<Option<String>> {
        Ok(match resource.kind {
            Kind::Image => self.keep_image(resource),
            Kind::Network => self.keep_network(resource, &engine.attached(&resource.id).await?),
            _ => None,
        })
    }

    fn keep_image(&self, image: &Resource) -> Option<String> {
        if image.tags.len() > 1 {
            let tags = image.tags.join(", ");
            return Some(format!("it has several names, of which somebody may want to keep one: {tags}"));
        }
        self.images.get(bare(&image.id)).map(|container| self.used_by(container))
    }

    fn keep_network(&self, network: &Resource, attached: &[String]) -> Option<String> {
        let known = [&network.id, &network.name].into_iter().find_map(|name| self.networks.get(name));
        let foreign = known.or_else(|| attached.iter().find(|id| !self.ours.contains(*id)));
        foreign.map(|container| self.used_by(container))
    }

    fn used_by(&self, container: &str) -> String {
        if self.reapers.contains(container) {
            return format!("a reaper is on it, container {container}");
        }
        format!("it is used by container {container}, which is not of this session")
    }
}

/// An id without the name of its hash, which not every engine writes everywhere.
fn bare(id: &str) -> &str {
    id.strip_prefix("sha256:").unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::doubles::{Shelf, resource};
    use crate::session::{Filter, RYUK};

    const OURS: [(&str, &str); 1] = [("s", "1")];

    fn container(id: &str, labels: &[(&str, &str)], image: &str, network: &str) -> Resource {
        let (image, networks) = (image.to_owned(), vec![network.to_owned()]);
        Resource { image, networks, ..resource(Kind::Container, id, labels) }
    }

    async fn users(shelf: &Shelf) -> Users {
        shelf.resources.borrow_mut().extend([
            container("a1", &OURS, "sha256:one", "n1"),
            container("b2", &[("s", "2")], "sha256:two", "n2"),
            container("c3", &[], "sha256:three", "by name"),
            container("d4", &[("s", "1"), (RYUK, "true")], "sha256:four", "n4"),
        ]);
        Users::look(shelf, Sought::AnyOf(&[Filter::label("s", "1").unwrap()])).await.unwrap()
    }

    #[tokio::test]
    async fn an_image_of_a_foreign_container_or_with_several_names_stays() {
        let users = users(&Shelf::default()).await;
        for (id, tags, stays) in [
            ("sha256:one", &[][..], None),
            ("sha256:one", &["a:1"], None),
            ("sha256:one", &["a:1", "b:2"], Some("a:1, b:2")),
            ("sha256:two", &[], Some("container b2")),
            ("two", &[], Some("container b2")),
            ("sha256:three", &["a:1"], Some("container c3")),
        ] {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let why = users.keep_image(&Resource { tags, ..resource(Kind::Image, id, &OURS) });
            assert_eq!(why.is_some(), stays.is_some(), "{id}: {why:?}");
            assert!(why.unwrap_or_default().contains(stays.unwrap_or_default()), "{id}");
        }
    }

    #[tokio::test]
    async fn a_network_of_a_foreign_container_stays_whether_that_runs_or_not() {
        let shelf = Shelf::default();
        shelf.on_network.borrow_mut().extend([("n1", "a1"), ("n5", "a1"), ("n5", "e5")]);
        let users = users(&shelf).await;
        for (id, name, stays) in [
            ("n1", "x", None),
            ("n5", "x", Some("container e5")),
            ("n2", "x", Some("container b2")),
            ("n3", "by name", Some("container c3")),
            ("n4", "x", Some("a reaper is on it")),
        ] {
            let network = Resource { name: name.into(), ..resource(Kind::Network, id, &OURS) };
            let why = users.keep(&shelf, &network).await.unwrap();
            assert_eq!(why.is_some(), stays.is_some(), "{id}: {why:?}");
            assert!(why.unwrap_or_default().contains(stays.unwrap_or_default()), "{id}");
        }
    }
}
