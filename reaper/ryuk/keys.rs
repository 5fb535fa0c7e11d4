//! What the session makes once: who makes it, who waits for it, and what it is. Nothing here knows a socket.
//!
//! ```text
//! nobody has asked   somebody asks ──▶ being made, by him
//! being made         its maker hands the value over ──▶ there; all who wait are told
//!                    its maker's connection ends ──▶ being made, by the next who waits; or as before
//! there              somebody asks for any value but that one ──▶ being made again; the others are told the old one
//! ```
//!
//! The place for it is here and not on the disk of a machine, since a session's processes may be on several, and in containers
//! that have no folder in common. A turn ends with a connection, as a file's lock ends with its process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::key_words::{self, Answer, Ask, LONGEST_VALUE};
use crate::scopes::Holder;

/// What clients can make this server remember.
const MOST_KEYS: usize = 4096;
/// Of all values.
const MOST_BYTES: usize = 4 << 20;

/// A value's text is the same for all who are told it.
pub(crate) type Told = Answer<Arc<str>>;

#[derive(Debug, Default)]
pub(crate) struct Keys {
    all: BTreeMap<String, Key>,
    /// Which key who has the turn, or waits.
    claims: BTreeMap<Holder, String>,
    bytes: usize,
    /// The last value's number.
    numbers: u64,
    /// What those are to be told who said nothing just now.
    news: Vec<(Holder, News)>,
}

/// What becomes of somebody's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    Told(Told),
    /// What the session had was removed.
    Over,
}

#[derive(Debug, Default)]
struct Key {
    value: Option<Value>,
    maker: Option<Maker>,
    /// Nobody waits where nobody makes it.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Value {
    number: u64,
    text: Arc<str>,
}

#[derive(Debug)]
struct Maker {
    holder: Holder,
    who: String,
    since: Instant,
}

#[derive(Debug)]
struct Waiting {
    holder: Holder,
    who: String,
}

impl Keys {
    /// What who asks is told now. Unless that is the value, it has a claim from here on.
    pub(crate) fn claim(&mut self, ask: Ask, holder: Holder, now: Instant) -> Result<Told, String> {
        if self.claims.contains_key(&holder) {
            return Err(
                "this connection has asked for a key already: each takes a connection of its own".into()
            );
        }
        let Ask { key, worthless, who, .. } = ask;
        if !self.all.contains_key(&key) && self.all.len() >= MOST_KEYS {
            return Err(format!("there are too many keys: at most {MOST_KEYS}"));
        }
        let of_key = self.all.entry(key.clone()).or_default();
        if let Some(value) = of_key.value.as_ref().filter(|value| value.number != worthless) {
            return Ok(value.told());
        }
        self.claims.insert(holder, key);
        if let Some(maker) = &of_key.maker {
            let told = maker.told(now);
            of_key.waiting.push_back(Waiting { holder, who });
            return Ok(told);
        }
        of_key.maker = Some(Maker { holder, who, since: now });
        Ok(Answer::Turn)
    }

    /// Takes the value of who has the turn, and gives its number.
    pub(crate) fn keep(&mut self, text: &str, holder: Holder) -> Result<u64, String> {
        let key = self.claims.get(&holder).and_then(|key| self.all.get_mut(key));
        let is_maker = |key: &&mut Key| key.maker.as_ref().is_some_and(|maker| maker.holder == holder);
        let key = key.filter(is_maker).ok_or("this connection has no turn to make a value")?;
        if text.len() > LONGEST_VALUE {
            return Err(format!("{}: {} bytes, at most {LONGEST_VALUE}", key_words::TOO_LONG, text.len()));
        }
        let bytes = self.bytes + text.len() - key.size();
        if bytes > MOST_BYTES {
            return Err(format!("{}: all together have at most {MOST_BYTES} bytes", key_words::TOO_LONG));
        }
        self.bytes = bytes;
        self.numbers += 1;
        let value = Value { number: self.numbers, text: text.into() };
        self.claims.remove(&holder);
        key.maker = None;
        for waiting in key.waiting.drain(..) {
            self.claims.remove(&waiting.holder);
            self.news.push((waiting.holder, News::Told(value.told())));
        }
        key.value = Some(value);
        Ok(self.numbers)
    }

    /// Its connection has ended: whatever it had claimed is the next one's.
    pub(crate) fn lose(&mut self, holder: Holder, now: Instant) {
        let Some(name) = self.claims.remove(&holder) else { return };
        let Some(key) = self.all.get_mut(&name) else { return };
        if key.maker.as_ref().is_none_or(|maker| maker.holder != holder) {
            key.waiting.retain(|waiting| waiting.holder != holder);
            return;
        }
        key.maker = key.waiting.pop_front().map(|Waiting { holder, who }| {
            self.news.push((holder, News::Told(Answer::Turn)));
            Maker { holder, who, since: now }
        });
        match &key.maker {
            // Who has waited for too long says for whom.
            Some(maker) => {
                let told = |waiting: &Waiting| (waiting.holder, News::Told(maker.told(now)));
                self.news.extend(key.waiting.iter().map(told));
            }
            None if key.value.is_none() => drop(self.all.remove(&name)),
            None => {}
        }
    }

    /// What all values stand for has been removed. Who makes one goes on.
    pub(crate) fn forget(&mut self) {
        self.bytes = 0;
        self.all.retain(|_, key| {
            key.value = None;
            key.maker.is_some()
        });
    }

    /// What the session had was removed, and what is being made belongs to that.
    pub(crate) fn end_all(&mut self) {
        let over = std::mem::take(&mut self.claims).into_keys().map(|holder| (holder, News::Over));
        self.news.extend(over);
        self.all.clear();
        self.bytes = 0;
    }

    /// What is still to be told, and to whom.
    pub(crate) fn take_news(&mut self) -> Vec<(Holder, News)> {
        std::mem::take(&mut self.news)
    }
}

impl Key {
    fn size(&self) -> usize {
        self.value.as_ref().map_or(0, |value| value.text.len())
    }
}

impl Value {
    fn told(&self) -> Told {
        Answer::Value { number: self.number, text: Arc::clone(&self.text) }
    }
}

impl Maker {
    fn told(&self, now: Instant) -> Told {
        let seconds = now.saturating_duration_since(self.since).as_secs();
        Answer::Wait { seconds, who: self.who.clone() }
    }
}

#[cfg(test)]
mod tests;
