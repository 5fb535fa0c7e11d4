//! What is on the engine of an endpoint, by what answers for that.

use std::io;

use super::endpoint::Endpoint;
use super::inventory::{Inventory, Removal};
use super::kind::Kind;
use super::pluggable::{self, Refusal};
use super::resource::Resource;

impl Inventory for Endpoint {
    async fn ask(&self, kind: Kind, label: Option<&str>) -> io::Result<Option<Vec<Resource>>> {
        Ok(self.provider().list(kind, label).await?)
    }

    async fn attached(&self, network: &str) -> io::Result<Vec<String>> {
        Ok(self.provider().attached(network).await?)
    }

    async fn remove(&self, kind: Kind, id: &str) -> Removal {
        self.provider().remove(kind, id).await.into()
    }

    async fn remove_idle(&self, id: &str) -> Removal {
        self.provider().remove_stopped(id).await.into()
    }
}

impl From<Result<pluggable::Removal, Refusal>> for Removal {
    fn from(outcome: Result<pluggable::Removal, Refusal>) -> Self {
        match outcome {
            Ok(pluggable::Removal::Gone) => Self::Removed,
            Ok(pluggable::Removal::UnderWay) => Self::UnderWay,
            Err(refusal) => Self::Failed(refusal.into()),
        }
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        // What it was before it was a refusal, where it was an error of this kind.
        refusal.into_problem().downcast::<Self>().map_or_else(Self::other, |error| *error)
    }
}
