//! The path under which an expansion finds the library, from wherever it stands.

use std::rc::Rc;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::Path;

use crate::compiler::{Compiler, Found};

/// A path that means the library in the module of the attribute. Counted, for syn's types are compiled without copying.
#[derive(Clone)]
pub(crate) struct Library(Rc<Path>);

impl Library {
    /// The one that was given, or else the one that the compiler knows.
    pub(crate) fn find(given: Option<Path>, compiler: &Compiler) -> syn::Result<Self> {
        if let Some(given) = given {
            return Ok(Self::at(given));
        }
        let lost = |why: &str| {
            let message = format!("{why}: say where it is, `crate = path::to::reaper`, in the parentheses");
            Err(syn::Error::new(Span::call_site(), message))
        };
        match compiler.library() {
            Found::At(name) => {
                let name = syn::Ident::new(&name, Span::call_site());
                Ok(Self::at(syn::parse_quote!(::#name)))
            }
            Found::Nowhere => {
                lost("the library of this attribute, test-reaper, is no dependency of this crate's own")
            }
            Found::Several(names) => {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                lost(&format!(
                    "any of these dependencies may be the library of this attribute: {}",
                    names.join(", ")
                ))
            }
        }
    }

    fn at(path: Path) -> Self {
        Self(Rc::new(path))
    }

    /// The path for a module inside the one of the attribute.
    pub(crate) fn one_module_in(&self, compiler: &Compiler) -> Self {
        let Self(path) = self;
        let Some(first) = path.segments.first().filter(|_| path.leading_colon.is_none()) else {
            return self.clone();
        };
        let first = first.ident.to_string();
        match first.as_str() {
            "crate" => self.clone(),
            "self" => {
                let rest = path.segments.iter().skip(1);
                Self::at(syn::parse_quote!(super #(::#rest)*))
            }
            "super" => Self::at(syn::parse_quote!(super::#path)),
            // A name of the module's own. Where it is not known, it is taken for a crate's, as it is at the root.
            _ if compiler.is_dependency(&first) == Some(false) => Self::at(syn::parse_quote!(super::#path)),
            _ => self.clone(),
        }
    }

    /// For what other macros may move to a module of theirs: a name that their `use super::*` finds, and its
    /// definition, where the path would mean something else there.
    pub(crate) fn fixed(&self, test: &syn::Ident) -> (Self, TokenStream) {
        let Self(path) = self;
        if path.leading_colon.is_some() || path.segments.first().is_some_and(|first| first.ident == "crate") {
            return (self.clone(), TokenStream::new());
        }
        let name = format_ident!("__reaper_of_{}", test);
        // Gone where the test is gone.
        (Self::at(name.clone().into()), quote!(#[cfg(test)] use #path as #name;))
    }
}

impl ToTokens for Library {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
