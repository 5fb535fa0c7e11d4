//! What is wrong with a function that was parsed, all of it at once, and who registers it as a test.
//!
//! A mistake says what to write instead. Rejected: checking while expanding, where the first mistake hides
//! the rest and each needs its own way out.

use crate::meaning::{Meaning, find, meaning_of_text};
use crate::parse::{Function, Mistakes, Parameter, Role};
use crate::source::Surroundings;

/// What is known of the attribute's place in the source.
pub(crate) enum Place {
    Known(Surroundings),
    /// Compiled from somewhere that registers no tests: an editor's view of the code, a doctest.
    Unregistered,
    /// Put together by another macro.
    Obscure,
}

impl Place {
    /// Whether an attribute that means this stands above ours.
    pub(crate) fn is_below(&self, wanted: Meaning) -> bool {
        match self {
            Self::Known(surroundings) => {
                surroundings.above.iter().any(|text| meaning_of_text(text) == wanted)
            }
            Self::Unregistered | Self::Obscure => false,
        }
    }
}

/// Who tells the harness that the function is a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// An attribute below ours, still to be expanded.
    Below,
    /// An attribute above ours, expanded before.
    Above,
    /// Nobody yet: the expansion has to.
    Missing,
}

/// Which runtimes the library was built with.
#[derive(Clone, Copy)]
pub(crate) struct Runtimes {
    pub(crate) tokio: bool,
}

pub(crate) fn check(function: &Function, place: &Place, runtimes: Runtimes) -> syn::Result<Registration> {
    let mut mistakes = Mistakes::default();
    let registration = registration(function, place).unwrap_or_else(|error| {
        mistakes.append(error);
        Registration::Above
    });
    check_qualifiers(function, &mut mistakes);
    check_attributes(function, place, &mut mistakes);
    check_parameters(function, registration, &mut mistakes);
    if let Some(asyncness) = function.qualifiers.asyncness
        && registration == Registration::Missing
        && !runtimes.tokio
    {
        mistakes.add(
            asyncness,
            "an async test needs a runtime: write its attribute below `#[with_reaper]` (as `#[tokio::test]`), or \
             enable feature `tokio` of test-reaper",
        );
    }
    mistakes.into_result().map(|()| registration)
}

/// For a function in a guarded module, all of whose attributes can be seen.
pub(crate) fn check_in_module(function: &Function) -> syn::Result<()> {
    let mut mistakes = Mistakes::default();
    check_qualifiers(function, &mut mistakes);
    check_parameters(function, Registration::Below, &mut mistakes);
    mistakes.into_result()
}

fn registration(function: &Function, place: &Place) -> syn::Result<Registration> {
    let below = |wanted| find(&function.attributes, wanted);
    if below(Meaning::Test).is_some() {
        return Ok(Registration::Below);
    }
    let ask = |what: &str| {
        let message = format!(
            "cannot tell whether {what} makes this function a test: write the test attribute out, below \
             `#[with_reaper]` and nowhere else (`#[with_reaper]` `#[test]`)"
        );
        syn::Error::new(function.name.span(), message)
    };
    if let Some(unknown) = below(Meaning::Unknown) {
        return Err(ask(&format!("`#[{}]`", path_text(unknown))));
    }
    let surroundings = match place {
        Place::Known(surroundings) => surroundings,
        Place::Unregistered => return Ok(Registration::Missing),
        Place::Obscure => return Err(ask("the macro that this comes from")),
    };
    let mut registration = Registration::Missing;
    for text in &surroundings.above {
        match meaning_of_text(text) {
            Meaning::Test => registration = Registration::Above,
            Meaning::Unknown => return Err(ask(&format!("`{text}`"))),
            _ => {}
        }
    }
    if registration == Registration::Missing && surroundings.in_macro {
        return Err(ask("the macro around it"));
    }
    Ok(registration)
}

fn check_qualifiers(function: &Function, mistakes: &mut Mistakes) {
    let qualifiers = &function.qualifiers;
    let refused = [
        (qualifiers.constness, "a test talks to the engine, which a `const fn` cannot: remove `const`"),
        (
            qualifiers.unsafety,
            "a test harness calls only safe functions: remove `unsafe`, and use an `unsafe` block inside",
        ),
        (qualifiers.abi, "a test harness calls only functions of the Rust ABI: remove `extern`"),
    ];
    for (span, reason) in refused {
        if let Some(span) = span {
            mistakes.add(span, reason);
        }
    }
}

fn check_attributes(function: &Function, place: &Place, mistakes: &mut Mistakes) {
    let found = |wanted| find(&function.attributes, wanted);
    if let Some(again) = found(Meaning::Ours) {
        mistakes.add(name_span(again), "`#[with_reaper]` is given twice: once is enough for every case");
    }
    if found(Meaning::Shared).is_some() || place.is_below(Meaning::Shared) {
        mistakes.add(
            function.name.span(),
            "a shared value is no test: leave `#[shared]` on the function that makes the value, and call that",
        );
    } else if found(Meaning::Fixture).is_some() || place.is_below(Meaning::Fixture) {
        mistakes.add(
            function.name.span(),
            "a fixture is no test: give it a parameter `reaper: Reaper`, which `reaper::fixtures::reaper` fills",
        );
    }
    // rstest hands what precedes a case to that case alone, so the others would run without a guard.
    if let Place::Known(surroundings) = place
        && surroundings.below.iter().any(|text| meaning_of_text(text) == Meaning::Case)
        && found(Meaning::Case).is_none()
    {
        mistakes.add(
            proc_macro2::Span::call_site(),
            "here `#[with_reaper]` would guard only the `#[case]` that follows it: write it above `#[rstest]` or \
             below the last `#[case]`",
        );
    }
}

/// What a parameter that cannot be is told, by the attribute it is under.
pub(crate) struct Refusals {
    pub(crate) second_guard: &'static str,
    pub(crate) receiver: &'static str,
}

const OF_A_TEST: Refusals = Refusals {
    second_guard: "a second guard: a process has one, and `reaper.clone()` is another handle on it",
    receiver: "a test is a free function: remove `self`",
};

fn check_parameters(function: &Function, registration: Registration, mistakes: &mut Mistakes) {
    walk_parameters(function, &OF_A_TEST, mistakes, |_| {
        (registration == Registration::Missing).then(|| {
            "the only parameter that `#[with_reaper]` fills is the guard (`reaper: Reaper`): for others add \
             `#[rstest]` below it"
                .into()
        })
    });
}

/// Looks at all parameters, in their order; what is wrong with one that is no guard is the attribute's to say.
pub(crate) fn walk_parameters(
    function: &Function,
    refusals: &Refusals,
    mistakes: &mut Mistakes,
    wrong_with: impl Fn(&Parameter) -> Option<String>,
) {
    let mut has_guard = false;
    for parameter in &function.parameters {
        let mistake = match parameter.role() {
            Role::Guard | Role::Borrowed(_) if !std::mem::replace(&mut has_guard, true) => None,
            Role::Guard | Role::Borrowed(_) => Some(refusals.second_guard.into()),
            Role::NearMiss => Some("the guard is passed as `Reaper` or `&Reaper`".into()),
            Role::Receiver => Some(refusals.receiver.into()),
            Role::Other => wrong_with(parameter),
        };
        if let Some(mistake) = mistake {
            mistakes.add(syn::spanned::Spanned::span(parameter), mistake);
        }
    }
}

fn path_text(attribute: &syn::Attribute) -> String {
    let names: Vec<_> = attribute.path().segments.iter().map(|segment| segment.ident.to_string()).collect();
    names.join("::")
}

/// The last name of its path: without nightly a span cannot cover more than one token.
pub(crate) fn name_span(attribute: &syn::Attribute) -> proc_macro2::Span {
    attribute.path().segments.last().map_or_else(proc_macro2::Span::call_site, |last| last.ident.span())
}
