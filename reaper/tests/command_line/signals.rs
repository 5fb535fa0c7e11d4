//! `reaper run` and signals: what is sent to it reaches the command, and a Ctrl-C reaches it once.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use reaper_tests::process::Process;
use reaper_tests::suite::{Run, signal, spawn, text};
use reaper_tests::until;

use crate::reaper;

const WITHIN: Duration = Duration::from_secs(60);

/// A command that writes down each signal, and ends when it is told to, or when the test has gone with its log.
///
/// What it waits for is in the background, where a Ctrl-C is ignored, so that the trap is run at once and a second
/// signal is not one with the first.
fn traps(log: &str) -> String {
    let traps: String = ["INT", "TERM", "HUP", "QUIT"]
        .iter()
        .map(|name| format!("trap 'echo {name} >> {log}' {name}; "))
        .collect();
    format!(
        "{traps} echo $$ >> {log}; until test -e {log}.end || ! test -e {log}; do sleep 0.2 & wait $!; done; exit 9"
    )
}

/// The lines of the log, once there are as many.
#[track_caller]
fn logged(log: &str, lines: usize) -> Vec<String> {
    until(&format!("{lines} lines in the log"), WITHIN, || {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let found: Vec<_> = text.lines().map(str::to_owned).collect();
        if found.len() >= lines && text.ends_with('\n') { Ok(found) } else { Err(text) }
    })
}

#[test]
fn a_signal_that_is_sent_to_it_reaches_the_command_once() {
    let run = Run::unbuilt();
    let log = run.file("log").to_string_lossy().into_owned();
    let process = spawn(&mut reaper(&run, &["run", "--", "sh", "-c", &traps(&log)]));
    logged(&log, 1);
    let mut expected = vec![];
    for name in ["TERM", "HUP", "INT", "QUIT", "TERM"] {
        signal(name, &process.id().to_string());
        expected.push(name);
        assert_eq!(logged(&log, 1 + expected.len())[1..], expected);
    }
    std::fs::write(format!("{log}.end"), "").unwrap();
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(9), "{}", text(&output));
    assert_eq!(logged(&log, 1)[1..], expected);
}

#[test]
fn a_command_that_a_signal_ends_gives_its_number() {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
        let run = Run::unbuilt();
        let ready = run.file("ready").to_string_lossy().into_owned();
        let script = format!("echo ready > {ready}; exec sleep 120");
        let process = spawn(&mut reaper(&run, &["run", "--", "sh", "-c", &script]));
        logged(&ready, 1);
        signal(name, &process.id().to_string());
        let output = process.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(128 + number), "{name}: {}", text(&output));
    }
}

/// `script` has a terminal of its own, on which the bytes of its input are typed.
#[test]
fn a_ctrl_c_in_a_terminal_reaches_the_command_once() {
    let run = Run::unbuilt();
    let (log, script) = (run.file("log").to_string_lossy().into_owned(), run.file("script"));
    let program = env!("CARGO_BIN_EXE_reaper");
    std::fs::write(&script, format!("exec '{program}' run -- sh {log}.sh\n")).unwrap();
    std::fs::write(format!("{log}.sh"), traps(&log)).unwrap();
    let mut command = run.command("script");
    command.args(["-q", "-e", "-c", &format!("exec sh {}", script.display()), "/dev/null"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut terminal = command.spawn().unwrap();
    let pid = logged(&log, 1).remove(0);
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(b"\x03").unwrap();
    assert_eq!(logged(&log, 2)[1..], ["INT"]);
    // A signal from a process comes after it and so shows that no second one was on its way; and is passed on
    // on a terminal, too.
    signal("TERM", &parent_of(&pid));
    assert_eq!(logged(&log, 3)[1..], ["INT", "TERM"]);
    keyboard.write_all(b"\x1c").unwrap();
    assert_eq!(logged(&log, 4)[1..], ["INT", "TERM", "QUIT"]);
    std::fs::write(format!("{log}.end"), "").unwrap();
    let output = terminal.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(9), "{}", text(&output));
    assert_eq!(logged(&log, 1)[1..], ["INT", "TERM", "QUIT"]);
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let run = Run::unbuilt();
    let log = run.file("log").to_string_lossy().into_owned();
    let program = env!("CARGO_BIN_EXE_reaper");
    // As `nohup` does it. The command's own shell cannot trap what it found ignored.
    let script = format!("trap '' HUP; exec '{program}' run -- sh -c \"$1\"");
    let mut process = Process::start(run.command("sh").args(["-c", &script, "sh", &traps(&log)]));
    let pid = logged(&log, 1).remove(0);
    signal("HUP", &process.id().to_string());
    signal("TERM", &process.id().to_string());
    assert_eq!(logged(&log, 2)[1..], ["TERM"]);
    assert!(process.is_running());
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim().to_owned();
    assert_eq!(u64::from_str_radix(&ignored, 16).unwrap() & 1, 1, "{ignored}");
    std::fs::write(format!("{log}.end"), "").unwrap();
    assert!(process.fail().is_empty());
}

fn parent_of(pid: &str) -> String {
    let output = Command::new("ps").args(["-o", "ppid=", "-p", pid]).output().unwrap();
    text(&output).trim().to_owned()
}
