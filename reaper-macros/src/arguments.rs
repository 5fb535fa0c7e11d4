//! What stands in the parentheses of the attribute.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, Path, Token};

use crate::mistakes::Mistakes;

/// The arguments of `#[with_reaper]`.
#[derive(Default)]
pub(crate) struct Arguments {
    /// Where the library is, if that was said.
    pub(crate) library: Option<Path>,
    /// Another attribute makes a test of the function.
    pub(crate) registered: bool,
    /// What it stands on, in a guarded module, is left alone.
    pub(crate) skip: bool,
    /// With what the things of the test go, if that was said.
    pub(crate) scope: Option<Scope>,
}

/// With what the things of a test go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Session,
    Test,
}

impl Scope {
    /// As it is written in the attribute.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Test => "test",
        }
    }

    fn parse(input: ParseStream<'_>, name: &Ident) -> syn::Result<Self> {
        let message = "`scope` takes one of two words: `scope = \"test\"`, gone with the test, or `scope = \"session\"`, \
                       gone with the run";
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(name.span(), message));
        }
        input.parse::<Token![=]>()?;
        let place = if input.is_empty() { name.span() } else { input.span() };
        let word = input.parse::<syn::LitStr>().map_err(|_| syn::Error::new(place, message))?;
        let named = [Self::Session, Self::Test].into_iter().find(|scope| scope.word() == word.value());
        named.ok_or_else(|| syn::Error::new(word.span(), message))
    }
}

impl Arguments {
    /// Whether anything but `skip` is said.
    fn says_more(&self) -> bool {
        self.registered || self.library.is_some() || self.scope.is_some()
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        each_argument(input, &mut |name, mistakes| {
            let is_second = match name.to_string().as_str() {
                "crate" => arguments.library.replace(library_path(input, name)?).is_some(),
                "registered" => std::mem::replace(&mut arguments.registered, true),
                "skip" => std::mem::replace(&mut arguments.skip, true),
                "scope" => arguments.scope.replace(Scope::parse(input, name)?).is_some(),
                _ => {
                    mistakes.add(
                        name.span(),
                        format!(
                            "unknown argument `{name}`; known: `crate = path::to::reaper`, `registered`, `scope = \"test\"`, \
                             `skip`. What concerns the whole session (image, timeouts, engine) is set in the environment, once for \
                             all its tests"
                        ),
                    );
                    skip_to_comma(input)?;
                    false
                }
            };
            if !is_second && arguments.skip && arguments.says_more() {
                mistakes.add(name.span(), "`skip` leaves all as it is, so it stands alone");
            }
            Ok(is_second)
        })?;
        Ok(arguments)
    }
}

/// Takes one argument by its name; says whether it is there a second time.
type Take<'a> = dyn FnMut(&Ident, &mut Mistakes) -> syn::Result<bool> + 'a;

/// Goes through the arguments of an attribute, and reports all mistakes in them at once.
pub(crate) fn each_argument(input: ParseStream<'_>, take: &mut Take<'_>) -> syn::Result<()> {
    let mut mistakes = Mistakes::default();
    while !input.is_empty() {
        let name = input.call(Ident::parse_any)?;
        if take(&name, &mut mistakes)? {
            mistakes.add(name.span(), format!("`{name}` is given twice"));
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    mistakes.into_result()
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

/// Past what is not understood.
pub(crate) fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
