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

const TESTS: &[&str] = &[
    "test",
    "bench",
    "rstest",
    "apply",
    "test_case",
    "test_matrix",
    "quickcheck",
    "wasm_bindgen_test",
    "gtest",
    "parameterized",
];

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
];

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
    "forbid",
    "ignore",
    "inline",
    "must_use",
    "optimize",
    "should_panic",
    "track_caller",
    "warn",
];

const TOOLS: &[&str] = &["clippy", "diagnostic", "miri", "rust_analyzer", "rustfmt"];

pub(crate) fn meaning(attribute: &Attribute) -> Meaning {
    match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => conditional(list),
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
        name if TESTS.contains(&name) => Meaning::Test,
        name if COMPANIONS.contains(&name) => Meaning::Companion,
        name if path.get_ident().is_some() && INERT.contains(&name) => Meaning::Inert,
        _ => Meaning::Unknown,
    }
}

/// `#[cfg_attr(condition, …)]` means something for certain only if all it holds is inert either way.
fn conditional(list: &syn::MetaList) -> Meaning {
    let Ok(parts) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
        return Meaning::Unknown;
    };
    if parts.iter().skip(1).all(|part| of_path(part.path()) == Meaning::Inert) {
        Meaning::Inert
    } else {
        Meaning::Unknown
    }
}
