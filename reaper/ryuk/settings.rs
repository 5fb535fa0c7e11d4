//! The `RYUK_*` variables, with official Ryuk's names and defaults. A value that cannot be parsed ends the
//! server: one that ran with another timeout than it was given would remove things too early or too late.

use std::time::Duration;

use crate::duration;
use crate::{hello, key_words};

/// How many of the intervals between retries an engine may go on with what it was asked by somebody who is gone:
/// with the usual second, three times what was seen of an engine that a thousand killed tests kept busy.
const SETTLED: u32 = 4;

/// What somebody who comes to say something has said it by.
pub(crate) const MOMENT: Duration = Duration::from_millis(500);

pub(crate) struct Settings {
    pub(crate) port: u16,
    pub(crate) connection_timeout: Duration,
    pub(crate) reconnection_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) remove_retries: u32,
    pub(crate) changes_retry_interval: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) verbose: bool,
    pub(crate) docker_host: String,
    /// What proves to a client that this is the server of the container that it inspected.
    pub(crate) secret: Option<String>,
    /// What a client has to know that asks for what is made once.
    pub(crate) token: Option<String>,
}

impl Settings {
    pub(crate) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let value = |name: &str, default: &str| match variable(name) {
            Some(value) if !value.is_empty() => value,
            _ => default.to_owned(),
        };
        let refuse =
            |name: &str, value: &str, expected: &str| format!("{name} is {value:?}, but must be {expected}");
        let span = |name: &str, default: &str| {
            let value = value(name, default);
            let nanoseconds =
                duration::parse(&value).ok().and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
            nanoseconds
                .map(Duration::from_nanos)
                .ok_or_else(|| refuse(name, &value, "a duration such as 10s, 500ms or 1m30s"))
        };
        let number = |name: &str, default: &str| {
            let value = value(name, default);
            value.parse::<u32>().map_err(|_| refuse(name, &value, "a whole number"))
        };
        // Official Ryuk looks back by this much for late changes. This server lists until nothing matches,
        // so there is nothing to look back for; the value is checked all the same.
        let offset = value("RYUK_RETRY_OFFSET", "-1s");
        duration::parse(&offset)
            .map_err(|_| refuse("RYUK_RETRY_OFFSET", &offset, "a duration such as -1s"))?;
        let word = |name| match variable(name).filter(|word| !word.is_empty()) {
            Some(word) if !hello::is_secret(&word) => {
                Err(refuse(name, &word, "at most 128 letters, digits, - and _"))
            }
            word => Ok(word),
        };
        let (secret, token) = (word(hello::SECRET)?, word(key_words::TOKEN)?);
        let port = number("RYUK_PORT", "8080")?;
        let verbose = value("RYUK_VERBOSE", "false");
        Ok(Self {
            port: u16::try_from(port).map_err(|_| refuse("RYUK_PORT", &port.to_string(), "at most 65535"))?,
            connection_timeout: span("RYUK_CONNECTION_TIMEOUT", "60s")?,
            reconnection_timeout: span("RYUK_RECONNECTION_TIMEOUT", "10s")?,
            request_timeout: span("RYUK_REQUEST_TIMEOUT", "10s")?,
            remove_retries: number("RYUK_REMOVE_RETRIES", "10")?,
            changes_retry_interval: span("RYUK_CHANGES_RETRY_INTERVAL", "1s")?,
            shutdown_timeout: span("RYUK_SHUTDOWN_TIMEOUT", "10m")?,
            verbose: match verbose.to_ascii_lowercase().as_str() {
                "1" | "t" | "true" => true,
                "0" | "f" | "false" => false,
                _ => return Err(refuse("RYUK_VERBOSE", &verbose, "true or false")),
            },
            docker_host: value("DOCKER_HOST", "unix:///var/run/docker.sock"),
            secret,
            token,
        })
    }

    /// How long after somebody has gone the engine has nothing to do for him any more.
    pub(crate) fn settled(&self) -> Duration {
        self.changes_retry_interval * SETTLED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_official_ryuks() {
        let settings = Settings::from_environment(|_| None).unwrap();
        assert_eq!(settings.port, 8080);
        assert_eq!(settings.connection_timeout, Duration::from_secs(60));
        assert_eq!(settings.reconnection_timeout, Duration::from_secs(10));
        assert_eq!(settings.request_timeout, Duration::from_secs(10));
        assert_eq!((settings.remove_retries, settings.verbose), (10, false));
        assert_eq!(settings.shutdown_timeout, Duration::from_secs(600));
    }

    #[test]
    fn a_bad_value_is_refused_by_name() {
        for (name, value) in [
            ("RYUK_PORT", "70000"),
            ("RYUK_CONNECTION_TIMEOUT", "-1s"),
            ("RYUK_RETRY_OFFSET", "soon"),
            ("RYUK_REMOVE_RETRIES", "-1"),
            ("RYUK_VERBOSE", "loud"),
            ("REAPER_SECRET", "two words"),
            ("REAPER_TOKEN", "two words"),
        ] {
            let found = |asked: &str| (asked == name).then(|| value.to_owned());
            let problem = Settings::from_environment(found).err().unwrap();
            assert!(problem.contains(name) && problem.contains(value), "{problem}");
        }
    }
}
