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

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Ident};

use crate::check::{self, Place, Registration, Runtimes};
use crate::meaning::{Meaning, find, is_named, meaning};
use crate::parse::{Arguments, Function, Member, Mistakes, Module, Parameter, Role};

/// A test function under `#[with_reaper]`.
pub(crate) fn function(
    arguments: &Arguments,
    function: Function,
    place: &Place,
    runtimes: Runtimes,
) -> TokenStream {
    match check::check(&function, place, runtimes) {
        Ok(registration) => guarded(arguments, function, registration),
        Err(mistakes) => with_mistakes(&mistakes, &plain(&function)),
    }
}

/// The function on which the marker that `function` left behind arrived.
pub(crate) fn marked(arguments: &Arguments, function: Function) -> TokenStream {
    enter(&arguments.library(), function)
}

/// A module of tests under `#[with_reaper]`.
pub(crate) fn module(arguments: &Arguments, module: Module) -> TokenStream {
    let name = module.head.clone();
    let mut found = Found::default();
    let expanded = members_of(arguments, module, &mut found);
    if !found.test {
        let message = "no test is seen in this module; one that a macro inside it generates needs a \
                       `#[with_reaper]` of its own";
        found.mistakes.append(syn::Error::new_spanned(name, message));
    }
    match found.mistakes.into_result() {
        Ok(()) => expanded,
        Err(mistakes) => with_mistakes(&mistakes, &expanded),
    }
}

/// The mistakes, and the item after them, so that what refers to it is no further error.
pub(crate) fn with_mistakes(mistakes: &syn::Error, item: &TokenStream) -> TokenStream {
    let errors = mistakes.to_compile_error();
    quote!(#errors #item)
}

#[derive(Default)]
struct Found {
    test: bool,
    mistakes: Mistakes,
}

fn members_of(arguments: &Arguments, module: Module, found: &mut Found) -> TokenStream {
    let Module { attributes, head, members } = module;
    let members = members.into_iter().map(|member| match member {
        Member::Module(inner) => members_of(arguments, inner, found),
        Member::Function(function) => member_function(arguments, function, found),
        Member::Verbatim(tokens) => tokens,
    });
    let members = members.collect::<TokenStream>();
    quote!(#(#attributes)* #head { #members })
}

fn member_function(arguments: &Arguments, function: Function, found: &mut Found) -> TokenStream {
    let has = |wanted| find(&function.attributes, wanted).is_some();
    found.test |= has(Meaning::Test) || has(Meaning::Ours);
    if !has(Meaning::Test) || has(Meaning::Ours) || has(Meaning::Template) {
        return verbatim(&function);
    }
    match check::check_in_module(&function) {
        Ok(()) => guarded(arguments, function, Registration::Below),
        Err(mistakes) => {
            found.mistakes.append(mistakes);
            plain(&function)
        }
    }
}

fn guarded(arguments: &Arguments, mut function: Function, registration: Registration) -> TokenStream {
    let library = arguments.library();
    let asyncness = function.qualifiers.asyncness;
    if registration == Registration::Missing {
        function.attributes.push(syn::parse_quote!(#[::core::prelude::v1::test]));
        return match asyncness {
            Some(_) => enter(&library, run_async(&library, take_guard(&library, function))),
            None => enter(&library, take_guard(&library, function)),
        };
    }
    let function = take_guard(&library, function);
    if function.attributes.iter().all(|attribute| meaning(attribute) == Meaning::Inert) {
        return enter(&library, function);
    }
    // Last in the list: the attributes before it are expanded first, so the guard lands on the function
    // that the harness calls, around the fixtures and the runtime. rstest gives it to all cases.
    let mut function = function;
    function.attributes.push(syn::parse_quote!(#[#library::__private::guard(crate = #library)]));
    verbatim(&function)
}

/// Binds the guard parameter in the body, and takes it out of the signature, which test attributes want empty.
fn take_guard(library: &TokenStream, mut function: Function) -> Function {
    let is_guard = |parameter: &Parameter| matches!(parameter.role(), Role::Guard | Role::Borrowed(_));
    let Some(position) = function.parameters.iter().position(is_guard) else {
        return function;
    };
    let parameter = function.parameters.remove(position);
    let Parameter { attributes, pattern, kind } = &parameter;
    let value = if let Role::Borrowed(kind) = parameter.role() {
        quote!(&#library::__private::parameter::<#kind>())
    } else {
        quote!(#library::__private::parameter::<#kind>())
    };
    let body = &function.body;
    function.body = block(&quote!(match #value { #(#attributes)* #pattern => #body }));
    function
}

/// A sync function that runs the async body on a runtime of the library's.
fn run_async(library: &TokenStream, mut function: Function) -> Function {
    let output = arrow(&function.output);
    let body = &function.body;
    function.head = without_async(function.head);
    function.qualifiers.asyncness = None;
    function.body = block(&quote!(#library::__private::block_on(async || #output #body)));
    function
}

fn enter(library: &TokenStream, mut function: Function) -> TokenStream {
    // The call stands where the test's name does, every token of it: that is the place a failure reports.
    let place = function.name.span();
    let library = &respanned(library.clone(), place);
    let guard = Ident::new("_guard", Span::mixed_site());
    let should_panic = function.attributes.iter().find(|attribute| is_named(attribute, "should_panic"));
    function.body = if let Some(should_panic) = should_panic {
        // A panic for want of an engine would count as the one expected.
        let call = quote_spanned!(place=> #library::__private::enter_or_report());
        let body = &function.body;
        let text = expected_text(should_panic).map_or_else(
            || quote!(::core::option::Option::None),
            |text| quote!(::core::option::Option::Some(#text)),
        );
        // A closure, since only what a panic is caught from knows its text.
        let body = if function.qualifiers.asyncness.is_some() {
            quote!(#guard.expecting_async(#text, async || #body).await)
        } else {
            quote!(#guard.expecting(#text, || #body))
        };
        block(&quote!(match #call {
            ::core::option::Option::Some(#guard) => #body,
            ::core::option::Option::None => {}
        }))
    } else {
        let call = quote_spanned!(place=> #library::__private::enter());
        let body = judged(library, &function);
        block(&quote!(match #call { #guard => #body }))
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
    let named = output.clone().into_iter().next().is_some_and(|first| first.to_string() != "impl");
    // A closure cannot be said to return `impl Trait`; the function still is.
    let output = if named { arrow(output) } else { TokenStream::new() };
    let call = if qualifiers.asyncness.is_some() {
        quote!((async || #output #body)().await)
    } else {
        quote!((|| #output #body)())
    };
    let outcome = Ident::new("outcome", Span::mixed_site());
    quote!({
        match #call {
            #outcome => {
                #[allow(unused_imports)]
                use #library::__private::AnyOutcome as _;
                (&&&&#library::__private::Outcome(&#outcome)).note();
                #outcome
            }
        }
    })
}

/// The function as it is in the model.
pub(crate) fn verbatim(function: &Function) -> TokenStream {
    written(function, function.attributes.iter(), ToTokens::to_token_stream)
}

/// The function without what makes it a test: it stays known to the rest of the code, and causes no error
/// besides ours.
pub(crate) fn plain(function: &Function) -> TokenStream {
    let unused = syn::parse_quote!(#[allow(unused)]);
    let kept = function.attributes.iter().filter(|attribute| keeps_meaning_without_test(attribute));
    written(function, std::iter::once(&unused).chain(kept), |parameter| {
        let Parameter { pattern, kind, .. } = parameter;
        if kind.is_empty() { pattern.clone() } else { quote!(#pattern: #kind) }
    })
}

fn written<'a>(
    function: &Function,
    attributes: impl Iterator<Item = &'a Attribute>,
    parameter: impl Fn(&Parameter) -> TokenStream,
) -> TokenStream {
    let Function { head, name, generics, parameters, output, where_clause, body, .. } = function;
    let output = arrow(output);
    let parameters = parameters.iter().map(parameter);
    quote!(#(#attributes)* #head fn #name #generics (#(#parameters),*) #output #where_clause #body)
}

fn keeps_meaning_without_test(attribute: &Attribute) -> bool {
    meaning(attribute) == Meaning::Inert
        && !is_named(attribute, "should_panic")
        && !is_named(attribute, "ignore")
}

pub(crate) fn respanned(tokens: TokenStream, span: Span) -> TokenStream {
    let respan = |mut token: proc_macro2::TokenTree| {
        token.set_span(span);
        token
    };
    tokens.into_iter().map(respan).collect()
}

pub(crate) fn arrow(output: &TokenStream) -> TokenStream {
    if output.is_empty() { TokenStream::new() } else { quote!(-> #output) }
}

pub(crate) fn block(tokens: &TokenStream) -> proc_macro2::Group {
    proc_macro2::Group::new(proc_macro2::Delimiter::Brace, tokens.clone())
}

fn without_async(head: TokenStream) -> TokenStream {
    head.into_iter()
        .filter(|token| !matches!(token, proc_macro2::TokenTree::Ident(name) if name == "async"))
        .collect()
}
