//! How to get rid of what `REAPER_KEEP` keeps, in words that can be pasted into a shell.
//!
//! Said beforehand: a test that is killed says nothing afterwards, and runners show the output of those that fail. Commands
//! of docker and not `reaper rm`, which need not be installed, and would remove the reaper of a run that goes on. By one
//! label each, since Podman joins two with "or".

use std::sync::Once;

use crate::session::{SESSION, SessionId};
use crate::settings::{Config, Keep};

/// Says it once per process.
pub(super) fn announce(session: &SessionId, config: &Config) {
    static ANNOUNCED: Once = Once::new();
    let what = match config.keep {
        Keep::Nothing => return,
        Keep::Always => "what these tests create stays",
        Keep::OnFailure => "what these tests create stays if one of them fails",
    };
    ANNOUNCED.call_once(|| {
        eprintln!(
            "note: {what} (REAPER_KEEP); remove it with\n{}or all that ended runs have kept by a run with REAPER_SWEEP=all",
            commands(session, &docker(config))
        );
    });
}

/// The command for the engine of these settings: docker has read no file of ours.
fn docker(config: &Config) -> String {
    match &config.docker_host {
        Some(found) if found.name != "DOCKER_HOST" => format!("docker -H '{}'", found.value),
        _ => "docker".to_owned(),
    }
}

/// A line each, in the order in which one thing lets go of the next. The reaper and its network are left out.
fn commands(session: &SessionId, docker: &str) -> String {
    let list = |kind: &str| format!("{docker} {kind} --filter label={SESSION}={session}");
    let without = |reapers: &str| format!("grep -v ' {reapers}' | cut -d ' ' -f 1");
    let lines = [
        format!(
            "{} --format '{{{{.ID}}}} {{{{.Names}}}}' | {} | xargs -r {docker} rm -fv",
            list("ps -a"),
            without(&format!("reaper_{session}$"))
        ),
        format!(
            "{} --format '{{{{.ID}}}} {{{{.Name}}}}' | {} | xargs -r {docker} network rm",
            list("network ls"),
            without(&format!("reaper_{session}_"))
        ),
        format!("{} -q | xargs -r {docker} volume rm", list("volume ls")),
        format!("{} -q | sort -u | xargs -r {docker} rmi", list("images")),
    ];
    lines.map(|line| format!("  {line}\n")).concat()
}
