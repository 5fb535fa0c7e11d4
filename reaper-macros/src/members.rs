//! A module under `#[with_reaper]`: what it holds, and what becomes of each.
//!
//! No test is passed by in silence. What is known to be a test is guarded, what is known to be none is left alone,
//! and what may be one is an error at its place; `#[with_reaper(skip)]` says that it is to be left alone. Only what
//! can hold a test is looked at: functions, modules and calls of macros. A derived trait that makes tests, or an
//! attribute on a type that does, is not seen.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Ident, Path, Token, token};

use crate::arguments::{Arguments, Scope};
use crate::check;
use crate::compiler::Compiler;
use crate::expand::{self, verbatim};
use crate::library::Library;
use crate::meaning::{Meaning, find, is_test, meaning};
use crate::mistakes::Mistakes;
use crate::parse::{Function, take_balanced, take_until};

/// A module with its body at hand.
pub(crate) struct Module {
    pub(crate) attributes: Vec<Attribute>,
    /// Visibility, `mod` and the name.
    pub(crate) head: TokenStream,
    /// Those inside the braces, which are the module's all the same.
    pub(crate) inner_attributes: Vec<Attribute>,
    pub(crate) members: Vec<Member>,
}

/// What a module holds, as far as the attribute cares.
pub(crate) enum Member {
    Function(Function),
    Module(Module),
    /// `mod name;`
    File {
        attributes: Vec<Attribute>,
        name: Ident,
        tokens: TokenStream,
    },
    Call(Call),
    /// Anything else, copied as it is.
    Other {
        attributes: Vec<Attribute>,
        tokens: TokenStream,
    },
}

/// `name! { … }`, or `macro_rules! name { … }`.
pub(crate) struct Call {
    attributes: Vec<Attribute>,
    name: Path,
    defined: Option<Ident>,
    content: Group,
}

/// Macros that are called among items and make no test.
const WITHOUT_TESTS: &[&str] = &[
    "assert_impl_all",
    "assert_not_impl_any",
    "assert_obj_safe",
    "bitflags",
    "compile_error",
    "const_assert",
    "const_assert_eq",
    "global_asm",
    "lazy_static",
    "mock",
    "prop_compose",
    "task_local",
    "thread_local",
];

impl Module {
    pub(crate) fn is_next(input: ParseStream<'_>) -> bool {
        let ahead = input.fork();
        ahead.parse::<syn::Visibility>().is_ok() && ahead.peek(Token![mod])
    }

    pub(crate) fn parse(attributes: Vec<Attribute>, input: ParseStream<'_>) -> syn::Result<Self> {
        let head = take_until(input, &|input| input.peek(token::Brace) || input.peek(Token![;]))?;
        if input.peek(Token![;]) {
            let message = "`#[with_reaper]` has to see the tests: it needs the module's body here, not in a file of \
                           its own; where all of them start things through one helper, `reaper::labels()` in that \
                           guards them without the attribute";
            return Err(input.error(message));
        }
        let body;
        syn::braced!(body in input);
        let (inner_attributes, members) = content(&body)?;
        Ok(Self { attributes, head, inner_attributes, members })
    }
}

/// What is inside the braces of a module, or of a macro that takes functions.
fn content(body: ParseStream<'_>) -> syn::Result<(Vec<Attribute>, Vec<Member>)> {
    let mut inner_attributes = Vec::new();
    while body.peek(Token![#]) && body.peek2(Token![!]) {
        inner_attributes.extend(Attribute::parse_inner(body)?);
    }
    let mut members = Vec::new();
    while !body.is_empty() {
        members.push(body.parse()?);
    }
    Ok((inner_attributes, members))
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        if Function::is_next(input) {
            return Function::parse(attributes, input).map(Self::Function);
        }
        if Module::is_next(input) {
            if is_inline_module(input) {
                return Module::parse(attributes, input).map(Self::Module);
            }
            let visibility = input.parse::<syn::Visibility>()?;
            let keyword = input.parse::<Token![mod]>()?;
            let name = input.call(Ident::parse_any)?;
            let end = input.parse::<Token![;]>()?;
            return Ok(Self::File { attributes, tokens: quote!(#visibility #keyword #name #end), name });
        }
        if let Some(name) = called_macro(input) {
            input.call(Path::parse_mod_style)?;
            input.parse::<Token![!]>()?;
            let defined = input.call(Ident::parse_any).ok();
            let TokenTree::Group(content) = input.parse()? else {
                return Err(input.error("expected what the macro is called with"));
            };
            return Ok(Self::Call(Call { attributes, name, defined, content }));
        }
        Ok(Self::Other { attributes, tokens: other(input)? })
    }
}

fn is_inline_module(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.parse::<syn::Visibility>().is_ok()
        && ahead.parse::<Token![mod]>().is_ok()
        && ahead.call(Ident::parse_any).is_ok()
        && ahead.peek(token::Brace)
}

fn called_macro(input: ParseStream<'_>) -> Option<Path> {
    let ahead = input.fork();
    let name = ahead.call(Path::parse_mod_style).ok()?;
    ahead.peek(Token![!]).then_some(name)
}

/// An item that can be no test, up to its end: a semicolon, or for what has a body that.
fn other(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let ahead = input.fork();
    let _ = ahead.parse::<syn::Visibility>();
    let has_value = ahead.peek(Token![use])
        || ahead.peek(Token![const])
        || ahead.peek(Token![static])
        || ahead.peek(Token![type]);
    let mut tokens = if has_value {
        // Which may compare or shift: no brackets are counted.
        take_until(input, &|input| input.peek(Token![;]))?
    } else {
        take_balanced(input, &|input| input.peek(Token![;]) || input.peek(token::Brace))?
    };
    // The semicolon, or the body.
    if !input.is_empty() {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

/// A module of tests under `#[with_reaper]`.
pub(crate) fn guarded(
    library: &Library,
    arguments: &Arguments,
    compiler: &Compiler,
    module: Module,
) -> TokenStream {
    let name = module.head.clone();
    let mut mistakes = Mistakes::default();
    if arguments.registered {
        mistakes.add(
            proc_macro2::Span::call_site(),
            "`registered` is said of a test function: put it on that one",
        );
    }
    let mut walk = Walk { compiler, scope: arguments.scope, has_test: false, mistakes };
    let expanded = walk.module(&library.one_module_in(compiler), module);
    let Walk { has_test, mut mistakes, .. } = walk;
    // Beside an error that asks whether something is a test it would be no news.
    if !has_test && mistakes.is_empty() {
        let message = "no test is seen in this module; one that a macro inside it generates needs a \
                       `#[with_reaper]` of its own";
        mistakes.append(syn::Error::new_spanned(name, message));
    }
    match mistakes.into_result() {
        Ok(()) => expanded,
        Err(mistakes) => expand::with_mistakes(&mistakes, &expanded),
    }
}

struct Walk<'a> {
    compiler: &'a Compiler,
    scope: Option<Scope>,
    has_test: bool,
    mistakes: Mistakes,
}

impl Walk<'_> {
    fn module(&mut self, library: &Library, module: Module) -> TokenStream {
        let Module { attributes, head, inner_attributes, members } = module;
        let members: TokenStream = members.into_iter().map(|member| self.member(library, member)).collect();
        quote!(#(#attributes)* #head { #(#inner_attributes)* #members })
    }

    fn member(&mut self, library: &Library, mut member: Member) -> TokenStream {
        match take_ours(member.attributes()) {
            Some(Ok(Ours::Skip)) => return member.into_token_stream(),
            Some(Ok(Ours::Guards)) => {
                self.has_test = true;
                return member.into_token_stream();
            }
            Some(Err(mistakes)) => self.mistakes.append(mistakes),
            None => {}
        }
        match member {
            Member::Function(function) => self.function(library, function),
            Member::Module(inner) => {
                self.ask_about_attributes("this module", false, &inner.attributes);
                self.module(&library.one_module_in(self.compiler), inner)
            }
            Member::Call(call) => self.call(library, &call),
            Member::File { ref name, .. } => {
                let message = format!(
                    "the tests of `{name}` are in another file, where they are not seen and would go unguarded: put \
                     `#[with_reaper]` on them there, and `#[with_reaper(skip)]` here"
                );
                self.mistakes.add(name.span(), message);
                member.into_token_stream()
            }
            Member::Other { ref attributes, .. } => {
                // Most attributes here help a derived trait; what makes tests of a whole `impl` says so.
                let names_tests = |attribute: &&Attribute| {
                    meaning(attribute) == Meaning::Unknown && check::path_text(attribute).contains("test")
                };
                if let Some(attribute) = attributes.iter().find(names_tests) {
                    self.mistakes.append(check::doubt_in_module("this item", false, attribute));
                }
                member.into_token_stream()
            }
        }
    }

    fn function(&mut self, library: &Library, function: Function) -> TokenStream {
        let function = Function { scope: self.scope, ..function };
        let has = |wanted| find(&function.attributes, wanted).is_some();
        if has(Meaning::Template) || has(Meaning::Fixture) || has(Meaning::Shared) {
            return verbatim(&function);
        }
        if !function.attributes.iter().any(is_test) {
            self.ask_about_attributes("this function", true, &function.attributes);
            return verbatim(&function);
        }
        self.has_test = true;
        match check::check_in_module(&function) {
            Ok(()) => expand::guarded(library, function, check::Registration::Below),
            Err(mistakes) => {
                self.mistakes.append(mistakes);
                expand::plain(library, &function)
            }
        }
    }

    fn call(&mut self, library: &Library, call: &Call) -> TokenStream {
        let Call { attributes, name, defined, content: inside } = call;
        let Some(last) = name.segments.last().map(|last| &last.ident) else { return call.to_token_stream() };
        if defined.is_some() || WITHOUT_TESTS.iter().any(|known| last == known) {
            return call.to_token_stream();
        }
        if last == "proptest"
            && let Ok((inner, members)) = content.parse2(inside.stream())
        {
            let members = members.into_iter().map(|member| self.property(library, member));
            let mut guarded = Group::new(inside.delimiter(), quote!(#(#inner)* #(#members)*));
            guarded.set_span(inside.span());
            return quote!(#(#attributes)* #name! #guarded);
        }
        let message = format!(
            "cannot tell whether `{last}!` makes tests, which would go unguarded: put `#[with_reaper(skip)]` above it, \
             and if it makes some `#[with_reaper]` on them where they are written"
        );
        self.mistakes.add(last.span(), message);
        call.to_token_stream()
    }

    /// A function of `proptest!`, whose parameters are that macro's to read.
    fn property(&mut self, library: &Library, member: Member) -> TokenStream {
        match member {
            Member::Function(function) if function.attributes.iter().any(is_test) => {
                self.has_test = true;
                expand::guarded(library, function, check::Registration::Below)
            }
            other => other.into_token_stream(),
        }
    }

    /// For what is not known to be a test: whether any attribute may make it one.
    fn ask_about_attributes(&mut self, what: &str, is_function: bool, attributes: &[Attribute]) {
        let unknown = |attribute: &&Attribute| matches!(meaning(attribute), Meaning::Unknown | Meaning::Case);
        if let Some(attribute) = attributes.iter().find(unknown) {
            self.mistakes.append(check::doubt_in_module(what, is_function, attribute));
        }
    }
}

/// What an attribute of ours on a member says.
enum Ours {
    Guards,
    Skip,
}

/// The attribute of ours on a member. What is only for us is taken away.
fn take_ours(attributes: &mut Vec<Attribute>) -> Option<syn::Result<Ours>> {
    let position = attributes.iter().position(|attribute| meaning(attribute) == Meaning::Ours)?;
    let arguments = match &attributes[position].meta {
        syn::Meta::List(list) => list.parse_args::<Arguments>(),
        _ => Ok(Arguments::default()),
    };
    if arguments.as_ref().is_ok_and(|arguments| !arguments.skip) {
        return Some(Ok(Ours::Guards));
    }
    attributes.remove(position);
    Some(arguments.map(|_| Ours::Skip))
}

impl Member {
    fn attributes(&mut self) -> &mut Vec<Attribute> {
        match self {
            Self::Function(function) => &mut function.attributes,
            Self::Module(module) => &mut module.attributes,
            Self::Call(call) => &mut call.attributes,
            Self::File { attributes, .. } | Self::Other { attributes, .. } => attributes,
        }
    }
}

impl ToTokens for Member {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Function(function) => verbatim(function),
            Self::Module(Module { attributes, head, inner_attributes, members }) => {
                quote!(#(#attributes)* #head { #(#inner_attributes)* #(#members)* })
            }
            Self::Call(call) => call.to_token_stream(),
            Self::File { attributes, tokens, .. } | Self::Other { attributes, tokens } => {
                quote!(#(#attributes)* #tokens)
            }
        });
    }
}

impl ToTokens for Call {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, name, defined, content } = self;
        tokens.extend(quote!(#(#attributes)* #name! #defined #content));
    }
}
