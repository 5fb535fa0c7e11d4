//! What a run has removed, written down: a file to which all its processes append, a line of JSON for each thing.
//!
//! `{"kind":"container","id":…,"name":…,"session":…,"test":…,"process":…,"scope":…,"made":1764434805,"gone":1764434806.123,
//! "why":"scope ended"}`: both moments in seconds of the Unix epoch; null is what is not known.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::engine::{Resource, moment};
use crate::session::{PROCESS, SCOPE, SESSION, TEST};

/// The file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report(PathBuf);

/// Why something was removed past the reaper.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why {
    /// Somebody asked for it.
    Asked,
    /// Its test is over.
    ScopeEnded,
    /// The run is over.
    #[cfg(feature = "cli")]
    SessionEnded,
}

impl Report {
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    #[cfg_attr(
        not(any(unix, feature = "cli")),
        allow(dead_code, reason = "for who stays until the reaper ends")
    )]
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it can be written to; it is there afterwards.
    pub(crate) fn open(&self) -> io::Result<std::fs::File> {
        OpenOptions::new().create(true).append(true).open(&self.0)
    }

    /// Takes down what the reaper tells of one thing.
    #[cfg_attr(
        not(any(unix, feature = "cli")),
        allow(dead_code, reason = "for who stays until the reaper ends")
    )]
    pub(crate) fn told(&self, object: &str) -> io::Result<()> {
        let mut told: Value = serde_json::from_str(object)?;
        // As the engine writes it: one number or the other, or text.
        if let Some(made) = told["made"].as_str() {
            told["made"] = made.parse::<u64>().map_or_else(|_| seconds(moment(made)), Value::from);
        }
        told["gone"] = told["gone"].as_u64().map_or(Value::Null, milliseconds);
        self.append(&told)
    }

    /// Takes down what was removed from here.
    pub(crate) fn removed(&self, found: &Resource, why: Why) -> io::Result<()> {
        let label = |key: &str| found.labels.get(key);
        let why = match why {
            Why::Asked => "asked for",
            Why::ScopeEnded => "scope ended",
            #[cfg(feature = "cli")]
            Why::SessionEnded => "session ended",
        };
        let gone = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        self.append(&json!({
            "kind": found.kind.to_string(),
            "id": found.id,
            "name": Some(&found.name).filter(|name| !name.is_empty()),
            "session": label(SESSION),
            "scope": label(SCOPE),
            "test": label(TEST),
            "process": label(PROCESS),
            "made": seconds(found.created),
            "gone": milliseconds(u64::try_from(gone).unwrap_or(u64::MAX)),
            "why": why,
        }))
    }

    /// In one write, since many processes append.
    fn append(&self, line: &Value) -> io::Result<()> {
        self.open()?.write_all(format!("{line}\n").as_bytes())
    }
}

fn seconds(moment: Option<SystemTime>) -> Value {
    let since = moment.and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
    since.map_or(Value::Null, |since| since.as_secs().into())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit")]
fn milliseconds(milliseconds: u64) -> Value {
    (milliseconds as f64 / 1000.0).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Kind;
    use crate::engine::doubles::resource;

    fn written(report: &Report) -> Vec<Value> {
        let text = std::fs::read_to_string(report.path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn both_ways_write_the_same_fields_and_the_same_clock() {
        let folder = tempfile::tempdir().unwrap();
        let report = Report::at(folder.path().join("report.jsonl"));
        for made in ["\"2023-11-14T22:13:20.5Z\"", "1700000000"] {
            let told = format!(
                "{{\"kind\":\"volume\",\"id\":\"v\",\"name\":\"v\",\"session\":\"s\",\"scope\":null,\"test\":\"t\",\
                 \"process\":null,\"made\":{made},\"gone\":1700000001250,\"why\":\"scope lost\"}}"
            );
            report.told(&told).unwrap();
        }
        let mut found = resource(Kind::Volume, "v", &[(SESSION, "s"), (TEST, "t")]);
        found.created = Some(UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000));
        report.removed(&found, Why::Asked).unwrap();
        let lines = written(&report);
        assert_eq!(lines.len(), 3);
        for line in &lines {
            assert_eq!(
                (line["made"].as_u64(), line["test"].as_str()),
                (Some(1_700_000_000), Some("t")),
                "{line}"
            );
            assert_eq!(line.as_object().unwrap().len(), 10, "{line}");
        }
        assert_eq!(lines[0]["gone"].as_f64(), Some(1_700_000_001.25));
        assert!(lines[2]["gone"].as_f64() > Some(1_700_000_001.25), "{}", lines[2]);
    }

    #[test]
    fn what_makes_no_sense_is_an_error_and_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let report = Report::at(folder.path().join("report.jsonl"));
        assert!(report.told("{").is_err());
        assert!(!report.path().exists());
        assert!(Report::at(folder.path()).open().is_err(), "it is a folder");
    }
}
