//! Every setting, its sources and its default.
//!
//! Names are those of the testcontainers family wherever it has one, so that a machine set up for
//! another language is set up for this one. Precedence: builder, environment, `~/.testcontainers.properties`,
//! default. A value that cannot be parsed is an error and never silently the default: a timeout that is
//! ignored is found in production. Apart from the session id's variables (see `session`) nothing else
//! reads the environment; a crate for layered configuration was left out, for it would hide the source
//! of a value, and the source is what the error has to name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::certificates::Certificates;
use super::choices::{KEEPS, Keep, SCOPES, SWEEPS, Scope, Sweep, TRANSPORTS, Transport};
use super::contexts;
use super::duration;
use super::places::{as_absolute, as_host, as_socket, can_be_looked_into, folder};
use super::sources::{Found, Properties, Sources, positive, truth, usable};
use crate::error::Result;

/// How long [`crate::Reaper::acquire`] tries before it gives up.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long [`crate::Reaper::shared`] waits for whoever makes the value; images may have to be pulled.
const SHARED_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// The property by which the family's tools for the desktop name an engine to its clients, before any variable.
pub(crate) const FAMILY_HOST: &str = "tc.host";

/// The variable that tells the processes of a named session who runs it.
pub(crate) const RUN: &str = "REAPER_RUN";

/// The variable that names the file in which a run writes down what was removed.
pub(crate) const REPORT: &str = "REAPER_REPORT";

/// The variable that says how the reaper is reached.
pub(crate) const TRANSPORT: &str = "REAPER_TRANSPORT";

/// A session and its runner, as a `reaper run` tells them to what it runs. Not a setting: nobody writes it by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) session: String,
    /// As it is written in labels.
    pub(crate) runner: String,
}

/// The settings of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// `TESTCONTAINERS_SESSION_ID`, `session.id`.
    pub(crate) session_id: Option<Found>,
    /// [`FAMILY_HOST`], `DOCKER_HOST`, `docker.host`, a context of the docker command.
    pub(crate) docker_host: Option<Found>,
    /// Whether and how that is spoken to over TLS.
    pub(crate) certificates: Certificates,
    /// `TESTCONTAINERS_HOST_OVERRIDE`: where published ports are reached.
    pub(crate) host: Option<Found>,
    /// `TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE`: the engine's socket as the engine's host sees it.
    pub(crate) socket: Option<Found>,
    /// `TESTCONTAINERS_RYUK_DISABLED`, `ryuk.disabled`.
    pub(crate) disabled: bool,
    /// `TESTCONTAINERS_RYUK_CONTAINER_PRIVILEGED`, `ryuk.container.privileged`.
    pub(crate) privileged: bool,
    /// `TESTCONTAINERS_RYUK_CONTAINER_IMAGE`, `RYUK_CONTAINER_IMAGE`, `ryuk.container.image`.
    pub(crate) image: Option<Found>,
    /// `TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX`, `hub.image.name.prefix`.
    pub(crate) hub_prefix: Option<Found>,
    /// The `RYUK_*` settings that were given, checked, as the reaper container's environment.
    pub(crate) ryuk: BTreeMap<&'static str, String>,
    /// `REAPER_RUN`: who runs a session that was named, where somebody has said so.
    pub(crate) run: Option<Run>,
    /// A further network for the reaper container; only a builder asks for one.
    pub(crate) network: Option<String>,
    /// `REAPER_KEEPER`: whether a keeper may be left behind where the runner is known.
    pub(crate) keeper: bool,
    /// `REAPER_KEEP`: what is to stay for debugging.
    pub(crate) keep: Keep,
    /// `REAPER_SWEEP`: what is removed of earlier sessions.
    pub(crate) sweep: Sweep,
    /// `REAPER_SCOPE`: with what the things of a guard go that was asked for nothing else.
    pub(crate) scope: Scope,
    /// `REAPER_TRANSPORT`: how the reaper is reached.
    pub(crate) transport: Transport,
    /// `REAPER_REPORT`: the file in which a run writes down what was removed.
    pub(crate) report: Option<Found>,
    /// `REAPER_ACQUIRE_TIMEOUT`: how long to look up or create.
    pub(crate) acquire_timeout: Duration,
    /// `REAPER_SHARED_TIMEOUT`: how long to wait for a value that another process makes.
    pub(crate) shared_timeout: Duration,
    /// The user's home, where rootless engines keep their sockets; none that this user may not look into.
    pub(crate) home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, likewise.
    pub(crate) runtime_directory: Option<PathBuf>,
}

/// Before the names of the settings below, where the environment has them without it: testcontainers for Go takes both,
/// and the bare name first.
const PREFIX: &str = "TESTCONTAINERS_";

/// What the server understands and how each value has to look.
const RYUK_SETTINGS: [(&str, &str, Kind); 8] = [
    ("RYUK_CONNECTION_TIMEOUT", "ryuk.connection.timeout", Kind::Duration),
    ("RYUK_RECONNECTION_TIMEOUT", "ryuk.reconnection.timeout", Kind::Duration),
    ("RYUK_REQUEST_TIMEOUT", "ryuk.request.timeout", Kind::Duration),
    ("RYUK_REMOVE_RETRIES", "ryuk.remove.retries", Kind::Count),
    ("RYUK_RETRY_OFFSET", "ryuk.retry.offset", Kind::Offset),
    ("RYUK_CHANGES_RETRY_INTERVAL", "ryuk.changes.retry.interval", Kind::Duration),
    ("RYUK_SHUTDOWN_TIMEOUT", "ryuk.shutdown.timeout", Kind::Duration),
    ("RYUK_VERBOSE", "ryuk.verbose", Kind::Switch),
];

#[derive(Clone, Copy)]
enum Kind {
    Duration,
    Offset,
    Count,
    Switch,
}

impl Config {
    /// The settings as this process finds them.
    pub(crate) fn load() -> Result<Self> {
        let environment =
            |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let home = ["HOME", "USERPROFILE"].iter().find_map(|name| folder(name));
        let home = home.filter(|home| can_be_looked_into(home));
        let properties = match &home {
            Some(home) => Properties::load(&home.join(".testcontainers.properties"))?,
            None => Properties::default(),
        };
        let config = Self::from_sources(&Sources { environment: &environment, properties })?;
        let (docker_host, certificates) = match config.docker_host {
            None => contexts::engine(&environment, home.as_deref())?
                .map_or((None, config.certificates), |(found, certificates)| (Some(found), certificates)),
            // Where the family's tools for the desktop listen there is none.
            Some(found) if found.name == FAMILY_HOST => (Some(found), Certificates::NONE),
            named => (named, config.certificates),
        };
        Ok(Self { docker_host, certificates, home, runtime_directory: folder("XDG_RUNTIME_DIR"), ..config })
    }

    fn from_sources(sources: &Sources<'_>) -> Result<Self> {
        let mut ryuk = BTreeMap::new();
        for (name, property, kind) in RYUK_SETTINGS {
            let prefixed = format!("{PREFIX}{name}");
            if let Some(found) = sources.find(&[name, &prefixed], &[property]) {
                ryuk.insert(name, kind.check(&found)?);
            }
        }
        Ok(Self {
            session_id: sources.find(&["TESTCONTAINERS_SESSION_ID"], &["session.id"]),
            docker_host: sources
                .find(&[], &[FAMILY_HOST])
                .or_else(|| sources.find(&["DOCKER_HOST"], &["docker.host"])),
            certificates: Certificates::find(sources)?,
            host: sources
                .find(&["TESTCONTAINERS_HOST_OVERRIDE"], &["host.override"])
                .map(as_host)
                .transpose()?,
            socket: sources
                .find(&["TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE"], &["docker.socket.override"])
                .map(as_socket)
                .transpose()?,
            disabled: sources.switch(&["TESTCONTAINERS_RYUK_DISABLED"], "ryuk.disabled", false)?,
            privileged: sources.switch(
                &["TESTCONTAINERS_RYUK_CONTAINER_PRIVILEGED", "RYUK_CONTAINER_PRIVILEGED"],
                "ryuk.container.privileged",
                false,
            )?,
            image: sources.find(
                &["TESTCONTAINERS_RYUK_CONTAINER_IMAGE", "RYUK_CONTAINER_IMAGE"],
                &["ryuk.container.image"],
            ),
            hub_prefix: sources.find(&["TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX"], &["hub.image.name.prefix"]),
            ryuk,
            run: sources.find(&[RUN], &[]).and_then(|found| Run::read(&found.value)),
            network: None,
            keeper: sources.switch(&["REAPER_KEEPER"], "reaper.keeper", true)?,
            keep: sources.choice("REAPER_KEEP", "reaper.keep", Keep::Nothing, &KEEPS)?,
            sweep: sources.choice("REAPER_SWEEP", "reaper.sweep", Sweep::Orphans, &SWEEPS)?,
            scope: sources.choice("REAPER_SCOPE", "reaper.scope", Scope::Session, &SCOPES)?,
            transport: sources.choice(TRANSPORT, "reaper.transport", Transport::Auto, &TRANSPORTS)?,
            report: sources.find(&[REPORT], &["reaper.report"]).map(as_absolute),
            acquire_timeout: match sources.find(&["REAPER_ACQUIRE_TIMEOUT"], &["reaper.acquire.timeout"]) {
                Some(found) => positive(&found)?,
                None => ACQUIRE_TIMEOUT,
            },
            shared_timeout: match sources.find(&["REAPER_SHARED_TIMEOUT"], &["reaper.shared.timeout"]) {
                Some(found) => positive(&found)?,
                None => SHARED_TIMEOUT,
            },
            home: None,
            runtime_directory: None,
        })
    }

    /// Passes a duration to the reaper, in place of what the environment says.
    pub(crate) fn pass_duration(&mut self, name: &'static str, value: Duration) {
        let milliseconds = value.as_millis();
        let is_whole = Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default()) == value;
        let written = if is_whole { format!("{milliseconds}ms") } else { format!("{}ns", value.as_nanos()) };
        self.ryuk.insert(name, written);
    }

    /// The same for what a method of the builder was given, if it was.
    pub(crate) fn pass_built(
        &mut self,
        name: &'static str,
        method: &str,
        value: Option<Duration>,
    ) -> Result<()> {
        if let Some(value) = value {
            self.pass_duration(name, usable(method, value)?);
        }
        Ok(())
    }

    /// Whether one reaper does for both: how it is made and how long it is waited for. Which session and which engine
    /// are compared by what they come to (`session::resolve`, `engine::same`), not by what names them.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let terms = |config: &Self| Self {
            session_id: None,
            docker_host: None,
            certificates: Certificates::NONE,
            run: None,
            // Each guard has its own.
            scope: Scope::Session,
            report: None,
            home: None,
            runtime_directory: None,
            ryuk: config.ryuk.iter().map(|(name, value)| (*name, meaning(value))).collect(),
            ..config.clone()
        };
        terms(self) == terms(other)
    }
}

#[cfg(feature = "cli")]
impl Config {
    /// Whether the session's run is this process's, as it is written in labels.
    pub(crate) fn is_run_by(&self, process: Option<&str>) -> bool {
        self.run.as_ref().is_some_and(|run| Some(run.runner.as_str()) == process)
    }
}

/// `60s`, `1m` and `60000ms` are the same.
fn meaning(value: &str) -> String {
    duration::parse(value).map_or_else(|_| value.to_owned(), |nanoseconds| nanoseconds.to_string())
}

/// The test that this process runs, as far as the runner says.
pub(crate) fn running_test() -> Option<String> {
    std::env::var("NEXTEST_TEST_NAME").ok()
}

impl Run {
    /// The value of the variable.
    #[cfg(feature = "cli")]
    pub(crate) fn write(&self) -> String {
        format!("{} {}", self.session, self.runner)
    }

    fn read(value: &str) -> Option<Self> {
        let (session, runner) = value.split_once(' ')?;
        Some(Self { session: session.to_owned(), runner: runner.to_owned() })
    }
}

impl Kind {
    /// The value to pass on, if the server will understand it.
    fn check(self, found: &Found) -> Result<String> {
        match self {
            Self::Duration => positive(found).map(|_| found.value.clone()),
            Self::Offset => match duration::parse(&found.value) {
                Ok(_) => Ok(found.value.clone()),
                Err(_) => Err(found.refuse("a duration such as -1s or 500ms")),
            },
            Self::Count => match found.value.parse::<u32>() {
                Ok(_) => Ok(found.value.clone()),
                Err(_) => Err(found.refuse("a whole number such as 10")),
            },
            Self::Switch => truth(found).map(|on| on.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)], properties: &str) -> Result<Config> {
        let environment =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let properties = Properties::parse("the file".into(), properties.as_bytes())?;
        Config::from_sources(&Sources { environment: &environment, properties })
    }

    #[test]
    fn defaults() {
        let config = config(&[], "").unwrap();
        assert!(!config.disabled && !config.privileged && config.keeper);
        assert_eq!(config.acquire_timeout, Duration::from_secs(60));
        assert_eq!((config.keep, config.sweep), (Keep::Nothing, Sweep::Orphans));
        assert_eq!((config.scope, config.report), (Scope::Session, None));
        assert_eq!(config.transport, Transport::Auto);
        assert_eq!(config.shared_timeout, Duration::from_secs(300));
        assert!(config.ryuk.is_empty());
    }

    #[test]
    fn the_environment_wins_over_the_file_and_an_empty_variable_does_not() {
        let file = "# comment\nryuk.container.image = from/file:1\ndocker.host:unix:///file.sock\n";
        let config = config(&[("RYUK_CONTAINER_IMAGE", "from/env:2"), ("DOCKER_HOST", " ")], file).unwrap();
        assert_eq!(config.image.unwrap().value, "from/env:2");
        let host = config.docker_host.unwrap();
        assert_eq!((host.value.as_str(), host.origin.as_str()), ("unix:///file.sock", "the file"));
    }

    #[test]
    fn what_the_server_understands_is_passed_on_as_given() {
        let config = config(
            &[("RYUK_RECONNECTION_TIMEOUT", "1m30s"), ("RYUK_RETRY_OFFSET", "-2s"), ("RYUK_VERBOSE", "T")],
            "ryuk.remove.retries=3",
        );
        let passed: Vec<_> = config.unwrap().ryuk.into_iter().collect();
        assert_eq!(
            passed,
            [
                ("RYUK_RECONNECTION_TIMEOUT", "1m30s".to_owned()),
                ("RYUK_REMOVE_RETRIES", "3".to_owned()),
                ("RYUK_RETRY_OFFSET", "-2s".to_owned()),
                ("RYUK_VERBOSE", "true".to_owned()),
            ]
        );
    }

    #[test]
    fn a_prefixed_name_counts_where_the_bare_one_is_not_given() {
        let prefixed = ("TESTCONTAINERS_RYUK_CONNECTION_TIMEOUT", "50s");
        let file = "ryuk.connection.timeout=70s\nryuk.request.timeout: 5s";
        let passed =
            |variables: &[_]| config(variables, file).unwrap().ryuk["RYUK_CONNECTION_TIMEOUT"].clone();
        assert_eq!(passed(&[prefixed]), "50s");
        assert_eq!(passed(&[prefixed, ("RYUK_CONNECTION_TIMEOUT", "40s")]), "40s");
        assert_eq!(passed(&[("TESTCONTAINERS_RYUK_CONNECTION_TIMEOUT", "")]), "70s");
        let text = config(&[("TESTCONTAINERS_RYUK_VERBOSE", "loud")], "").unwrap_err().to_string();
        assert!(text.starts_with("setting TESTCONTAINERS_RYUK_VERBOSE from the environment"), "{text}");
    }

    #[test]
    fn a_timeout_is_above_zero_and_overflows_no_clock() {
        for name in ["REAPER_ACQUIRE_TIMEOUT", "REAPER_SHARED_TIMEOUT", "RYUK_SHUTDOWN_TIMEOUT"] {
            for refused in ["0s", "8761h", "2562047h", "99999999999h", "-1s"] {
                assert!(config(&[(name, refused)], "").is_err(), "{name}={refused}");
            }
            assert!(config(&[(name, "8760h")], "").is_ok(), "{name}");
        }
        let mut built = config(&[], "").unwrap();
        let mut pass = |value| built.pass_built("RYUK_CONNECTION_TIMEOUT", "with_it", Some(value));
        assert!(pass(Duration::ZERO).is_err() && pass(Duration::MAX).is_err());
        for (span, passed) in [(Duration::from_secs(2), "2000ms"), (Duration::from_micros(500), "500000ns")] {
            built.pass_built("RYUK_CONNECTION_TIMEOUT", "with_it", Some(span)).unwrap();
            assert_eq!(built.ryuk["RYUK_CONNECTION_TIMEOUT"], passed);
        }
    }

    #[test]
    fn settings_agree_by_what_they_mean() {
        let ours = config(&[("RYUK_CONNECTION_TIMEOUT", "1m"), ("DOCKER_HOST", "unix:///a")], "").unwrap();
        let theirs = "ryuk.connection.timeout=60000ms\nsession.id=a\nreaper.scope=test\nreaper.report=a";
        assert!(ours.agrees_with(&config(&[], theirs).unwrap()));
        for other in [
            "ryuk.connection.timeout=61s",
            "ryuk.container.image=other",
            "reaper.keep=always",
            "reaper.transport=exec",
        ] {
            let other = config(&[], &format!("{theirs}\n{other}")).unwrap();
            assert!(!ours.agrees_with(&other));
        }
    }

    #[test]
    fn a_bad_value_names_the_setting_its_source_and_the_value() {
        for (name, value) in [
            ("RYUK_CONNECTION_TIMEOUT", "10"),
            ("RYUK_CONNECTION_TIMEOUT", "-1s"),
            ("RYUK_REMOVE_RETRIES", "many"),
            ("TESTCONTAINERS_RYUK_DISABLED", "maybe"),
            ("REAPER_ACQUIRE_TIMEOUT", "0s"),
            ("REAPER_KEEP", "sometimes"),
            ("REAPER_SWEEP", "yes"),
            ("REAPER_SCOPE", "process"),
            ("REAPER_TRANSPORT", "udp"),
            ("REAPER_SHARED_TIMEOUT", "5"),
        ] {
            let text = config(&[(name, value)], "").unwrap_err().to_string();
            for part in [name, "the environment", value] {
                assert!(text.contains(part), "{part} is missing: {text}");
            }
        }
        let text = config(&[], "ryuk.verbose=loud").unwrap_err().to_string();
        assert!(text.contains("ryuk.verbose from the file is \"loud\""), "{text}");
    }
}
