//! What an engine has, on a shelf of a test's own, from which things go as the test scripts it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;

use crate::engine::{Inventory, Kind, Removal, Resource, State};

/// An engine on which a removal ends as scripted, and then as it should.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) resources: RefCell<Vec<Resource>>,
    pub(crate) scripted: RefCell<Vec<(&'static str, Removal)>>,
    pub(crate) order: RefCell<Vec<String>>,
    pub(crate) appears: RefCell<Option<Resource>>,
    /// Lists everything, whatever it is asked for: an engine need not understand a filter as we do.
    pub(crate) lists_all: bool,
    /// What every list was asked by.
    pub(crate) asked: RefCell<Vec<Option<String>>>,
    /// Keeps nothing that only the manager of a swarm does.
    pub(crate) has_no_swarm: bool,
    /// Who is on a network, by its id.
    pub(crate) on_network: RefCell<Vec<(&'static str, &'static str)>>,
}

pub(crate) fn resource(kind: Kind, id: &str, labels: &[(&str, &str)]) -> Resource {
    let labels: HashMap<_, _> = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let (state, created) = ((kind == Kind::Container).then_some(State::Created), None);
    let (tags, image, networks) = (Vec::new(), String::new(), Vec::new());
    let name = format!("{id}'s name");
    Resource { kind, id: id.into(), labels, state, name, created, tags, image, networks }
}

impl Inventory for Shelf {
    async fn ask(&self, kind: Kind, label: Option<&str>) -> io::Result<Option<Vec<Resource>>> {
        self.asked.borrow_mut().push(label.map(str::to_owned));
        if self.has_no_swarm && kind.is_of_swarm() {
            return Ok(None);
        }
        let carries = |resource: &&Resource| {
            let Some(label) = label.filter(|_| !self.lists_all) else { return true };
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            resource.labels.get(key).is_some_and(|found| value.is_empty() || found == value)
        };
        let resources = self.resources.borrow();
        let found = resources.iter().filter(|resource| resource.kind == kind);
        Ok(Some(found.filter(carries).cloned().collect()))
    }

    async fn attached(&self, network: &str) -> io::Result<Vec<String>> {
        let on_network = self.on_network.borrow();
        let here = on_network.iter().filter(|(on, _)| *on == network);
        Ok(here.map(|(_, container)| (*container).to_owned()).collect())
    }

    async fn remove(&self, kind: Kind, id: &str) -> Removal {
        self.order.borrow_mut().push(format!("{kind} {id}"));
        let mut scripted = self.scripted.borrow_mut();
        if let Some(position) = scripted.iter().position(|(scripted, _)| *scripted == id) {
            return scripted.remove(position).1;
        }
        self.resources.borrow_mut().retain(|resource| (resource.kind, resource.id.as_str()) != (kind, id));
        self.resources.borrow_mut().extend(self.appears.borrow_mut().take());
        Removal::Removed
    }

    async fn remove_idle(&self, id: &str) -> Removal {
        if self.resources.borrow().iter().any(|resource| resource.id == id && resource.runs()) {
            return Removal::UnderWay;
        }
        self.remove(Kind::Container, id).await
    }
}
