//! What is wrong with a function that was parsed, all of it at once, and who registers it as a test.
//!
//! A mistake says what to write instead. Rejected: checking while expanding, where the first mistake hides
//! the rest and each needs its own way out.

use proc_macro2::TokenTree;
use quote::ToTokens as _;
use syn::Attribute;

use crate::arguments::Arguments;
use crate::meaning::{Meaning, find, is_test, meaning, meaning_of_text, takes_parameters};
use crate::mistakes::Mistakes;
use crate::parse::{Function, Parameter, Role};
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
    /// The attributes above ours, as source text, nearest first; and all that stand with it.
    fn above(&self) -> &[String] {
        match self {
            Self::Known(surroundings) => &surroundings.above,
            Self::Unregistered | Self::Obscure => &[],
        }
    }

    /// Whether an attribute that means this stands above ours.
    pub(crate) fn is_below(&self, wanted: Meaning) -> bool {
        self.above().iter().any(|text| meaning_of_text(text) == wanted)
    }

    /// Whether a guard parameter stands in the source that is not among the function's: a macro above has written the
    /// function anew, without it.
    pub(crate) fn has_lost_guard(&self, function: &Function) -> bool {
        let Self::Known(surroundings) = self else { return false };
        function.parameters.is_empty()
            && self.above().iter().any(|text| takes_parameters(text))
            && surroundings
                .signature
                .split(|letter: char| !letter.is_alphanumeric())
                .any(|word| word == "Reaper")
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

pub(crate) fn check(
    arguments: &Arguments,
    function: &Function,
    place: &Place,
    runtimes: Runtimes,
) -> syn::Result<Registration> {
    let mut mistakes = Mistakes::default();
    let registration = registration(arguments, function, place).unwrap_or_else(|error| {
        mistakes.append(error);
        Registration::Above
    });
    check_qualifiers(function, &mut mistakes);
    check_attributes(function, place, &mut mistakes);
    check_cases(function, place, &mut mistakes);
    check_parameters(function, registration, &mut mistakes);
    if place.has_lost_guard(function) {
        mistakes.add(
            function.name.span(),
            "an attribute above `#[with_reaper]`, such as `#[serial]`, has taken the parameters away: write \
             `#[with_reaper]` above it, or use `reaper::current()`",
        );
    }
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
    check_cases(function, &Place::Unregistered, &mut mistakes);
    check_parameters(function, Registration::Below, &mut mistakes);
    mistakes.into_result()
}

/// For an attribute in a guarded module that may make a test of what it stands on.
pub(crate) fn doubt_in_module(what: &str, is_function: bool, attribute: &Attribute) -> syn::Error {
    let way_out = match () {
        () if attribute.path().is_ident("cfg_attr") => {
            "write the test attribute without a condition, and the condition above it as `#[cfg(…)]`; or \
             `#[with_reaper(skip)]`, to leave it alone"
        }
        () if is_function => {
            "write `#[with_reaper(registered)]` above it if it does, and `#[with_reaper(skip)]` if it does not"
        }
        () => {
            "write `#[with_reaper(skip)]` above it, and if it does `#[with_reaper(registered)]` on each function in it \
             that is a test"
        }
    };
    let message = format!(
        "cannot tell whether `#[{}]` makes a test of {what}, which would go unguarded: {way_out}",
        path_text(attribute)
    );
    syn::Error::new(name_span(attribute), message)
}

fn registration(arguments: &Arguments, function: &Function, place: &Place) -> syn::Result<Registration> {
    if arguments.registered || function.attributes.iter().any(is_test) {
        return Ok(Registration::Below);
    }
    if function.name == "main" {
        let message = "`main` is the program, and no test: call `reaper::Reaper::acquire()` in it and hold what that \
                       returns, or give the test another name";
        return Err(syn::Error::new(function.name.span(), message));
    }
    let ask = |span, what: &str| {
        let message = format!(
            "cannot tell whether {what} makes this function a test: if it does, write `#[with_reaper(registered)]`; if \
             not, write the test attribute as well, below `#[with_reaper]` and nowhere else (`#[with_reaper]` `#[test]`)"
        );
        syn::Error::new(span, message)
    };
    let name = function.name.span();
    let unknown = |attribute: &&Attribute| meaning(attribute) == Meaning::Unknown;
    if let Some(unknown) = function.attributes.iter().find(unknown) {
        return Err(if unknown.path().is_ident("cfg_attr") {
            let message = "cannot tell whether `#[cfg_attr]` makes this function a test: write the test attribute \
                           without a condition, below `#[with_reaper]`, and the condition above both as `#[cfg(…)]`";
            syn::Error::new(name_span(unknown), message)
        } else {
            ask(name_span(unknown), &format!("`#[{}]`", path_text(unknown)))
        });
    }
    let surroundings = match place {
        Place::Known(surroundings) => surroundings,
        Place::Unregistered => return Ok(Registration::Missing),
        Place::Obscure => return Err(ask(name, "the macro that this comes from")),
    };
    let mut registration = Registration::Missing;
    for text in &surroundings.above {
        match meaning_of_text(text) {
            Meaning::Test | Meaning::Cases => registration = Registration::Above,
            Meaning::Unknown => return Err(ask(name, &format!("`{text}`"))),
            _ => {}
        }
    }
    if registration == Registration::Missing && surroundings.in_macro {
        return Err(ask(name, "the macro around it"));
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

/// What the attributes do with the cases of a test that are not rstest's.
fn check_cases(function: &Function, place: &Place, mistakes: &mut Mistakes) {
    if place.is_below(Meaning::Cases) {
        mistakes.add(
            proc_macro2::Span::call_site(),
            "here `#[with_reaper]` may guard some of the cases only: write it above all of them",
        );
    }
    if find(&function.attributes, Meaning::Cases).is_none() {
        return;
    }
    // The guard is taken inside the function, for which every case is the same: one that may end in any panic would
    // pass where there is no engine.
    for attribute in &function.attributes {
        let tokens: Vec<_> = attribute.meta.to_token_stream().into_iter().collect();
        let expects_any = attribute.path().is_ident("should_panic") && tokens.len() == 1;
        if expects_any || meaning(attribute) == Meaning::Cases && expects_any_panic(attribute) {
            mistakes.add(
                name_span(attribute),
                "without an engine the guard panics, which would pass for the panic that this case expects: say which, \
                 `expected = \"…\"` or `=> panics \"…\"`",
            );
        }
    }
}

/// `=> panics` and no text behind it.
fn expects_any_panic(attribute: &Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let mut tokens = list.tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_panics = matches!(&token, TokenTree::Ident(name) if name == "panics" || name == "panicking");
        if is_panics && !matches!(tokens.peek(), Some(TokenTree::Literal(_) | TokenTree::Ident(_))) {
            return true;
        }
    }
    false
}

fn check_parameters(function: &Function, registration: Registration, mistakes: &mut Mistakes) {
    walk_parameters(function, &OF_A_TEST, mistakes, &|_| {
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
    wrong_with: &dyn Fn(&Parameter) -> Option<String>,
) {
    let mut has_guard = false;
    for parameter in &function.parameters {
        let mistake = match parameter.role() {
            Role::Guard | Role::Borrowed(_) if !std::mem::replace(&mut has_guard, true) => None,
            Role::Guard | Role::Borrowed(_) => Some(refusals.second_guard.into()),
            Role::NearMiss => Some("the guard is passed as `Reaper` or `&Reaper`".into()),
            Role::Receiver => Some(refusals.receiver.into()),
            Role::Untyped => {
                Some(format!("a parameter has a type: `{0}: Reaper` is the guard", parameter.pattern))
            }
            Role::Other => wrong_with(parameter),
        };
        if let Some(mistake) = mistake {
            mistakes.add(syn::spanned::Spanned::span(parameter), mistake);
        }
    }
}

pub(crate) fn path_text(attribute: &Attribute) -> String {
    let mut text = String::new();
    for segment in &attribute.path().segments {
        if !text.is_empty() {
            text.push_str("::");
        }
        text.push_str(&segment.ident.to_string());
    }
    text
}

/// The last name of its path: without nightly a span cannot cover more than one token.
pub(crate) fn name_span(attribute: &Attribute) -> proc_macro2::Span {
    attribute.path().segments.last().map_or_else(proc_macro2::Span::call_site, |last| last.ident.span())
}
