//! The attributes in crates as users have them, outside the workspace: in each edition, with the other rstest, under
//! another name of the library, under the lints that people turn on, and in tests that are none.

use std::process::{Command, Output};

use reaper_tests::suite::{Run, succeeded, text};

/// In a package of the fixture's, whose own compositions tell what they saw.
fn cargo(run: &Run, arguments: &[&str], package: &str) -> Command {
    run.cargo(&[arguments, &["--package", package]].concat())
}

/// How many tests passed, of all that the harness summed up.
fn passed(output: &Output) -> usize {
    let text = succeeded(output);
    let sums = text.lines().filter_map(|line| line.trim().strip_prefix("test result: ok. "));
    sums.filter_map(|line| line.split(' ').next()?.parse::<usize>().ok()).sum()
}

#[track_caller]
fn compositions_hold(edition: &str) {
    let run = Run::of("attributes");
    let tree = succeeded(&run.tree().output().expect("cargo tree"));
    assert!(tree.lines().any(|line| line.starts_with("rstest v0.29.")), "{tree}");
    let passed = passed(&cargo(&run, &["test", "--test", "composition"], edition).output().expect("cargo"));
    assert!(passed > 100, "{edition}: only {passed} passed");
    let output =
        cargo(&run, &["nextest", "run", "--test", "composition"], edition).output().expect("nextest");
    let text = succeeded(&output);
    assert!(text.contains(" passed") && !text.contains("FAIL"), "{edition}: {text}");
}

#[track_caller]
fn doctests_compile(edition: &str) {
    let run = Run::of("attributes");
    let passed = passed(&cargo(&run, &["test", "--doc"], edition).output().expect("cargo"));
    assert_eq!(passed, 9, "{edition}");
}

/// In the edition of the workspace there are the workspace's own compositions, and what holds in the first and the last of three
/// has yet to fail in the one between: a minute of a core each.
macro_rules! edition {
    ($name:ident, $edition:literal $(, $ignored:meta)?) => {
        mod $name {
            #[test]
            $(#[$ignored])?
            fn every_composition_holds_with_another_rstest() {
                super::compositions_hold($edition);
            }

            #[test]
            $(#[$ignored])?
            fn doctests_with_the_attribute_alone_compile() {
                super::doctests_compile($edition);
            }
        }
    };
}

edition!(edition_2018, "edition-2018");
edition!(edition_2021, "edition-2021", ignore = "run by `cargo xtask projects`");
edition!(edition_2024, "edition-2024", ignore = "run by `cargo xtask projects`");

#[test]
fn a_library_under_another_name_is_found() {
    let run = Run::of("attributes");
    // Four tests, and a doctest.
    assert_eq!(passed(&cargo(&run, &["test"], "renamed").output().expect("cargo")), 5);
    let output = cargo(&run, &["nextest", "run"], "renamed").output().expect("nextest");
    assert!(succeeded(&output).contains("4 passed"), "{}", text(&output));
}

#[test]
#[ignore = "run by `cargo xtask projects`"]
fn no_lint_is_broken_and_no_expectation_lost() {
    let run = Run::of("attributes");
    // The levels are in the code: those that forbid, and clippy's with its restrictions.
    let output = cargo(&run, &["clippy", "--tests"], "lints").output().expect("clippy");
    let text = succeeded(&output);
    assert!(!text.contains("warning"), "{text}");
    let passed = passed(&cargo(&run, &["test"], "lints").output().expect("cargo"));
    assert!(passed >= 20, "only {passed} passed");
}

#[test]
fn a_function_that_no_attribute_makes_a_test_is_refused() {
    let run = Run::of("attributes");
    for mistake in ["applied", "registered"] {
        let arguments = ["test", "--no-run", "--features", mistake];
        let output = cargo(&run, &arguments, "refused").output().expect("cargo");
        let text = text(&output);
        assert!(!output.status.success(), "{mistake}: {text}");
        assert!(text.contains("no attribute makes a test of this function"), "{mistake}: {text}");
        assert_eq!(text.matches("error: function").count(), 1, "{mistake}: {text}");
    }
    // Without a mistake it is a package like others.
    succeeded(&cargo(&run, &["test", "--no-run"], "refused").output().expect("cargo"));
}
