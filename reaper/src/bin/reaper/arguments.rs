//! What can be written behind `reaper`, and the help that is read when it is not known.
//!
//! Derived, since the completions come from the same definition.

#![expect(clippy::doc_markdown, reason = "these comments are the help, which is read in a terminal")]

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _, Parser, Subcommand};

/// Guards everything that tests create on a container engine: nothing outlives the run.
#[derive(Parser)]
#[command(
    name = "reaper",
    version,
    after_help = "\
The engine is found as a test finds it: DOCKER_HOST, ~/.testcontainers.properties, the usual sockets.

Exit codes: 0 done, 1 not done or not everything, 2 wrong arguments; `reaper run` has its own, see
`reaper run --help`. Colours only on a terminal, and never with NO_COLOR."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Run(Run),
    /// Adopt all that the tests of a nextest run create, as its setup script
    ///
    /// Starts what `reaper run --adopt` has around a command, as a process of its own that ends with nextest, and writes the
    /// variables for the tests into the file that NEXTEST_ENV names.
    #[cfg(unix)]
    #[command(after_help = "\
In .config/nextest.toml:
  experimental = [\"setup-scripts\"]
  scripts.setup.reaper.command = \"reaper setup\"
  [[profile.default.scripts]]
  filter = \"all()\"
  setup = \"reaper\"

Exit codes: 0 the tests may begin, 1 there is no socket for them.")]
    Setup,
    #[cfg(unix)]
    /// What `reaper setup` leaves behind
    #[command(hide = true)]
    Serve {
        /// The session
        session: String,
        /// The mark of its runner
        runner: String,
    },
    Ls(Ls),
    Rm(Rm),
    /// Look at everything that a test needs of the engine, and try it.
    ///
    /// Which engine, how it was found, what else was tried, which Ryuk image and why; then a session of its own: whether
    /// its reaper starts, whether its port can be dialled, and whether a container, a network and a volume are removed.
    /// A line that fails is followed by what to do about it.
    #[command(after_help = "\
Examples:
  reaper doctor
  DOCKER_HOST=tcp://build.example:2375 reaper doctor

Exit codes: 0 everything works, 1 something does not.")]
    Doctor,
    /// Print the completions for a shell.
    #[command(after_help = "\
Examples:
  reaper completions bash > ~/.local/share/bash-completion/completions/reaper
  reaper completions zsh > ~/.zfunc/_reaper
  reaper completions fish > ~/.config/fish/completions/reaper.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Prints them.
pub(crate) fn complete(shell: clap_complete::Shell) -> io::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "reaper", &mut text);
    io::stdout().write_all(&text)
}

/// Run a command in a session of its own, and remove what it leaves behind.
///
/// The command finds the session's id in TESTCONTAINERS_SESSION_ID: every client of the testcontainers family that
/// reads it joins the session, and so does whatever is created with the label org.testcontainers.sessionId=<id>.
/// When the command has ended, what is left of the session is removed at once. Should `reaper run` itself be killed,
/// the session's reaper container does it, a second later.
#[derive(Args)]
#[command(after_help = "\
Examples:
  reaper run --adopt -- cargo nextest run
  reaper run -- make integration-test
  reaper run -- sh -c 'docker run -d --label org.testcontainers.sessionId=$TESTCONTAINERS_SESSION_ID redis; ./test'
  reaper run --also com.docker.compose.project=orders -- docker compose -p orders up

Signals: INT, TERM, HUP and QUIT that are sent to `reaper run` are passed on to the command. A Ctrl-C reaches the
command by itself.

Exit codes:
  that of the command, or 128+n where signal n ended it
  125  the session could not be had, so the command was not started
  126  the command was found and cannot be started
  127  there is no such command
  What could not be removed is told on standard error, and does not change the code: the reaper tries again.")]
pub(crate) struct Run {
    /// The session's id [default: TESTCONTAINERS_SESSION_ID, else a new one]
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Adopt all that the command creates, though it knows nothing of sessions
    ///
    /// A socket that the command finds in DOCKER_HOST passes everything on to the engine and adds the session's labels to
    /// what is created: containers, networks, volumes, services, images that are built, committed or imported.
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Remove what carries this label, too; may be given more than once
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) also: Vec<(String, String)>,
    /// Write down what is removed, a line of JSON each, and say at the end how much that was [default: REAPER_REPORT]
    ///
    /// The file is appended to. Each line has kind, id, name, test, process, when it was made and gone, and why. Waits some
    /// four seconds for the reaper's last look.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<String>,
    /// Say which session it is
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// List the sessions that have something on the engine.
///
/// Those of other clients of the testcontainers family, too. RUNNER says whether the process that started the tests is
/// alive; it is unknown for other clients, for sessions that were given a name, and on another machine. What is
/// orphaned has lost its runner, its maker and its reaper: the next test run removes it, or `reaper rm --orphans`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  reaper ls
  reaper ls --json | jq '.[] | select(.orphans > 0) | .session'

Exit codes: 0 listed, 1 the engine could not be asked.")]
pub(crate) struct Ls {
    /// Everything that is known, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// Remove sessions, or what ended sessions left.
///
/// Containers, networks, volumes and images of the session go, its reaper container last. It asks before.
#[derive(Args)]
#[command(after_help = "\
Examples:
  reaper rm 2c58
  reaper rm --orphans --dry-run
  reaper rm --orphans --yes

Exit codes: 0 all of it is gone, or there was nothing; 1 something is left, nobody agreed, or there is no such session.")]
pub(crate) struct Rm {
    /// Ids of sessions, or what only one of them begins with
    #[arg(required_unless_present = "orphans", conflicts_with = "orphans", value_name = "SESSION")]
    pub(crate) sessions: Vec<String>,
    /// What carries the marks of a runner and a process that have both ended, in sessions without a reaper
    #[arg(long)]
    pub(crate) orphans: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Say what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() || value.is_empty() {
        return Err("a label is written key=value".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_follows_the_command_is_the_commands() {
        let parsed =
            Arguments::try_parse_from(["reaper", "run", "--", "make", "-j", "--session", "x"]).unwrap();
        let Command::Run(run) = parsed.command else { panic!("it was a run") };
        assert_eq!((run.session, run.command.len()), (None, 4));
    }
}
