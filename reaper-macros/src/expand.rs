//! The model into tokens.
//!
//! The expansion is a `match` around the untouched body, and all that it does is in `__private`:
//!
//! ```ignore
//! match ::reaper::__private::enter() {
//!     _guard => match ::reaper::__private::parameter::<Reaper>() {
//!         reaper => { /* the body as it was written */ }
//!     },
//! }
//! ```
//!
//! A `match` and not a `let` before the body: the body keeps its block and so its own first items, its
//! expected type and its temporaries, which an arm drops before the names it binds. Rejected: `let` and then
//! the statements of the body (clippy's `items_after_statements`, and temporaries of the last expression
//! outlive the guard before edition 2024). A body that may return an error is a closure all the same, since its
//! end is of interest; see `judged`.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Ident};

use crate::arguments::{Arguments, Scope};
use crate::check::{self, Place, Registration, Runtimes};
use crate::library::Library;
use crate::meaning::{Meaning, bear_a_marker, is_last_name, is_named, meaning};
use crate::parse::{Function, Parameter, Role};

/// A test function under `#[with_reaper]`.
pub(crate) fn function(
    library: &Library,
    arguments: &Arguments,
    mut function: Function,
    place: &Place,
    runtimes: Runtimes,
) -> TokenStream {
    function.scope = arguments.scope;
    match check::check(arguments, &function, place, runtimes) {
        Ok(registration) => {
            if arguments.registered {
                let proof = proof_of_a_test(&function);
                function.attributes.push(proof);
            }
            guarded(library, function, registration)
        }
        Err(mistakes) => {
            if place.has_lost_guard(&function) {
                // It names what is not there any more, which would be another error.
                function.body = body_in_place_of(&function.body, quote!(loop {}));
            }
            with_mistakes(&mistakes, &plain(library, &function))
        }
    }
}

/// The function on which the marker that `function` left behind arrived.
pub(crate) fn marked(library: &Library, function: Function) -> TokenStream {
    enter(library, function)
}

/// The mistakes, and the item after them, so that what refers to it is no further error.
pub(crate) fn with_mistakes(mistakes: &syn::Error, item: &TokenStream) -> TokenStream {
    let errors = mistakes.to_compile_error();
    quote!(#errors #item)
}

/// A test whose registration is known.
pub(crate) fn guarded(library: &Library, mut function: Function, registration: Registration) -> TokenStream {
    lose_expectations(&mut function);
    if registration == Registration::Missing {
        function.attributes.push(syn::parse_quote!(#[::core::prelude::v1::test]));
        let function = take_guard(library, function);
        return match function.qualifiers.asyncness {
            Some(_) => enter(library, run_async(library, function)),
            None => enter(library, function),
        };
    }
    let is_inert = |attribute: &Attribute| meaning(attribute) == Meaning::Inert;
    let attributes = &function.attributes;
    if attributes.iter().all(is_inert) || !bear_a_marker(attributes) {
        return enter(library, take_guard(library, function));
    }
    // Last in the list: the attributes before it are expanded first, so the guard lands on the function
    // that the harness calls, around the fixtures and the runtime. rstest gives it to all cases.
    let (library, definition) = library.fixed(&function.name);
    let mut function = take_guard(&library, function);
    if function.attributes.iter().any(|attribute| is_last_name(attribute, "apply")) {
        let proof = proof_of_a_test(&function);
        function.attributes.push(proof);
    }
    let scope = function.scope.map(Scope::word).into_iter();
    function
        .attributes
        .push(syn::parse_quote!(#[#library::__private::guard(crate = #library #(, scope = #scope)*)]));
    let function = verbatim(&function);
    quote!(#definition #function)
}

/// A test is called by the harness. What is called a test and is none is called by nobody, and would pass in silence.
fn proof_of_a_test(function: &Function) -> Attribute {
    let reason = "no attribute makes a test of this function, so it would never run";
    // In the user's place: the compiler keeps for itself what it has to say of a macro's code.
    let attribute =
        quote_spanned!(function.name.span()=> #[cfg_attr(test, deny(dead_code, reason = #reason))]);
    syn::parse_quote!(#attribute)
}

/// An expectation that the expansion fulfils no more is allowed instead: what clippy says of parameters, results and
/// futures that are not there any more.
pub(crate) fn lose_expectations(function: &mut Function) {
    const LOST: [&str; 8] = [
        "future_not_send",
        "missing_const_for_fn",
        "needless_pass_by_value",
        "too_many_arguments",
        "trivially_copy_pass_by_ref",
        "unnecessary_wraps",
        "unused_async",
        "used_underscore_binding",
    ];
    for attribute in &mut function.attributes {
        let syn::Meta::List(list) = &mut attribute.meta else { continue };
        if !list.path.is_ident("expect") {
            continue;
        }
        let mut names = list.tokens.clone().into_iter();
        let is_lost = names
            .any(|token| matches!(&token, TokenTree::Ident(name) if LOST.iter().any(|lost| name == lost)));
        if is_lost {
            list.path = syn::parse_quote!(allow);
        }
    }
}

/// Binds the guard parameter in the body, and takes it out of the signature, which test attributes want empty.
fn take_guard(library: &Library, mut function: Function) -> Function {
    let is_guard = |parameter: &Parameter| matches!(parameter.role(), Role::Guard | Role::Borrowed(_));
    let Some(position) = function.parameters.iter().position(is_guard) else {
        return function;
    };
    let parameter = function.parameters.remove(position);
    let Parameter { attributes, pattern, kind } = &parameter;
    let mut value = if let Role::Borrowed(kind) = parameter.role() {
        quote!(&#library::__private::parameter::<#kind>())
    } else {
        quote!(#library::__private::parameter::<#kind>())
    };
    if is_awaited_in_the_body(&parameter, &function) {
        value = quote!(::core::future::ready(#value));
    }
    // rstest's own, which say how it finds the value, have said it to us.
    let attributes = attributes.iter().filter(|attribute| meaning(attribute) == Meaning::Inert);
    let body = &function.body;
    function.body = body_in_place_of(body, quote!(match #value { #(#attributes)* #pattern => #body }));
    function
}

/// Whether rstest would pass a future: `#[future]`, and nothing that has it awaited before.
fn is_awaited_in_the_body(parameter: &Parameter, function: &Function) -> bool {
    let future = parameter.attributes.iter().find(|attribute| is_named(attribute, "future"));
    let is_bare = future.is_some_and(|future| matches!(future.meta, syn::Meta::Path(_)));
    is_bare && !function.attributes.iter().any(|attribute| is_last_name(attribute, "awt"))
}

/// A sync function that runs the async body on a runtime of the library's.
fn run_async(library: &Library, mut function: Function) -> Function {
    let output = of_a_closure(&function.output);
    let body = &function.body;
    function.head = without_async(function.head);
    function.qualifiers.asyncness = None;
    function.body = body_in_place_of(body, quote!(#library::__private::block_on(async || #output #body)));
    function
}

fn enter(library: &Library, mut function: Function) -> TokenStream {
    // The call stands where the test's name does, every token of it: that is the place a failure reports.
    let place = function.name.span();
    let library = &respanned(library.to_token_stream(), place);
    let guard = Ident::new("_guard", Span::mixed_site());
    let scope = function.scope.map(|scope| match scope {
        Scope::Session => quote_spanned!(place=> #library::__private::Scope::Session),
        Scope::Test => quote_spanned!(place=> #library::__private::Scope::Test),
    });
    let is_one_of_several = function.attributes.iter().any(|attribute| meaning(attribute) == Meaning::Cases);
    let should_panic = function.attributes.iter().find(|attribute| is_named(attribute, "should_panic"));
    let should_panic = should_panic.filter(|_| !is_one_of_several);
    function.body = if let Some(should_panic) = should_panic {
        // A panic for want of an engine would count as the one expected.
        let call = match &scope {
            None => quote_spanned!(place=> #library::__private::enter_or_report()),
            Some(scope) => quote_spanned!(place=> #library::__private::enter_or_report_in(#scope)),
        };
        let body = &function.body;
        let text = expected_text(should_panic).map_or_else(
            || quote!(::core::option::Option::None),
            |text| quote!(::core::option::Option::Some(#text)),
        );
        // A closure, since only what a panic is caught from knows its text.
        let caught = if function.qualifiers.asyncness.is_some() {
            quote!(#guard.expecting_async(#text, async || #body).await)
        } else {
            quote!(#guard.expecting(#text, || #body))
        };
        let guarded = quote!(match #call {
            ::core::option::Option::Some(#guard) => #caught,
            ::core::option::Option::None => {}
        });
        body_in_place_of(body, guarded)
    } else {
        let call = match &scope {
            None => quote_spanned!(place=> #library::__private::enter()),
            Some(scope) => quote_spanned!(place=> #library::__private::enter_in(#scope)),
        };
        let body = judged(library, &function);
        body_in_place_of(&function.body, quote!(match #call { #guard => #body }))
    };
    verbatim(&function)
}

/// The text that the panic has to contain: `#[should_panic(expected = "text")]` or `#[should_panic = "text"]`.
fn expected_text(should_panic: &Attribute) -> Option<TokenStream> {
    match &should_panic.meta {
        syn::Meta::Path(_) => None,
        syn::Meta::NameValue(pair) => Some(pair.value.to_token_stream()),
        // The compiler has seen to it that there is nothing else in it.
        syn::Meta::List(list) => list.tokens.clone().into_iter().nth(2).map(|text| text.to_token_stream()),
    }
}

/// The body, with the error that it may return taken note of. Where there can be one it becomes a closure:
/// `return` and `?` would leave the function itself, and nobody would see what with.
fn judged(library: &TokenStream, function: &Function) -> TokenStream {
    let Function { output, body, qualifiers, .. } = function;
    if matches!(output.to_string().as_str(), "" | "()" | "!") {
        return quote!(#body);
    }
    let output = of_a_closure(output);
    let call = if qualifiers.asyncness.is_some() {
        quote!((async || #output #body)().await)
    } else {
        quote!((|| #output #body)())
    };
    let outcome = Ident::new("outcome", Span::mixed_site());
    quote!({
        match #call {
            #outcome => {
                #library::__private::Outcome::of(&#outcome).note();
                #outcome
            }
        }
    })
}

/// The arrow and the type, with a blank for each `impl Trait`: a closure cannot be said to return one. The function
/// still is.
fn of_a_closure(output: &TokenStream) -> TokenStream {
    arrow(&without_impl(output.clone()))
}

fn without_impl(output: TokenStream) -> TokenStream {
    let mut tokens = TokenStream::new();
    let mut rest = output.into_iter().peekable();
    while let Some(token) = rest.next() {
        match token {
            TokenTree::Ident(name) if name == "impl" => {
                tokens.extend(quote!(_));
                skip_bounds(&mut rest);
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_impl(group.stream()));
                inner.set_span(group.span());
                tokens.extend([TokenTree::Group(inner)]);
            }
            other => tokens.extend([other]),
        }
    }
    tokens
}

/// Up to the comma or the bracket behind a trait's bounds, outside their own brackets. An arrow is no bracket.
fn skip_bounds(rest: &mut std::iter::Peekable<proc_macro2::token_stream::IntoIter>) {
    let mut depth = 0_usize;
    let mut before = ' ';
    while let Some(token) = rest.peek() {
        let mark = if let TokenTree::Punct(mark) = token { mark.as_char() } else { ' ' };
        match mark {
            '<' => depth += 1,
            ',' | '>' if depth == 0 && before != '-' => return,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        before = mark;
        rest.next();
    }
}

/// The function as it is in the model.
pub(crate) fn verbatim(function: &Function) -> TokenStream {
    written(function, function.attributes.iter(), ToTokens::to_token_stream)
}

/// The function without what makes it a test: it stays known to the rest of the code, and causes no error
/// besides ours.
pub(crate) fn plain(library: &Library, function: &Function) -> TokenStream {
    let unused = syn::parse_quote!(#[allow(unused)]);
    let kept = function.attributes.iter().filter(|attribute| keeps_meaning_without_test(attribute));
    written(function, std::iter::once(&unused).chain(kept), |parameter| {
        let Parameter { pattern, kind, .. } = parameter;
        match parameter.role() {
            Role::Receiver => pattern.clone(),
            // So that an editor knows what the body does with it.
            Role::Untyped => quote!(#pattern: #library::Reaper),
            _ => quote!(#pattern: #kind),
        }
    })
}

fn written<'a>(
    function: &Function,
    attributes: impl Iterator<Item = &'a Attribute>,
    parameter: impl Fn(&Parameter) -> TokenStream,
) -> TokenStream {
    let Function { head, keyword, name, generics, output, where_clause, body, .. } = function;
    let output = arrow(output);
    let mut parameters = TokenStream::new();
    function.parentheses.surround(&mut parameters, |inside| {
        let written = function.parameters.iter().map(parameter);
        inside.extend(quote!(#(#written),*));
    });
    quote!(#(#attributes)* #head #keyword #name #generics #parameters #output #where_clause #body)
}

fn keeps_meaning_without_test(attribute: &Attribute) -> bool {
    meaning(attribute) == Meaning::Inert
        && !is_named(attribute, "should_panic")
        && !is_named(attribute, "ignore")
}

pub(crate) fn respanned(tokens: TokenStream, span: Span) -> TokenStream {
    let respan = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    tokens.into_iter().map(respan).collect()
}

pub(crate) fn arrow(output: &TokenStream) -> TokenStream {
    if output.is_empty() { TokenStream::new() } else { quote!(-> #output) }
}

/// A body in the place of another: what the compiler says of the function stays the user's to hear.
pub(crate) fn body_in_place_of(body: &Group, tokens: TokenStream) -> Group {
    let mut new = Group::new(proc_macro2::Delimiter::Brace, tokens);
    new.set_span(body.span());
    new
}

fn without_async(head: TokenStream) -> TokenStream {
    head.into_iter().filter(|token| !matches!(token, TokenTree::Ident(name) if name == "async")).collect()
}
