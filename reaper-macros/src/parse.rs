//! Source tokens into a model: the arguments of the attribute, and the item it stands on.
//!
//! The signature is taken apart by hand, and a body stays one opaque group: what the macro needs to know of
//! a function is its attributes, its qualifiers and its parameters. `syn::ItemFn` would say the same, but
//! needs syn's feature `full`, which doubles what this crate takes to compile, and it would parse (and
//! sometimes refuse, for syntax newer than itself) bodies that only the compiler has to understand.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, Path, Token, Type, token};

/// What stands in the parentheses of the attribute.
#[derive(Default)]
pub(crate) struct Arguments {
    /// Where the library is, if not at `::reaper`.
    library: Option<Path>,
}

impl Arguments {
    /// The path under which the expansion finds the library.
    pub(crate) fn library(&self) -> TokenStream {
        self.library.as_ref().map_or_else(|| quote!(::reaper), ToTokens::to_token_stream)
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        let mut mistakes = Mistakes::default();
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            if name == "crate" {
                let path = library_path(input, &name)?;
                if arguments.library.replace(path).is_some() {
                    mistakes.add(name.span(), "`crate` is given twice");
                }
            } else {
                mistakes.add(
                    name.span(),
                    format!(
                        "unknown argument `{name}`; known: `crate = path::to::reaper`. What concerns the whole \
                         session (image, timeouts, engine) is set in the environment, once for all its tests"
                    ),
                );
                skip_to_comma(input)?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        mistakes.into_result().map(|()| arguments)
    }
}

/// What the attribute stands on.
pub(crate) enum Item {
    Function(Function),
    Module(Module),
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        if Function::is_next(input) {
            return Function::parse(attributes, input).map(Self::Function);
        }
        if Module::is_next(input) {
            return Module::parse(attributes, input).map(Self::Module);
        }
        Err(syn::Error::new(
            Span::call_site(),
            "`#[with_reaper]` stands on a test function or on a module of tests, and this is neither",
        ))
    }
}

/// A function, its body unread.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    /// Visibility and qualifiers, as written.
    pub(crate) head: TokenStream,
    pub(crate) qualifiers: Qualifiers,
    pub(crate) name: Ident,
    pub(crate) generics: TokenStream,
    pub(crate) parameters: Vec<Parameter>,
    /// The type after the arrow, if there is one.
    pub(crate) output: TokenStream,
    pub(crate) where_clause: TokenStream,
    pub(crate) body: Group,
}

/// The qualifiers that matter to a test, each where it was written.
#[derive(Default)]
pub(crate) struct Qualifiers {
    pub(crate) constness: Option<Span>,
    pub(crate) asyncness: Option<Span>,
    pub(crate) unsafety: Option<Span>,
    pub(crate) abi: Option<Span>,
}

impl Function {
    pub(crate) fn is_next(input: ParseStream<'_>) -> bool {
        let ahead = input.fork();
        let mut qualifiers = Qualifiers::default();
        head(&ahead, &mut qualifiers).is_ok() && ahead.peek(Token![fn]) && ahead.peek2(Ident::peek_any)
    }

    pub(crate) fn parse(attributes: Vec<Attribute>, input: ParseStream<'_>) -> syn::Result<Self> {
        let mut qualifiers = Qualifiers::default();
        let head = head(input, &mut qualifiers)?;
        input.parse::<Token![fn]>()?;
        let name = input.call(Ident::parse_any)?;
        let generics = take_until(input, |input| input.peek(token::Paren))?;
        let list;
        syn::parenthesized!(list in input);
        let mut parameters = Vec::new();
        while !list.is_empty() {
            parameters.push(list.parse()?);
            if !list.is_empty() {
                list.parse::<Token![,]>()?;
            }
        }
        let output = if input.peek(Token![->]) {
            input.parse::<Token![->]>()?;
            take_until(input, |input| input.peek(Token![where]) || is_body(input))?
        } else {
            TokenStream::new()
        };
        let where_clause = take_until(input, is_body)?;
        let TokenTree::Group(body) = input.parse()? else {
            return Err(input.error("expected a body in braces"));
        };
        Ok(Self { attributes, head, qualifiers, name, generics, parameters, output, where_clause, body })
    }
}

/// One parameter, `pattern: type` or some form of `self`.
pub(crate) struct Parameter {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) pattern: TokenStream,
    /// Empty for `self`.
    pub(crate) kind: TokenStream,
}

/// What a parameter is to the attribute.
pub(crate) enum Role {
    /// `Reaper`.
    Guard,
    /// `&Reaper`, with the type behind the reference.
    Borrowed(TokenStream),
    /// Has to do with the guard, and is not one.
    NearMiss,
    Receiver,
    Other,
}

impl Parameter {
    pub(crate) fn role(&self) -> Role {
        if self.kind.is_empty() {
            return Role::Receiver;
        }
        match syn::parse2::<Type>(self.kind.clone()) {
            // A lifetime of the caller's choosing is more than a value that lives as long as the body can give.
            Ok(Type::Reference(reference))
                if reference.mutability.is_none()
                    && reference.lifetime.is_none()
                    && names_guard(&reference.elem) =>
            {
                Role::Borrowed(reference.elem.to_token_stream())
            }
            Ok(kind) if names_guard(&kind) => Role::Guard,
            _ if mentions_guard(self.kind.clone()) => Role::NearMiss,
            _ => Role::Other,
        }
    }
}

impl Parse for Parameter {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let pattern = take_until(input, |input| {
            input.peek(Token![,]) || (input.peek(Token![:]) && !input.peek(Token![::]))
        })?;
        let kind = if input.peek(Token![:]) {
            input.parse::<Token![:]>()?;
            take_type(input)?
        } else {
            TokenStream::new()
        };
        Ok(Self { attributes, pattern, kind })
    }
}

impl ToTokens for Parameter {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, pattern, kind } = self;
        tokens.extend(if kind.is_empty() {
            quote!(#(#attributes)* #pattern)
        } else {
            quote!(#(#attributes)* #pattern: #kind)
        });
    }
}

/// A module with its body at hand.
pub(crate) struct Module {
    pub(crate) attributes: Vec<Attribute>,
    /// Visibility, `mod` and the name.
    pub(crate) head: TokenStream,
    pub(crate) members: Vec<Member>,
}

/// What a module holds, as far as the attribute cares.
pub(crate) enum Member {
    Function(Function),
    Module(Module),
    /// Anything else, copied as it is.
    Verbatim(TokenStream),
}

impl Module {
    fn is_next(input: ParseStream<'_>) -> bool {
        let ahead = input.fork();
        ahead.parse::<syn::Visibility>().is_ok() && ahead.peek(Token![mod])
    }

    fn parse(attributes: Vec<Attribute>, input: ParseStream<'_>) -> syn::Result<Self> {
        let head = take_until(input, |input| input.peek(token::Brace) || input.peek(Token![;]))?;
        if input.peek(Token![;]) {
            let message = "`#[with_reaper]` has to see the tests: it needs the module's body here, not in a file \
                           of its own";
            return Err(input.error(message));
        }
        let body;
        syn::braced!(body in input);
        let mut members = Vec::new();
        while !body.is_empty() {
            members.push(body.parse()?);
        }
        Ok(Self { attributes, head, members })
    }
}

impl Parse for Member {
    /// Items need not be told apart: only functions and modules are looked for, and neither can begin in
    /// the middle of another item outside a group.
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        if Function::is_next(input) {
            return Function::parse(attributes, input).map(Self::Function);
        }
        if Module::is_next(input) && is_inline_module(input) {
            return Module::parse(attributes, input).map(Self::Module);
        }
        let next: Option<TokenTree> = if input.is_empty() { None } else { Some(input.parse()?) };
        Ok(Self::Verbatim(quote!(#(#attributes)* #next)))
    }
}

/// Mistakes gathered so that all of them are reported at once.
#[derive(Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    pub(crate) fn add(&mut self, span: Span, message: impl std::fmt::Display) {
        self.append(syn::Error::new(span, message));
    }

    pub(crate) fn append(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn into_result(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

pub(crate) fn library_path(input: ParseStream<'_>, name: &Ident) -> syn::Result<Path> {
    let path = || {
        input.parse::<Token![=]>()?;
        input.call(Path::parse_mod_style)
    };
    path().map_err(|error: syn::Error| {
        let message = "`crate` takes the path of the library: `crate = path::to::reaper`";
        // At the end of the input there is no token to point at but the name.
        let span = if input.is_empty() { name.span() } else { error.span() };
        syn::Error::new(span, message)
    })
}

fn head(input: ParseStream<'_>, qualifiers: &mut Qualifiers) -> syn::Result<TokenStream> {
    let mut tokens = input.parse::<syn::Visibility>()?.into_token_stream();
    while !input.peek(Token![fn]) {
        let qualifier = input.call(Ident::parse_any)?;
        let place = match qualifier.to_string().as_str() {
            "const" => &mut qualifiers.constness,
            "async" => &mut qualifiers.asyncness,
            "unsafe" => &mut qualifiers.unsafety,
            "extern" => &mut qualifiers.abi,
            "safe" => &mut None,
            _ => return Err(syn::Error::new(qualifier.span(), "expected a function")),
        };
        *place = Some(qualifier.span());
        qualifier.to_tokens(&mut tokens);
        if qualifier == "extern" {
            input.parse::<Option<syn::LitStr>>()?.to_tokens(&mut tokens);
        }
    }
    Ok(tokens)
}

/// Whether a body comes next. Nothing else that can stand in a test's signature is in braces.
fn is_body(input: ParseStream<'_>) -> bool {
    input.peek(token::Brace)
}

fn is_inline_module(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.parse::<syn::Visibility>().is_ok()
        && ahead.parse::<Token![mod]>().is_ok()
        && ahead.call(Ident::parse_any).is_ok()
        && ahead.peek(token::Brace)
}

pub(crate) fn take_until(
    input: ParseStream<'_>,
    end: impl Fn(ParseStream<'_>) -> bool,
) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !end(input) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

pub(crate) fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    take_until(input, |input| input.peek(Token![,])).map(drop)
}

/// Up to the comma that ends a parameter: one outside all angle brackets. An arrow is no bracket.
fn take_type(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    let mut depth = 0_usize;
    while !(input.is_empty() || depth == 0 && input.peek(Token![,])) {
        if input.peek(Token![->]) {
            input.parse::<Token![->]>()?.to_tokens(&mut tokens);
            continue;
        }
        let token = input.parse::<TokenTree>()?;
        match &token {
            TokenTree::Punct(mark) if mark.as_char() == '<' => depth += 1,
            TokenTree::Punct(mark) if mark.as_char() == '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        tokens.extend([token]);
    }
    Ok(tokens)
}

fn names_guard(kind: &Type) -> bool {
    match kind {
        Type::Path(kind) => {
            kind.qself.is_none()
                && kind
                    .path
                    .segments
                    .last()
                    .is_some_and(|last| last.ident == "Reaper" && last.arguments.is_none())
        }
        // What a `macro_rules!` fragment `$kind:ty` arrives as.
        Type::Group(group) => names_guard(&group.elem),
        Type::Paren(paren) => names_guard(&paren.elem),
        _ => false,
    }
}

fn mentions_guard(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(name) => name == "Reaper",
        TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => mentions_guard(group.stream()),
        _ => false,
    })
}
