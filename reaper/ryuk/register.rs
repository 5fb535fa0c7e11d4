//! What clients have registered: it holds for the session, whoever said it and whether he is still there.

use std::sync::Arc;

use crate::docker::Docker;
use crate::filter::Filter;
use crate::hello::{self, Hello};

pub(crate) struct Register {
    filters: Vec<Filter>,
    acknowledged: u64,
    engine: Arc<Docker>,
    reached: bool,
    secret: Option<String>,
    /// How often what clients had made was removed, and others let in.
    pub(crate) generation: u32,
}

/// What a client may say.
pub(crate) enum Line {
    Filter(Filter),
    /// The version to answer in.
    Greeting(u32),
}

impl Line {
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        if hello::is_word(line) {
            hello::understand(line).map(Self::Greeting)
        } else {
            Filter::parse(line).map(Self::Filter)
        }
    }
}

impl Register {
    pub(crate) fn new(engine: Arc<Docker>, secret: Option<String>) -> Self {
        Self { filters: Vec::new(), acknowledged: 0, engine, reached: false, secret, generation: 0 }
    }

    pub(crate) fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// How many filters were taken in, known ones too.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Takes a filter in; why not is for the client.
    pub(crate) fn take(&mut self, filter: Filter) -> Result<(), String> {
        // Once. An engine that is away later is waited for when there is something to remove.
        if !self.reached {
            self.engine.reach()?;
            self.reached = true;
        }
        self.acknowledged += 1;
        if !self.filters.contains(&filter) {
            self.filters.push(filter);
        }
        Ok(())
    }

    /// The answer to a greeting.
    pub(crate) fn hello(&self, version: u32) -> Hello {
        Hello { version, secret: self.secret.clone(), generation: self.generation }
    }
}
