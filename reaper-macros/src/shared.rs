//! `#[shared]`: the body of a fixture becomes what is run by the first process of the session that asks.
//!
//! ```ignore
//! match ::reaper::__private::shared::under(&reaper) {
//!     guard => ::reaper::__private::shared::Returns::<Url>::new()
//!         .kind()
//!         .make(guard, ::reaper::__private::shared::key("…"), async move || -> Url { /* the body */ })
//!         .await,
//! }
//! ```
//!
//! The function keeps its name, its parameters and its other attributes, so it is a fixture where rstest makes
//! it one, and a function to call everywhere else. A closure and not a function of its own beside it: the body
//! keeps its parameters, with the patterns they were written with. Rejected: a type for each fixture, as rstest
//! makes one, which could not be called.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, Path, Token};

use crate::arguments::{each_argument, library_path, skip_to_comma};
use crate::check::{Place, Refusals, name_span, walk_parameters};
use crate::compiler::Compiler;
use crate::expand::{arrow, body_in_place_of, lose_expectations, plain, respanned, verbatim, with_mistakes};
use crate::library::Library;
use crate::meaning::{Meaning, find, is_named};
use crate::mistakes::Mistakes;
use crate::parse::{Function, Parameter, Role, take_until};

/// What stands in the parentheses of the attribute.
#[derive(Default)]
struct Arguments {
    library: Option<Path>,
    /// An expression, for which the function's parameters are in scope.
    key: Option<TokenStream>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        each_argument(input, &mut |name, mistakes| {
            if name == "crate" {
                return Ok(arguments.library.replace(library_path(input, name)?).is_some());
            }
            if name == "key" {
                return Ok(arguments.key.replace(key(input, name)?).is_some());
            }
            let known = "known: `key = \"name\"`, `crate = path::to::reaper`";
            mistakes.add(name.span(), format!("unknown argument `{name}`; {known}"));
            skip_to_comma(input)?;
            Ok(false)
        })?;
        Ok(arguments)
    }
}

fn key(input: ParseStream<'_>, name: &Ident) -> syn::Result<TokenStream> {
    let wrong = |span| {
        syn::Error::new(
            span,
            "`key` takes a text that is not empty: `key = \"database\"`, or an expression for one",
        )
    };
    if !input.peek(Token![=]) {
        return Err(wrong(name.span()));
    }
    input.parse::<Token![=]>()?;
    let value = take_until(input, &|input| input.peek(Token![,]))?;
    match syn::parse2::<syn::Lit>(value.clone()) {
        Ok(syn::Lit::Str(text)) if !text.value().is_empty() => Ok(value),
        Ok(literal) => Err(wrong(literal.span())),
        Err(_) if value.is_empty() => Err(wrong(name.span())),
        Err(_) => Ok(value),
    }
}

/// A function, and nothing else.
struct Fixture(Function);

impl Parse for Fixture {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        if Function::is_next(input) {
            return Function::parse(attributes, input).map(Self);
        }
        let message = "`#[shared]` stands on the function that makes the value, and this is none";
        Err(syn::Error::new(Span::call_site(), message))
    }
}

pub(crate) fn expand(
    arguments: TokenStream,
    item: &TokenStream,
    place: &Place,
    compiler: &Compiler,
) -> TokenStream {
    let found = syn::parse2::<Arguments>(arguments)
        .and_then(|mut arguments| Ok((Library::find(arguments.library.take(), compiler)?, arguments)));
    let (library, arguments) = match found {
        Ok(found) => found,
        Err(mistakes) => return with_mistakes(&mistakes, item),
    };
    let function = match syn::parse2::<Fixture>(item.clone()) {
        Ok(Fixture(function)) => function,
        Err(mistakes) => return with_mistakes(&mistakes, item),
    };
    if is_rstests_own(&function) {
        return verbatim(&function);
    }
    match check(&arguments, &function, place) {
        Ok(()) => made_once(&library, &arguments, function),
        Err(mistakes) => with_mistakes(&mistakes, &plain(&library, &function)),
    }
}

/// Where `#[fixture]` stands above, it has put all attributes on a method as well, which calls the function.
fn is_rstests_own(function: &Function) -> bool {
    let marks = |attribute: &Attribute, name, text: &str| {
        is_named(attribute, name) && attribute.meta.to_token_stream().to_string().contains(text)
    };
    let [.., hidden, allowed] = function.attributes.as_slice() else { return false };
    function.name == "get" && marks(hidden, "doc", "hidden") && marks(allowed, "allow", "unused_mut")
}

fn check(arguments: &Arguments, function: &Function, place: &Place) -> syn::Result<()> {
    let mut mistakes = Mistakes::default();
    let qualifiers = &function.qualifiers;
    for (span, reason) in [
        (qualifiers.constness, "a value that is shared is made while the tests run: remove `const`"),
        (
            qualifiers.unsafety,
            "the body moves into a closure: remove `unsafe`, and use an `unsafe` block inside",
        ),
        (qualifiers.abi, "only tests call this function: remove `extern`"),
    ] {
        if let Some(span) = span {
            mistakes.add(span, reason);
        }
    }
    if let Some(again) = find(&function.attributes, Meaning::Shared) {
        mistakes.add(name_span(again), "`#[shared]` is given twice");
    }
    let is = |wanted| find(&function.attributes, wanted).is_some() || place.is_below(wanted);
    if is(Meaning::Test) || is(Meaning::Ours) {
        let message =
            "a test is not shared: put `#[shared]` on a function that makes a value, and call it in the test";
        mistakes.add(function.name.span(), message);
    }
    if !function.generics.is_empty() {
        let message = "a shared value is of one type, and made for everybody: remove the generic parameters";
        mistakes.add(first_span(&function.generics), message);
    }
    check_output(function, &mut mistakes);
    check_parameters(arguments, function, &mut mistakes);
    mistakes.into_result()
}

fn check_output(function: &Function, mistakes: &mut Mistakes) {
    match function.output.clone().into_iter().next() {
        Some(TokenTree::Ident(name)) if name == "impl" => mistakes.add(
            name.span(),
            "the value goes to other processes as the type that is written here: name it in place of `impl`",
        ),
        Some(TokenTree::Punct(mark)) if mark.as_char() == '&' => mistakes.add(
            mark.span(),
            "the value comes from another process, so there is nothing to refer to: return it owned, like `String` \
             for `&str`",
        ),
        _ => {}
    }
}

const OF_A_VALUE: Refusals = Refusals {
    second_guard: "a second guard: the value is made under one",
    receiver: "a shared value is made by a free function: remove `self`",
};

fn check_parameters(arguments: &Arguments, function: &Function, mistakes: &mut Mistakes) {
    walk_parameters(function, &OF_A_VALUE, mistakes, &|parameter| {
        let name = bound_name(parameter);
        let named = arguments.key.clone().zip(name.as_ref());
        if named.is_some_and(|(key, name)| mentions(key, &name.to_string())) {
            return None;
        }
        let name = name.map_or_else(|| "name".into(), |name| name.to_string());
        Some(format!(
            "the value is made once, whatever the others pass here: make it in the body, or have a value for each \
             with a key that names it, `key = format!(\"{}-{{{name}}}\")`",
            function.name
        ))
    });
}

fn made_once(library: &Library, arguments: &Arguments, mut function: Function) -> TokenStream {
    lose_expectations(&mut function);
    let place = function.name.span();
    // The place of the fixture is what a failure reports.
    let library = respanned(quote!(#library::__private::shared), place);
    let guard = Ident::new("guard", Span::mixed_site());
    let under = under(&library, &function, place);
    let key = arguments.key.clone().unwrap_or_else(|| {
        let name = format!("::{}", function.name.unraw());
        quote!(::core::concat!(::core::module_path!(), #name))
    });
    let output = arrow(&function.output);
    let kind = if function.output.is_empty() { quote!(()) } else { function.output.clone() };
    let body = &function.body;
    let maker = quote_spanned!(place=> #library::Returns::<#kind>::new().kind());
    let made = if function.qualifiers.asyncness.is_some() {
        quote_spanned!(place=> #maker.make(#guard, #library::key(#key), async move || #output #body).await)
    } else {
        quote_spanned!(place=> #maker.make_blocking(&#guard, &#library::key(#key), move || #output #body))
    };
    function.body = body_in_place_of(body, quote!(match #under { #guard => #made, }));
    verbatim(&function)
}

/// The guard under which the value is made: the one in the parameters, else whichever there is.
fn under(library: &TokenStream, function: &Function, place: Span) -> TokenStream {
    let given = function.parameters.iter().find_map(|parameter| match parameter.role() {
        Role::Guard => bound_name(parameter).map(|name| quote!(&#name)),
        Role::Borrowed(_) => bound_name(parameter).map(|name| quote!(#name)),
        _ => None,
    });
    let any = || quote_spanned!(place=> #library::under_any());
    given.map_or_else(any, |given| quote_spanned!(place=> #library::under(#given)))
}

/// The one name that a parameter has, if its pattern is no more than that.
fn bound_name(parameter: &Parameter) -> Option<Ident> {
    let names: Vec<_> = parameter.pattern.clone().into_iter().collect();
    match names.as_slice() {
        [TokenTree::Ident(name)] if name != "_" => Some(name.clone()),
        [TokenTree::Ident(first), TokenTree::Ident(name)] if first == "mut" => Some(name.clone()),
        _ => None,
    }
}

/// Whether an expression names something, also within the braces of a format string.
fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Literal(text) => {
            let text = text.to_string();
            let inner = text.split('{').skip(1).filter_map(|part| part.split(['}', ':']).next());
            inner.into_iter().any(|part| part == name)
        }
        TokenTree::Punct(_) => false,
    })
}

fn first_span(tokens: &TokenStream) -> Span {
    tokens.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span())
}
