//! Being the runner of a session: one around a command in any language, held for as long as that runs.
//!
//! Feature `cli`: what `reaper run` is made of. The command finds the session in its environment, as every client of
//! the testcontainers family does. A keeper would do for holding it, and was rejected: this process lives as long
//! as the command anyway, and has to be there at its end to remove what is left.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::adoption::Adoption;
use crate::engine::{Inventory as _, Place, Sought, Unlisted, set, wait, work};
use crate::error::{Error, Result};
use crate::guard::Reaper;
use crate::removal::sessions::{self, Resource};
use crate::session::{self, Filter, GIVEN, Owner, SessionId, owner_lives};
use crate::settings::{Config, Found, Keep, REPORT, RUN, Run, Scope};

/// A session that this process holds for the commands that it runs.
#[derive(Debug)]
pub struct Runner {
    reaper: Reaper,
    run: Option<Run>,
    /// Another runner is around this one: the session is that one's to end.
    nested: bool,
    /// What is to stay (`REAPER_KEEP`); which of it, its tests and the reaper decide.
    keep: Keep,
    /// What [`Runner::also`] was given.
    also: Mutex<Vec<Filter>>,
    /// The socket of [`Runner::adopt`].
    adoption: OnceLock<Adoption>,
    /// The session's id is this runner's own, so nobody knows it but what it has started.
    is_fresh: bool,
}

/// How a session was ended by its runner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// This was left of it, and is gone.
    Removed(Vec<Resource>),
    /// Nothing was removed, since others hold the session, or may: its reaper does so when the last of them has gone.
    LeftToReaper {
        /// How many others hold it; none where the reaper does not tell.
        others: Option<u32>,
    },
}

/// For the reaper's last look, and what it finds then.
const REPORTED_WITHIN: Duration = Duration::from_secs(30);

/// For the reaper to see that what the command had started has ended.
const GONE_WITHIN: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Runner {
    /// Begins a session: of this id, else the one that `TESTCONTAINERS_SESSION_ID` names, else a new one. Blocks until
    /// its reaper has acknowledged.
    ///
    /// A new reaper waits a second for the next connection when this process has ended the session ([`Runner::end`]), ten
    /// when it was killed, or in any case as long as `RYUK_RECONNECTION_TIMEOUT` says.
    ///
    /// # Errors
    ///
    /// As for [`Reaper::acquire`], and [`Error::Setting`](crate::Error::Setting) for an id that is none.
    pub fn begin(session: Option<&str>) -> Result<Self> {
        Self::begin_with(session, None)
    }

    /// The same, with a file in which it is written down what is removed, by whom ever: a line of JSON for each thing, behind
    /// what is in it already. Where `REAPER_REPORT` names one, [`Runner::begin`] does so.
    ///
    /// # Errors
    ///
    /// As for [`Runner::begin`], and [`Error::Setting`](crate::Error::Setting) where the file cannot be written.
    pub fn begin_with_report(session: Option<&str>, report: impl Into<String>) -> Result<Self> {
        Self::begin_with(session, Some(report.into()))
    }

    fn begin_with(session: Option<&str>, report: Option<String>) -> Result<Self> {
        let config = Config::load()?;
        let is_named = session.is_some();
        let session = match session {
            Some(id) => SessionId::given(&Found::named("--session", "the command line", id.to_owned()))?,
            None if config.session_id.is_some() => session::resolve(&config)?,
            None => SessionId::fresh(),
        };
        let is_fresh = !is_named && config.session_id.is_none();
        let outer = config.run.filter(|run| run.session == session.as_str());
        let outer = outer.filter(|run| owner_lives(&run.runner) == Some(true));
        let nested = outer.is_some();
        let this = || Owner::this().map(|runner| Run { session: session.to_string(), runner });
        let run = outer.or_else(this);
        let reaper = Reaper::builder().with_session_id(session.as_str()).with_run(run.clone());
        // All of the session is this one's to end, whatever its tests do for themselves.
        let reaper = reaper.with_scope(Scope::Session);
        let reaper = reaper.with_report(report).acquire()?;
        let keep = config.keep;
        Ok(Self { reaper, run, nested, keep, also: Mutex::default(), adoption: OnceLock::new(), is_fresh })
    }

    /// The guard that holds the session.
    #[must_use]
    pub fn reaper(&self) -> &Reaper {
        &self.reaper
    }

    /// The file in which it is written down what is removed, by an absolute path; none where there is to be none.
    #[must_use]
    pub fn report(&self) -> Option<&Path> {
        self.reaper.report()
    }

    /// Has the session remove what matches this filter, too: what is created by those who do not know the session, such
    /// as a compose project.
    ///
    /// # Errors
    ///
    /// As for [`Reaper::also`].
    pub fn also(&self, filter: Filter) -> Result<()> {
        self.reaper.also(filter.clone())?;
        self.also.lock().unwrap_or_else(PoisonError::into_inner).push(filter);
        Ok(())
    }

    /// Has everything that [`Runner::run`]'s command creates on the engine be the session's, though the command knows nothing of
    /// sessions: a socket of its own, which it finds in `DOCKER_HOST`, passes all requests on and adds the labels.
    ///
    /// Labels that the command gives stay. What cannot carry labels is not the session's: images that are pulled or loaded,
    /// the cache of a build.
    ///
    /// # Errors
    ///
    /// [`Error::Adoption`](crate::Error::Adoption) where there is no socket to be had, such as on Windows, and
    /// [`Error::Setting`](crate::Error::Setting) for `tc.host` in the properties file, which other clients of the
    /// family obey before `DOCKER_HOST`.
    pub fn adopt(&self) -> Result<()> {
        if self.adoption.get().is_none() {
            let adoption = Adoption::begin(&self.reaper, self.keep)?;
            // What is to stay is named to the reaper when it is known that it need not.
            if self.keep == Keep::Nothing {
                self.reaper.also(adoption.filter().clone())?;
            }
            // Whoever was faster has done the same.
            let _ = self.adoption.set(adoption);
        }
        Ok(())
    }

    /// The filters of [`Runner::also`] that match nothing on the engine: before the end, those that have removed nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`](crate::Error::Engine) where the engine does not list what it has.
    pub fn unmatched(&self) -> Result<Vec<Filter>> {
        let filters = self.also.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if filters.is_empty() {
            return Ok(filters);
        }
        let place = self.reaper.engine()?.place;
        wait(work(move || async move {
            let mut unmatched = Vec::new();
            for filter in filters {
                if !matches(&place, &filter).await? {
                    unmatched.push(filter);
                }
            }
            Ok(unmatched)
        }))
    }

    /// Runs a command in the session, and waits for its end.
    ///
    /// It finds the session's id in `TESTCONTAINERS_SESSION_ID`, and the engine in `DOCKER_HOST`, whoever has named that.
    ///
    /// It stays in this process's group and on its terminal. Meanwhile SIGINT, SIGTERM, SIGHUP and SIGQUIT do not end
    /// this process: one that another process sent to it is sent on to the command; one that comes from the
    /// terminal has reached the command already, and is not. One that a process sends to the whole group is not
    /// told from the first, so it reaches the command twice.
    ///
    /// # Errors
    ///
    /// What the operating system says to starting it.
    pub fn run(&self, command: &mut Command) -> io::Result<ExitStatus> {
        command.env(GIVEN, self.reaper.session().as_str());
        match &self.run {
            Some(run) => command.env(RUN, run.write()),
            None => command.env_remove(RUN),
        };
        if let Some(report) = self.report() {
            command.env(REPORT, report);
        }
        // The same engine, for clients that would find another by themselves.
        if let Some(engine) = self.reaper.own_engine() {
            engine.set_for(command);
        }
        if let Some(adoption) = self.adoption.get() {
            set(command, adoption.variables());
        }
        let outcome = supervise(command);
        if outcome.as_ref().is_ok_and(ExitStatus::success) {
            self.let_pass();
        }
        outcome
    }

    /// Of what is kept where something failed, what was adopted is the command's, which has not.
    fn let_pass(&self) {
        if self.keep == Keep::OnFailure
            && let Some(adoption) = self.adoption.get()
            && let Err(error) = self.reaper.also(adoption.filter().clone())
        {
            let error = error.report();
            tracing::warn!(error, "what the command created stays, though it has not failed");
        }
    }

    /// Ends the session: removes at once what is left of it, and says what that was.
    ///
    /// Nothing is removed where others hold the session, such as another runner that was given the same id, or where
    /// they may and the reaper does not tell: then it is left to the reaper. Nor where another runner is around this one
    /// in the same session, which will do it, or where `REAPER_KEEP` says that something is to stay.
    ///
    /// # Errors
    ///
    /// With a report it waits for the reaper's last look, some four seconds, if nobody else holds the session: what is removed
    /// then is written down, too.
    ///
    /// # Errors
    ///
    /// As for [`Reaper::reap_now`]; the reaper tries again.
    pub fn end(self) -> Result<End> {
        let ended = self.remove();
        let is_over = !self.nested && !matches!(ended, Ok(End::LeftToReaper { .. }));
        let reporting = self.reaper.let_go();
        if is_over {
            let began = Instant::now();
            while !reporting.iter().all(JoinHandle::is_finished) && began.elapsed() < REPORTED_WITHIN {
                std::thread::sleep(LOOK_AGAIN);
            }
        }
        ended
    }

    fn remove(&self) -> Result<End> {
        if self.nested {
            return Ok(End::Removed(Vec::new()));
        }
        let others = match self.others() {
            Err(_) if self.keep != Keep::Nothing => None,
            others => others?,
        };
        let is_alone = others == Some(0) || (others.is_none() && self.is_fresh);
        // The others may not see the end of what they run in.
        if is_alone && let Err(error) = self.reaper.end_run() {
            let error = error.report();
            tracing::debug!(error, "the reaper waits for another client as long as it usually does");
        }
        if self.keep != Keep::Nothing {
            return Ok(End::Removed(Vec::new()));
        }
        if !is_alone {
            return Ok(End::LeftToReaper { others });
        }
        self.reaper.reap_at_end().map(|reaped| End::Removed(sessions::resources(&reaped)))
    }

    /// How many others hold the session, once those have gone that are about to.
    fn others(&self) -> Result<Option<u32>> {
        let began = Instant::now();
        loop {
            match self.reaper.others()? {
                Some(count) if count > 0 && began.elapsed() < GONE_WITHIN => std::thread::sleep(LOOK_AGAIN),
                others => return Ok(others),
            }
        }
    }
}

async fn matches(place: &Place, filter: &Filter) -> Result<bool> {
    let found = place.list_all(Sought::AnyOf(std::slice::from_ref(filter))).await;
    found.map(|found| !found.is_empty()).map_err(|Unlisted { kind, problem }| Error::Engine {
        operation: format!("list the {kind}s with {filter}"),
        source: Arc::new(problem),
    })
}

#[cfg(unix)]
fn supervise(command: &mut Command) -> io::Result<ExitStatus> {
    use std::thread;

    use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, waitid};

    use crate::platform::{Watch, raise_open_files};

    let watch = Watch::begin()?;
    let stop = watch.stop()?;
    let mut child = command.spawn()?;
    // Not before: the command has the limit that it was given. What adopts has two connections for each client.
    raise_open_files();
    let pid = Pid::from_child(&child);
    // While it is true, the pid is the child's: an ended child keeps it until it is waited for.
    let unwaited = Mutex::new(true);
    let lock = || unwaited.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        let pass_on = || {
            while let Some((signal, sent_by_process)) = watch.next() {
                let unwaited = lock();
                if sent_by_process && *unwaited {
                    // It may have ended meanwhile.
                    let _ = kill_process(pid, signal);
                }
            }
        };
        thread::Builder::new().name("signals".into()).spawn_scoped(scope, pass_on)?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let ended = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options));
        *lock() = false;
        stop.now();
        ended?;
        child.wait()
    })
}

/// A Ctrl-C reaches the command by itself.
#[cfg(not(unix))]
fn supervise(command: &mut Command) -> io::Result<ExitStatus> {
    command.status()
}
