//! What the other attributes on an item mean to ours.
//!
//! Only names can be looked at: a macro cannot resolve a path. An attribute of an unknown name is therefore
//! neither taken for a test attribute nor for a harmless one where the difference matters. Rejected: taking
//! every name with `test` in it for a test attribute, which is wrong for `test_context` and `traced_test`.

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Path, Token};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Registers the function with the test harness.
    Test,
    /// The same, once for each such attribute.
    Cases,
    /// Known to the compiler or to a tool, and to no macro.
    Inert,
    /// Part of the test macro's own language, or a macro that wraps a test without making one.
    Companion,
    /// One case of a parametrised test.
    Case,
    /// Makes a value for tests, no test.
    Fixture,
    /// A list of cases for other tests to take over.
    Template,
    /// `#[with_reaper]`.
    Ours,
    /// `#[shared]`.
    Shared,
    Unknown,
}

/// By the last name of their path. What is left beside the first group lands on the function that the harness
/// calls; what the second does with it is not known, or is known not to be that.
const TESTS: [&[&str]; 2] = [
    &["test", "bench", "rstest", "apply", "quickcheck", "wasm_bindgen_test", "gtest", "proptest"],
    &["property_test"],
];

/// Whose attribute `test` is one of the first group. `#[test]` alone is, too.
const TESTS_OF: &[&str] = &[
    "core",
    "std",
    "tokio",
    "actix",
    "actix_rt",
    "actix_web",
    "async_std",
    "smol_potat",
    "sqlx",
    "test_log",
    "tokio_shared_rt",
];

/// Two crates have a `test_case`: one puts what is left beside it on all cases, one on the last.
const CASES: &[&str] = &["test_case", "test_matrix", "parameterized"];

const COMPANIONS: &[&str] = &[
    "awt",
    "context",
    "trace",
    "timeout",
    "values",
    "serial",
    "parallel",
    "file_serial",
    "file_parallel",
    "test_context",
    "traced_test",
    "instrument",
    "tokio_shared_rt",
    // Macros that are common on helpers.
    "async_recursion",
    "builder",
    "cached",
    "concurrent_cached",
    "io_cached",
    "main",
    "memoize",
    "once",
];

/// Companions that write the function anew, without its parameters.
const WITHOUT_PARAMETERS: &[&str] = &["serial", "parallel", "file_serial", "file_parallel"];

const INERT: &[&str] = &[
    "allow",
    "automatically_derived",
    "cfg",
    "cold",
    "coverage",
    "deny",
    "deprecated",
    "doc",
    "expect",
    "export_name",
    "forbid",
    "ignore",
    "inline",
    "link_section",
    "macro_export",
    "macro_use",
    "must_use",
    "no_mangle",
    "optimize",
    "path",
    "should_panic",
    "target_feature",
    "track_caller",
    "unsafe",
    "used",
    "warn",
];

const TOOLS: &[&str] = &["clippy", "diagnostic", "miri", "rust_analyzer", "rustfmt"];

pub(crate) fn meaning(attribute: &Attribute) -> Meaning {
    match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => conditional(list),
        // One crate's takes a list of cases, another's any macro: whether that makes a test, its name has to say.
        Meta::List(list) if list.path.segments.last().is_some_and(|last| last.ident == "apply") => {
            let called = list.tokens.to_string();
            let is_macro = called.contains('!');
            if !is_macro || called.split('!').next().is_some_and(|name| name.trim_end().ends_with("test")) {
                Meaning::Test
            } else {
                Meaning::Unknown
            }
        }
        meta => of_path(meta.path()),
    }
}

/// The same for an attribute of which only the source text is known.
pub(crate) fn meaning_of_text(text: &str) -> Meaning {
    match Attribute::parse_outer.parse_str(text).as_deref() {
        Ok([attribute]) => meaning(attribute),
        _ => Meaning::Unknown,
    }
}

/// The first attribute with this meaning.
pub(crate) fn find(attributes: &[Attribute], wanted: Meaning) -> Option<&Attribute> {
    attributes.iter().find(|attribute| meaning(attribute) == wanted)
}

pub(crate) fn is_named(attribute: &Attribute, name: &str) -> bool {
    attribute.path().is_ident(name)
}

/// Whether it registers the function with the harness.
pub(crate) fn is_test(attribute: &Attribute) -> bool {
    matches!(meaning(attribute), Meaning::Test | Meaning::Cases)
}

/// Whether an attribute of ours that is left beside these lands, as it is, on what the harness calls.
pub(crate) fn bear_a_marker(attributes: &[Attribute]) -> bool {
    let takes_timeout =
        |attribute: &Attribute| is_last_name(attribute, "rstest") || is_last_name(attribute, "apply");
    attributes.iter().all(|attribute| {
        let path = attribute.path();
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        match (meaning(attribute), names.as_slice()) {
            // Of rstest; the one of ntest reads all attributes beside it, and panics at ours.
            (_, [name]) if name == "timeout" => attributes.iter().any(takes_timeout),
            (_, [crate_name, ..]) if crate_name == "ntest" => false,
            (Meaning::Inert | Meaning::Companion | Meaning::Case, _) => true,
            (Meaning::Test, [crate_name, .., name]) if name == "test" => {
                TESTS_OF.contains(&crate_name.as_str())
            }
            (Meaning::Test, [.., name]) => TESTS[0].contains(&name.as_str()),
            _ => false,
        }
    })
}

/// Whether the attribute, of which only the source text is known, takes the parameters away.
pub(crate) fn takes_parameters(text: &str) -> bool {
    match Attribute::parse_outer.parse_str(text).as_deref() {
        Ok([attribute]) => {
            let last = attribute.path().segments.last();
            last.is_some_and(|last| WITHOUT_PARAMETERS.iter().any(|name| last.ident == name))
        }
        _ => false,
    }
}

pub(crate) fn is_last_name(attribute: &Attribute, name: &str) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == name)
}

fn of_path(path: &Path) -> Meaning {
    let (Some(first), Some(last)) = (path.segments.first(), path.segments.last()) else {
        return Meaning::Unknown;
    };
    if path.segments.len() > 1 && TOOLS.iter().any(|tool| first.ident == tool) {
        return Meaning::Inert;
    }
    if first.ident == "case" {
        return Meaning::Case; // also with a description, `case::empty`
    }
    let last = last.ident.to_string();
    match last.as_str() {
        "fixture" => Meaning::Fixture,
        "template" => Meaning::Template,
        "with_reaper" => Meaning::Ours,
        "shared" => Meaning::Shared,
        name if TESTS.iter().any(|names| names.contains(&name)) => Meaning::Test,
        name if CASES.contains(&name) => Meaning::Cases,
        "case" if first.ident == "test_case" => Meaning::Cases,
        name if COMPANIONS.contains(&name) => Meaning::Companion,
        name if path.get_ident().is_some() && INERT.contains(&name) => Meaning::Inert,
        _ => Meaning::Unknown,
    }
}

/// `#[cfg_attr(condition, …)]` means something for certain only if what it holds makes no test either way.
fn conditional(list: &syn::MetaList) -> Meaning {
    let Ok(parts) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
        return Meaning::Unknown;
    };
    let mut all = Meaning::Inert;
    for part in parts.iter().skip(1) {
        match of_path(part.path()) {
            Meaning::Inert => {}
            Meaning::Companion => all = Meaning::Companion,
            _ => return Meaning::Unknown,
        }
    }
    all
}
