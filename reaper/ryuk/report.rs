//! Who has asked to be told of what is removed, and what each is told.
//!
//! Told by the threads that remove, as soon as it is done: the lines do not wait for the round's end. Nobody is waited for. Who
//! does not read is let go when its connection holds no more, since a line that is left out could not be told from nothing
//! removed. How much a connection holds is bounded, as it is memory of this server's container.

use std::fmt::{self, Display, Formatter};
use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::hello;
use crate::kind::Kind;
use crate::listing::Item;
use crate::log;
use crate::platform;
use crate::quote::quote;

const MOST_REPORTERS: usize = 8;

const SESSION: &str = "org.testcontainers.sessionId";
const SCOPE: &str = "org.testcontainers.reaper.scope";
const TEST: &str = "test-reaper.test";
const PROCESS: &str = "test-reaper.process";

/// Why something is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The last who held its scope let go of it.
    ScopeEnded,
    /// Nobody came back to its scope.
    ScopeLost,
    SessionEnded,
}

impl Display for Why {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ScopeEnded => "scope ended",
            Self::ScopeLost => "scope lost",
            Self::SessionEnded => "session ended",
        })
    }
}

#[derive(Default)]
pub(crate) struct Reports(Mutex<Vec<Reporter>>);

struct Reporter {
    name: String,
    /// The client's own; it is over with the client.
    stream: Weak<TcpStream>,
}

impl Reports {
    /// Tells a client from now on, which it is told first.
    pub(crate) fn add(&self, name: &str, stream: &Arc<TcpStream>) -> Result<(), String> {
        let mut reporters = self.reporters();
        reporters.retain(|reporter| reporter.stream.strong_count() > 0);
        if reporters.len() >= MOST_REPORTERS {
            return Err(format!("{MOST_REPORTERS} clients are told of what is removed, which is the most"));
        }
        platform::bound_sending(&**stream)
            .and_then(|()| (&**stream).write_all(b"ACK\n"))
            .map_err(|error| format!("failed to answer: {error}"))?;
        reporters.push(Reporter { name: name.to_owned(), stream: Arc::downgrade(stream) });
        Ok(())
    }

    /// Tells all of them what has just gone.
    pub(crate) fn tell(&self, kind: Kind, item: &Item, why: Why) {
        let mut reporters = self.reporters();
        if reporters.is_empty() {
            return;
        }
        let line = hello::removed(&object(kind, item, why, SystemTime::now()));
        reporters.retain(|reporter| {
            let Some(stream) = reporter.stream.upgrade() else { return false };
            // It never blocks, as no stream of a client's does.
            let is_whole = (&*stream).write(line.as_bytes()).is_ok_and(|count| count == line.len());
            if !is_whole {
                log::line(format_args!("client={} does not read what it asked for, let go", reporter.name));
                // Whoever serves it finds it at its end.
                let _ = stream.shutdown(Shutdown::Both);
            }
            is_whole
        });
    }

    fn reporters(&self) -> MutexGuard<'_, Vec<Reporter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn object(kind: Kind, item: &Item, why: Why, gone: SystemTime) -> String {
    let text = |text: Option<&str>| text.map_or_else(|| "null".to_owned(), quote);
    let name = match kind {
        Kind::Image => item.tags.first().map(String::as_str),
        _ => Some(item.name.as_str()).filter(|name| !name.is_empty()),
    };
    format!(
        "{{\"kind\":\"{kind}\",\"id\":{},\"name\":{},\"session\":{},\"scope\":{},\"test\":{},\"process\":{},\
         \"made\":{},\"gone\":{},\"why\":\"{why}\"}}",
        quote(&item.id),
        text(name),
        text(item.label(SESSION)),
        text(item.label(SCOPE)),
        text(item.label(TEST)),
        text(item.label(PROCESS)),
        item.made.as_deref().unwrap_or("null"),
        gone.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_object_is_one_line_of_json_whatever_things_are_called() {
        let labels = [(SESSION, "a\n\"b\""), (TEST, "first"), (TEST, "t::x"), (PROCESS, "")];
        let item = Item {
            id: "c1".into(),
            name: "a\\b".into(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            tags: vec!["a:1".into(), "b:2".into()],
            made: Some("1764434805".into()),
            ..Item::default()
        };
        let gone = UNIX_EPOCH + Duration::from_millis(1_764_434_805_123);
        let text = object(Kind::Container, &item, Why::ScopeLost, gone);
        assert!(!text.contains('\n'), "{text}");
        let expected = serde_json::json!({
            "kind": "container", "id": "c1", "name": "a\\b", "session": "a\n\"b\"", "scope": null, "test": "t::x",
            "process": "", "made": 1_764_434_805, "gone": 1_764_434_805_123_u64, "why": "scope lost",
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
        let told = |kind, item: &Item| {
            let text = object(kind, item, Why::SessionEnded, gone);
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        };
        let image = told(Kind::Image, &item);
        assert_eq!((&image["name"], &image["why"]), (&"a:1".into(), &"session ended".into()));
        let bare = told(Kind::Image, &Item { id: "i".into(), ..Item::default() });
        assert!(bare["name"].is_null() && bare["made"].is_null() && bare["session"].is_null());
    }
}
