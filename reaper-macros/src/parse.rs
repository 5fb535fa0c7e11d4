//! Source tokens into a model: the function or the module that the attribute stands on.
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

use crate::arguments::Scope;
use crate::members::Module;

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
        // What the compiler puts at the beginning of every crate.
        let is_crate = attributes.iter().any(|attribute| attribute.path().is_ident("prelude_import"));
        let message = if is_crate {
            "`#[with_reaper]` does not guard a whole file: put its tests in a module, `#[with_reaper] mod tests { … }`; \
             or, where all of them start things through one helper, `reaper::labels()` in that guards them without the \
             attribute"
        } else {
            "`#[with_reaper]` stands on a test function or on a module of tests, and this is neither"
        };
        Err(syn::Error::new(Span::call_site(), message))
    }
}

/// A function, its body unread.
pub(crate) struct Function {
    /// With what its things go, as its own attribute or its module's says.
    pub(crate) scope: Option<Scope>,
    pub(crate) attributes: Vec<Attribute>,
    /// Visibility and qualifiers, as written.
    pub(crate) head: TokenStream,
    pub(crate) qualifiers: Qualifiers,
    /// With its place: what the compiler says of the function, it says there.
    pub(crate) keyword: Token![fn],
    pub(crate) name: Ident,
    pub(crate) generics: TokenStream,
    pub(crate) parentheses: token::Paren,
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
        let keyword = input.parse()?;
        let name = input.call(Ident::parse_any)?;
        let generics = take_balanced(input, &|input| input.peek(token::Paren))?;
        let list;
        let parentheses = syn::parenthesized!(list in input);
        let mut parameters = Vec::new();
        while !list.is_empty() {
            parameters.push(list.parse()?);
            if !list.is_empty() {
                list.parse::<Token![,]>()?;
            }
        }
        let output = if input.peek(Token![->]) {
            input.parse::<Token![->]>()?;
            take_balanced(input, &|input| input.peek(Token![where]) || is_body(input))?
        } else {
            TokenStream::new()
        };
        let where_clause = take_balanced(input, &is_body)?;
        let TokenTree::Group(body) = input.parse()? else {
            return Err(input.error("expected a body in braces"));
        };
        let mut attributes = attributes;
        let body = take_inner_attributes(body, &mut attributes)?;
        Ok(Self {
            scope: None,
            attributes,
            head,
            qualifiers,
            keyword,
            name,
            generics,
            parentheses,
            parameters,
            output,
            where_clause,
            body,
        })
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
    /// Half a parameter, as it is while somebody writes it.
    Untyped,
    Other,
}

impl Parameter {
    pub(crate) fn role(&self) -> Role {
        if self.kind.is_empty() {
            let mut names = self.pattern.clone().into_iter();
            let is_self = names.any(|token| matches!(&token, TokenTree::Ident(name) if name == "self"));
            return if is_self { Role::Receiver } else { Role::Untyped };
        }
        if self.is_of_another() {
            return Role::Other;
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

impl Parameter {
    /// Whether its own attributes say that it is a value of another's, whatever its type: of rstest's fixture of
    /// another name, or of one with arguments, or of a list.
    fn is_of_another(&self) -> bool {
        self.attributes.iter().any(|attribute| {
            let is_ours = |path: Path| path.segments.last().is_some_and(|last| last.ident == "reaper");
            match attribute.path().get_ident().map(ToString::to_string).as_deref() {
                Some("from") => attribute.parse_args().is_ok_and(|fixture| !is_ours(fixture)),
                Some("with" | "case" | "values" | "files") => true,
                _ => false,
            }
        })
    }
}

impl Parse for Parameter {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let pattern = take_until(input, &|input| {
            input.peek(Token![,]) || (input.peek(Token![:]) && !input.peek(Token![::]))
        })?;
        let kind = if input.peek(Token![:]) {
            input.parse::<Token![:]>()?;
            take_balanced(input, &|input| input.peek(Token![,]))?
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

/// Whether a body comes next. Nothing else that can stand in a test's signature, outside `<` and `>`, is in braces.
fn is_body(input: ParseStream<'_>) -> bool {
    input.peek(token::Brace)
}

pub(crate) fn take_until(
    input: ParseStream<'_>,
    end: &dyn Fn(ParseStream<'_>) -> bool,
) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !end(input) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

/// Up to an end outside all angle brackets. An arrow is no bracket.
pub(crate) fn take_balanced(
    input: ParseStream<'_>,
    end: &dyn Fn(ParseStream<'_>) -> bool,
) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    let mut depth = 0_usize;
    while !(input.is_empty() || depth == 0 && end(input)) {
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

/// `#![allow(…)]` and `//!` at the beginning of a body are the function's. They may be only there or before it, and
/// the body becomes part of another.
fn take_inner_attributes(body: Group, attributes: &mut Vec<Attribute>) -> syn::Result<Group> {
    let parse = |input: ParseStream<'_>| {
        let mut inner = Vec::new();
        while input.peek(Token![#]) && input.peek2(Token![!]) {
            inner.extend(Attribute::parse_inner(input)?);
        }
        Ok((inner, input.parse::<TokenStream>()?))
    };
    let (inner, rest) = syn::parse::Parser::parse2(parse, body.stream())?;
    if inner.is_empty() {
        return Ok(body);
    }
    attributes
        .extend(inner.into_iter().map(|attribute| Attribute { style: syn::AttrStyle::Outer, ..attribute }));
    let mut without = Group::new(body.delimiter(), rest);
    without.set_span(body.span());
    Ok(without)
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
