//! What keeps the code readable and no compiler checks: which room may know which, headers, lengths, names in documents.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod links;
mod pages;
mod rooms;
mod sources;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reaper_tests_engine::podman::{BINARIES, EXCEPTIONS};

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
    // An empty scan must not pass.
    assert!(named > 60, "only {named} tests were seen");
}

/// The list would say that a test is left out which is gone, and run one that has another name now.
#[test]
fn every_test_that_is_not_run_on_podman_exists_and_is_listed_once() {
    let mut listed = BTreeSet::new();
    for (binary, name) in EXCEPTIONS.iter().flat_map(|exception| exception.tests) {
        assert!(listed.insert((binary, name)), "{binary} {name} is listed twice");
        assert!(BINARIES.contains(binary), "{binary} is not run on Podman at all");
        let room = if *binary == "command_line" { "reaper/tests" } else { "tests" };
        let (module, test) = name.rsplit_once("::").unwrap();
        let module = folder(room).join(binary).join(module.replace("::", "/"));
        let files = [module.with_extension("rs"), module.join("mod.rs")];
        let code = files.iter().find_map(|file| std::fs::read_to_string(file).ok());
        let exists = code.is_some_and(|code| test.is_empty() || code.contains(&format!("fn {test}(")));
        assert!(exists, "{binary} {name} is said not to be run on Podman, and does not exist");
    }
    // An empty scan must not pass.
    assert!(listed.len() > 10, "only {listed:?} were seen");
}

#[test]
fn every_error_has_its_entry_among_the_troubles() {
    let code = std::fs::read_to_string(folder("reaper/src/error.rs")).unwrap();
    let file = syn::parse_file(&code).unwrap();
    let variants = file.items.iter().find_map(|item| match item {
        syn::Item::Enum(item) if item.ident == "Error" => Some(&item.variants),
        _ => None,
    });
    let variants: Vec<_> = variants.unwrap().iter().map(|variant| variant.ident.to_string()).collect();
    assert!(variants.len() > 20, "only {variants:?} were seen");
    let page = std::fs::read_to_string(folder("reaper/docs/guide/troubleshooting.md")).unwrap();
    for variant in variants {
        assert!(page.contains(&format!("(`Error::{variant}`)")), "{variant} has no entry");
    }
}

#[test]
fn only_what_its_feature_adds_knows_bollard_and_the_server_knows_nothing_of_the_library() {
    let users: Vec<_> = sources(&folder("reaper/src"))
        .into_iter()
        .filter(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            code.into_iter().any(|line| line.contains("bollard::"))
        })
        .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let users: BTreeSet<_> = users.iter().map(String::as_str).collect();
    assert_eq!(users, ["body.rs", "client.rs", "fixtures.rs"].into());
    for file in sources(&folder("reaper/ryuk")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for line in code.lines().filter(|line| line.starts_with("use ")) {
            let is_test = ["tests.rs", "model.rs"].iter().any(|name| file.ends_with(name));
            let known = ["use std::", "use crate::"].iter().any(|start| line.starts_with(start)) || is_test;
            assert!(known, "{}: {line}", file.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_none_is_long() {
    let ours =
        ["tests/engine", "tests/src", "tests/e2e", "tests/faults", "tests/torture", "tests/composition"];
    for part in ["reaper", "reaper-macros/src", "fuzz/targets", "xtask", "examples"].into_iter().chain(ours) {
        for file in sources(&folder(part)) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//!"), "{} has no header", file.display());
            let lines = text.lines().count();
            assert!(lines <= MOST_LINES, "{} has {lines} lines", file.display());
        }
    }
}
