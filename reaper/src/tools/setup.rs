//! A setup script of nextest's: what a run's tests create is adopted, and `cargo nextest run` stays the command.
//!
//! Feature `cli`: what `reaper setup` is made of. nextest runs a script once, before the tests, and gives them the variables
//! that it writes down. So what serves the socket is another process, which the script leaves behind, and which holds
//! the session for as long as nextest lives. A server that every test looks for and starts was rejected: the tests are to
//! stay as they are.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::adoption::Adoption;
use crate::error::{Error, Result};
use crate::guard::Reaper;
use crate::platform;
use crate::session::{self, GIVEN, Owner, SessionId};
use crate::settings::{Config, Found, Run, Scope};

/// What the server tells whoever has started it: the variables for the tests, or why there are none.
type Told = std::result::Result<Vec<Variable>, String>;

/// A name and its value; none for what must not be in a test's environment.
pub type Variable = (String, Option<String>);

/// Begins the session of the nextest run that this process belongs to, and leaves a server behind that adopts what is created
/// over its socket, until nextest ends.
///
/// The server is `program`, which gets two more arguments, the session and its runner, and has to call [`serve`] with them.
/// Returns when the socket is there, with the variables for the tests.
///
/// # Errors
///
/// As for [`Reaper::acquire`] and [`Runner::adopt`](crate::runner::Runner::adopt); [`Error::Adoption`] where there is
/// no nextest above this process, and where the server does not start.
pub fn set_up(program: &mut Command) -> Result<Vec<Variable>> {
    let runner = session::nextest().and_then(|process| Owner::mark_of(&process)).ok_or_else(|| {
        failed("there is no nextest above this process; for any other command there is `reaper run --adopt`")
    })?;
    // Where nobody has named the session this leaves a keeper, as the first test would.
    let reaper = Reaper::builder().with_scope(Scope::Session).acquire()?;
    program.args([reaper.session().as_str(), &runner]);
    // Nothing of the script's is to stay open, or nextest waits for it.
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let told = program.spawn().and_then(first_word);
    told.map_err(|error| Error::Adoption { source: Arc::new(error) })?.map_err(|problem| failed(&problem))
}

/// Serves the socket until the runner has ended: what a program of [`set_up`] does with its arguments.
///
/// # Errors
///
/// As for [`set_up`], to which it has told the error by then.
pub fn serve(session: &str, runner: &str) -> Result<()> {
    platform::leave_terminal();
    platform::raise_open_files();
    let (reaper, adoption) = match begin(session, runner) {
        Ok(held) => held,
        Err(error) => {
            tell(&Err(error.report()));
            return Err(error);
        }
    };
    let in_text = |(name, value): (&str, Option<std::ffi::OsString>)| {
        (name.to_owned(), value.map(|value| value.to_string_lossy().into_owned()))
    };
    tell(&Ok(adoption.variables().into_iter().map(in_text).collect()));
    session::until_owner_is_gone(runner);
    drop(adoption);
    // A session that was named may have another end than this run's.
    if std::env::var_os(GIVEN).is_none()
        && let Err(error) = reaper.end_run()
    {
        tracing::debug!(%error, "the reaper waits for another client as long as it usually does");
    }
    Ok(())
}

fn begin(session: &str, runner: &str) -> Result<(Reaper, Adoption)> {
    let config = Config::load()?;
    let session = SessionId::given(&Found::named("session", "the arguments", session.to_owned()))?;
    let run = Run { session: session.to_string(), runner: runner.to_owned() };
    let reaper = Reaper::builder().with_session_id(session.as_str()).with_run(Some(run));
    let reaper = reaper.with_scope(Scope::Session).acquire()?;
    let adoption = Adoption::begin(&reaper, config.keep)?;
    Ok((reaper, adoption))
}

/// Says the one word, and lets go of whoever reads it.
fn tell(told: &Told) {
    let mut output = io::stdout().lock();
    // Whoever does not read it any more has been ended, and so is the run.
    let _ = serde_json::to_writer(&mut output, told).map(|()| output.flush());
    drop(output);
    if let Err(error) = platform::let_go_of_output() {
        tracing::debug!(%error, "whoever started this waits for its end");
    }
}

/// What the server says, which lets go of its output then.
fn first_word(mut server: Child) -> io::Result<Told> {
    let mut text = String::new();
    if let Some(output) = &mut server.stdout {
        output.read_to_string(&mut text)?;
    }
    if text.is_empty() {
        return Err(io::Error::other(format!("what was to serve it has ended: {}", server.wait()?)));
    }
    Ok(serde_json::from_str(&text)?)
}

fn failed(problem: &str) -> Error {
    Error::Adoption { source: Arc::new(io::Error::other(problem.to_owned())) }
}
