//! What `reaper` says of itself, to people and to shells.

use std::process::Stdio;

use reaper_tests::suite::{Run, spawn, succeeded, text};

use crate::{reaper, stdout};

#[test]
fn every_command_has_examples_and_its_exit_codes() {
    let run = Run::unbuilt();
    let summary = succeeded(&reaper(&run, &["--help"]).output().unwrap());
    for command in ["run", "ls", "rm", "doctor", "completions"] {
        let help = succeeded(&reaper(&run, &[command, "--help"]).output().unwrap());
        assert!(help.contains(&format!("Examples:\n  reaper {command}")), "{help}");
        assert!(command == "completions" || help.contains("Exit codes:"), "{help}");
        assert!(summary.contains(&format!("\n  {command} ")), "{summary}");
        assert!(!help.contains('\x1b'), "{help}");
    }
    let wrong = reaper(&run, &["docter"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong));
    assert!(text(&wrong).contains("'doctor'"), "{}", text(&wrong));
}

/// The package has another name than the program.
#[test]
fn the_program_says_its_own_name() {
    let run = Run::unbuilt();
    let version = succeeded(&reaper(&run, &["--version"]).output().unwrap());
    assert_eq!(version, concat!("reaper ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn completions_are_what_the_shell_understands() {
    let run = Run::unbuilt();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = reaper(&run, &["completions", shell]).output().unwrap();
        assert!(
            succeeded(&output).contains("doctor") && stdout(&output).contains("dry-run"),
            "{}",
            text(&output)
        );
    }
    let file = run.file("completions");
    std::fs::write(&file, reaper(&run, &["completions", "bash"]).output().unwrap().stdout).unwrap();
    let complete = format!(
        ". {} && COMP_WORDS=(reaper r) COMP_CWORD=1 && _reaper reaper r reaper && echo ${{COMPREPLY[@]}}",
        file.display()
    );
    let output = run.command("bash").args(["-c", &complete]).output().unwrap();
    assert_eq!(stdout(&output), "run rm\n", "{}", text(&output));
}

/// As `reaper ls | head -0` does it.
#[test]
fn a_reader_that_has_gone_is_no_panic() {
    let run = Run::unbuilt();
    let mut child = reaper(&run, &["ls", "--json"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(1), true), "{}", text(&output));
    let child = spawn(&mut reaper(&run, &["ls"]));
    assert!(child.wait_with_output().unwrap().status.success());
}
