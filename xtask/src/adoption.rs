//! Projects before and after they adopt the library, as a table.
//!
//! The end-to-end tests run and judge them, and write a line for each run. A program of its own was rejected: what is
//! in the table is what was tested.

use std::collections::BTreeMap;
use std::fs;

use crate::step::{Steps, cargo};
use crate::tests::build_adopted;

/// As the tests name them, and in words.
const FORMS: [(&str, &str); 4] = [
    ("Unchanged", "unchanged"),
    ("Wrapped", "unchanged, reaper run --adopt"),
    ("OneLine", "reaper::labels()"),
    ("Shared", "shared_by_id"),
];
const ENDS: [(&str, &str); 5] = [
    ("Green", "green"),
    ("TestsKilled", "kill tests"),
    ("AllKilled", "kill all"),
    ("Interrupted", "Ctrl-C"),
    ("TimedOut", "timeout"),
];

/// What one run came to.
struct Line {
    started: String,
    seconds: String,
    left: String,
}

/// Runs the tests, whatever comes of them, and prints the table of those that ran.
pub(crate) fn run() -> Result<(), String> {
    let mut steps = Steps::default();
    build_adopted(&mut steps)?;
    let table = std::env::temp_dir().join(format!("reaper-adoption-{}", std::process::id()));
    // One after another: the times are compared.
    let arguments = [
        "nextest",
        "run",
        "--workspace",
        "--all-features",
        "--no-fail-fast",
        "--test-threads",
        "1",
        "--run-ignored",
        "all",
    ];
    let mut tests = cargo(&arguments);
    tests
        .args(["-E", "package(reaper-tests) and test(/^adoption::/) - test(/::recipes::|::unchanged_it_/)"])
        .env("ADOPTION_TABLE", &table);
    let passed = steps.run(&mut tests);
    let text = fs::read_to_string(&table).map_err(|error| format!("no test has written a line: {error}"))?;
    // It is in the temporary files, where others of its kind are.
    let _ = fs::remove_file(&table);
    print(&text);
    passed
}

fn print(text: &str) {
    let lines: BTreeMap<(&str, &str, &str), Line> = text.lines().filter_map(read).collect();
    println!(
        "\n{:<16} {:<30} {:>10} {:>8}   containers left after",
        "project", "form", "containers", "green"
    );
    print!("{:67}", "");
    for (_, name) in ENDS {
        print!(" {name:>10}");
    }
    println!();
    let mut projects: Vec<_> = lines.keys().map(|(project, ..)| *project).collect();
    projects.dedup();
    for project in projects {
        for (form, name) in FORMS {
            let of = |end| lines.get(&(project, form, end));
            let any = ENDS.iter().find_map(|(end, _)| of(end));
            let Some(any) = any else { continue };
            let green = of("Green").map_or("", |line| line.seconds.as_str());
            let green = if green.is_empty() { String::new() } else { format!("{green} s") };
            print!("{project:<16} {name:<30} {:>10} {green:>8}", any.started);
            for (end, _) in ENDS {
                print!(" {:>10}", of(end).map_or("", |line| line.left.as_str()));
            }
            println!();
        }
    }
}

fn read(line: &str) -> Option<((&str, &str, &str), Line)> {
    let mut words = line.split('\t');
    let key = (words.next()?, words.next()?, words.next()?);
    let mut next = || words.next().map(str::to_owned);
    Some((key, Line { started: next()?, seconds: next()?, left: next()? }))
}
