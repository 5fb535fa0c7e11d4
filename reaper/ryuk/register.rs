//! What clients have registered: it holds for the session, whoever said it and whether he is still there.

use std::sync::Arc;
use std::time::Duration;

use crate::docker::Docker;
use crate::duration;
use crate::filter::Filter;
use crate::hello::{self, Hello, ScopeWord};
use crate::key_words::{self, Ask};
use crate::keys::Keys;
use crate::report::Reports;
use crate::scopes::Scopes;
use crate::settings::Settings;

pub(crate) struct Register {
    filters: Vec<Filter>,
    acknowledged: u64,
    engine: Arc<Docker>,
    reached: bool,
    secret: Option<String>,
    token: Option<String>,
    /// How often what clients had made was removed, and others let in.
    pub(crate) generation: u32,
    /// How long to wait for another client, where one has said that the run is over.
    pub(crate) over: Option<Duration>,
    /// How many clients hold the session.
    pub(crate) clients: usize,
    pub(crate) scopes: Scopes,
    pub(crate) keys: Keys,
    pub(crate) reports: Arc<Reports>,
}

/// What a client may say.
pub(crate) enum Line {
    Filter(Filter),
    /// The version to answer in.
    Greeting(u32),
    /// The run is over: wait only this long for another client.
    Over(Duration),
    /// How many others hold the session.
    Clients,
    /// About a scope, which is its filter.
    Scope(ScopeWord, Filter),
    /// Wants to be told of what is removed.
    Report,
    /// For what is made once.
    Claim(Ask),
    /// It was made, and this is it.
    Keep(String),
    /// What was made once has been removed; with the token.
    Forget(String),
}

impl Line {
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        if let Some(text) = hello::reconnection_timeout_in(line) {
            let nanoseconds =
                u64::try_from(duration::parse(text)?).map_err(|_| format!("{text} is negative"))?;
            Ok(Self::Over(Duration::from_nanos(nanoseconds)))
        } else if hello::is_about_clients(line) {
            Ok(Self::Clients)
        } else if let Some((word, filter)) = hello::scope_in(line) {
            Filter::parse(filter).map(|filter| Self::Scope(word, filter))
        } else if hello::is_about_report(line) {
            Ok(Self::Report)
        } else if let Some(ask) = Ask::read(line) {
            ask.map(Self::Claim)
        } else if let Some(value) = key_words::keep_in(line) {
            value.map(|value| Self::Keep(value.to_owned()))
        } else if let Some(token) = key_words::forget_in(line) {
            Ok(Self::Forget(token.to_owned()))
        } else if hello::is_word(line) {
            hello::understand(line).map(Self::Greeting)
        } else {
            Filter::parse(line).map(Self::Filter)
        }
    }
}

impl Register {
    pub(crate) fn new(
        engine: Arc<Docker>,
        settings: &Settings,
        scopes: Scopes,
        reports: Arc<Reports>,
    ) -> Self {
        Self {
            filters: Vec::new(),
            acknowledged: 0,
            engine,
            reached: false,
            secret: settings.secret.clone(),
            token: settings.token.clone(),
            generation: 0,
            over: None,
            clients: 0,
            scopes,
            keys: Keys::default(),
            reports,
        }
    }

    pub(crate) fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// Whether anybody may have made anything for which the session is there.
    pub(crate) fn has_anything(&self) -> bool {
        !(self.filters.is_empty() && self.scopes.is_empty())
    }

    /// How many filters and scopes were taken in, known ones too.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Takes a filter in; why not is for the client.
    pub(crate) fn take(&mut self, filter: Filter) -> Result<(), String> {
        self.reach()?;
        self.acknowledged += 1;
        if !self.filters.contains(&filter) {
            self.filters.push(filter);
        }
        Ok(())
    }

    /// Counts a scope that was taken in, as a filter.
    pub(crate) fn count_scope(&mut self) {
        self.acknowledged += 1;
    }

    /// Whether the engine is there. Once: one that is away later is waited for when there is something to remove.
    pub(crate) fn reach(&mut self) -> Result<(), String> {
        if !self.reached {
            self.engine.reach()?;
            self.reached = true;
        }
        Ok(())
    }

    /// Whether who says this may ask for what is made once; why not is for the client.
    pub(crate) fn trust(&self, token: &str) -> Result<(), String> {
        match &self.token {
            Some(own) if own == token => Ok(()),
            Some(_) => Err("that is not the token of this container".into()),
            None => Err(format!("no values are kept, since there is no token ({})", key_words::TOKEN)),
        }
    }

    /// The answer to a greeting.
    pub(crate) fn hello(&self, version: u32) -> Hello {
        Hello { version, secret: self.secret.clone(), generation: self.generation }
    }
}
