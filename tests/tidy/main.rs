//! What keeps the code readable and no compiler checks: which module may know which.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The way of the data: a module imports from those before it. `ARCHITECTURE.md` has the same as a picture.
const ORDER: [&str; 32] = [
    "error",
    "worker",
    "outcome",
    "percent",
    "duration",
    "platform",
    "config",
    "session",
    "owner",
    "state",
    "labels",
    "engine",
    "reap",
    "image",
    "spec",
    "wire",
    "sweep",
    "sessions",
    "acquire",
    "diagnosis",
    "keeper",
    "connection",
    "guard",
    "shared",
    "network",
    "container",
    "testcontainers",
    "runner",
    "runtime",
    "fixtures",
    "lib",
    "bin",
];

/// Longer than any file should be without a second idea in it.
const MOST_LINES: usize = 450;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The module at the top of the crate that a file belongs to.
fn module(root: &Path, file: &Path) -> String {
    let first = file.strip_prefix(root).unwrap().components().next().unwrap();
    let name = Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap();
    name.to_owned()
}

/// The modules that code names, tests left out.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let parts = lines.flat_map(|line| line.split("crate::").skip(1));
    let names =
        parts.map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap());
    // What begins with a capital is a re-export of the library's.
    names.filter(|name| ORDER.contains(name)).map(str::to_owned).collect()
}

#[test]
fn a_module_knows_only_those_before_it() {
    let root = folder("reaper/src");
    let place = |module: &str| ORDER.iter().position(|name| *name == module);
    let mut wrong = Vec::new();
    let mut imports = 0;
    for file in sources(&root) {
        let own = module(&root, &file);
        let Some(own_place) = place(&own) else {
            wrong.push(format!("{own} is not in the order"));
            continue;
        };
        for other in named(&std::fs::read_to_string(&file).unwrap()) {
            imports += 1;
            if place(&other).unwrap() > own_place {
                wrong.push(format!("{own} names {other}, which comes after it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A reader that finds nothing would find nothing wrong.
    assert!(imports > 40, "only {imports} imports were seen");
}

/// `name` in backquotes that looks like a test: a path that ends in words joined by underscores.
fn named_tests(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let last = quoted.filter_map(|quoted| quoted.rsplit_once("::").map(|(_, last)| last));
    last.filter(|name| name.matches('_').count() >= 3).collect()
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let mut code = String::new();
    for part in ["reaper", "reaper-macros/src", "tests"] {
        for file in sources(&folder(part)) {
            code.push_str(&std::fs::read_to_string(&file).unwrap());
        }
    }
    let mut named = 0;
    for document in ["README.md", "docs/how-a-run-ends.md", "tests/README.md"] {
        let text = std::fs::read_to_string(folder(document)).unwrap();
        // The compositions are held against what the harness lists, by a test of their own.
        for test in named_tests(text.split("<!-- compositions -->").next().unwrap()) {
            named += 1;
            assert!(code.contains(&format!("fn {test}(")), "{document} names {test}, which does not exist");
        }
    }
    // A reader that finds nothing would find nothing wrong.
    assert!(named > 60, "only {named} tests were seen");
}

#[test]
fn only_one_module_knows_bollard_and_the_server_knows_nothing_of_the_library() {
    let users: Vec<_> = sources(&folder("reaper/src"))
        .into_iter()
        .filter(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            code.into_iter().any(|line| line.contains("bollard::") && !line.contains("self::bollard"))
        })
        .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let users: BTreeSet<_> = users.iter().map(String::as_str).collect();
    assert_eq!(users, ["body.rs", "bollard.rs", "fixtures.rs"].into());
    for file in sources(&folder("reaper/ryuk")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for line in code.lines().filter(|line| line.starts_with("use ")) {
            let known = ["use std::", "use crate::"].iter().any(|start| line.starts_with(start));
            assert!(known, "{}: {line}", file.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_none_is_long() {
    let ours = ["tests/src", "tests/e2e", "tests/faults", "tests/torture", "tests/composition"];
    for part in ["reaper", "reaper-macros/src", "fuzz/targets", "xtask", "examples"].into_iter().chain(ours) {
        for file in sources(&folder(part)) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//!"), "{} has no header", file.display());
            let lines = text.lines().count();
            assert!(lines <= MOST_LINES, "{} has {lines} lines", file.display());
        }
    }
}
