//! `reaper rm`: that it asks, and removes what was named and nothing else.

use std::time::Duration;

use reaper_tests::process::Process;
use reaper_tests::suite::{Run, signal, succeeded, text};
use reaper_tests::{engine, until};

use crate::elsewhere::Elsewhere;
use crate::{LABELLED, on_terminal, reaper, stderr, stdout, unique};

const GONE_WITHIN: Duration = Duration::from_secs(60);

fn is_there(session: &str) -> bool {
    !engine::resources(session).is_empty()
}

#[test]
fn orphans_are_removed_and_nothing_else() {
    let run = Run::unbuilt();
    let mut elsewhere = Elsewhere::new(&run);
    let (alive, gone) = (elsewhere.alive(), elsewhere.gone());
    let [orphan, live, foreign] = ["rm-orphan", "rm-live", "rm-foreign"].map(unique);
    elsewhere.owned_volume(&orphan, &gone);
    elsewhere.owned_volume(&live, &alive);
    elsewhere.volume(&foreign, &[]);
    let dry = elsewhere.reaper(&["rm", "--orphans", "--dry-run"]).output().unwrap();
    assert_eq!(dry.status.code(), Some(0), "{}", text(&dry));
    assert!(stdout(&dry).contains(&format!("{orphan}-vol")), "{}", text(&dry));
    assert!(stdout(&dry).ends_with("would remove 1 volume of 1 session\n"), "{}", text(&dry));
    // Nobody can be asked.
    let unasked = elsewhere.reaper(&["rm", "--orphans"]).output().unwrap();
    assert_eq!(unasked.status.code(), Some(1), "{}", text(&unasked));
    assert!(stderr(&unasked).contains("--yes"), "{}", text(&unasked));
    assert!(is_there(&orphan));
    let removed = elsewhere.reaper(&["rm", "--orphans", "--yes"]).output().unwrap();
    assert_eq!(removed.status.code(), Some(0), "{}", text(&removed));
    assert!(
        stdout(&removed).contains(&format!("removed 1 volume of session {orphan}")),
        "{}",
        text(&removed)
    );
    assert_eq!([&orphan, &live, &foreign].map(|session| is_there(session)), [false, true, true]);
    let again = elsewhere.reaper(&["rm", "--orphans", "--yes"]).output().unwrap();
    assert!(succeeded(&again).contains("no orphans"), "{}", text(&again));
    for output in [dry, removed, again] {
        assert!(!text(&output).contains('\x1b'), "{}", text(&output));
    }
}

#[test]
fn a_prefix_names_a_session_if_it_is_the_only_one() {
    let run = Run::unbuilt();
    let mut elsewhere = Elsewhere::new(&run);
    let stem = unique("rm-prefix");
    let [first, second, exact] = ["-aa", "-ab", ""].map(|end| format!("{stem}{end}"));
    for session in [&first, &second, &exact] {
        elsewhere.volume(session, &[]);
    }
    let remove = |sessions: &[&str]| reaper(&run, &[&["rm", "--yes"], sessions].concat()).output().unwrap();
    let ambiguous = remove(&[&first, &format!("{stem}-a")]);
    assert_eq!(ambiguous.status.code(), Some(1), "{}", text(&ambiguous));
    assert!(
        stderr(&ambiguous).contains(&first) && stderr(&ambiguous).contains(&second),
        "{}",
        text(&ambiguous)
    );
    let unknown = remove(&[&first, &format!("{stem}-x")]);
    assert_eq!(unknown.status.code(), Some(1), "{}", text(&unknown));
    // All or nothing, and an empty word is not everything.
    assert_eq!(remove(&[""]).status.code(), Some(1));
    assert!([&first, &second, &exact].iter().all(|session| is_there(session)));
    // One that is an id is that session, whatever else begins so.
    succeeded(&remove(&[&exact, &format!("{stem}-ab")]));
    assert_eq!([&first, &second, &exact].map(|session| is_there(session)), [true, false, false]);
    for wrong in [&["rm"][..], &["rm", "x", "--orphans"]] {
        let output = reaper(&run, wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    }
}

#[test]
fn it_asks_on_a_terminal() {
    let run = Run::unbuilt();
    let mut elsewhere = Elsewhere::new(&run);
    let name = unique("rm-asks");
    elsewhere.volume(&name, &[]);
    let command = format!("'{}' rm {name}", env!("CARGO_BIN_EXE_reaper"));
    for (answer, code, stays) in [("n\n", 1, true), ("\n", 1, true), ("y\n", 0, false)] {
        let output = on_terminal(&run, &command, answer);
        assert_eq!(output.status.code(), Some(code), "{answer:?}: {}", text(&output));
        assert!(stdout(&output).contains("remove 1 volume of 1 session? [y/N]"), "{}", text(&output));
        assert_eq!(is_there(&name), stays, "{answer:?}: {}", text(&output));
    }
}

#[test]
fn a_session_goes_with_its_reaper() {
    let run = Run::unbuilt();
    let name = unique("rm-whole");
    let script = format!(
        "docker volume create {LABELLED} {name} && docker network create {LABELLED} {name} && exec sleep 120"
    );
    let mut command = reaper(&run, &["run", "--session", &name, "--", "sh", "-c", &script]);
    let process = Process::start(command.env("RYUK_RECONNECTION_TIMEOUT", "10m"));
    let resources = until("everything is there", GONE_WITHIN, || match engine::resources(&name) {
        resources if resources.len() == 3 => Ok(resources),
        resources => Err(format!("{resources:?}")),
    });
    let child = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", process.id())).unwrap();
    let alive = reaper(&run, &["rm", &name, "--dry-run"]).output().unwrap();
    assert!(stdout(&alive).contains(&format!("process {}, is alive", process.id())), "{}", text(&alive));
    signal("KILL", &process.id().to_string());
    signal("KILL", child.trim());
    // The reaper waits for ten minutes, and has removed nothing.
    assert_eq!(engine::resources(&name), resources);
    let removed = succeeded(&reaper(&run, &["rm", &name, "--yes"]).output().unwrap());
    assert!(removed.contains("removed 1 container, 1 network, 1 volume of session"), "{removed}");
    engine::until_gone(&name, GONE_WITHIN);
}
