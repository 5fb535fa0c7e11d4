//! The attribute macros of `test-reaper`, which re-exports them: use them from there.
//!
//! The way through this crate: `arguments` and `parse` make a model of the tokens, `source` and `meaning` find out what the
//! other attributes around ours are, `check` gathers the mistakes, `expand` writes the expansion; `compiler` and
//! `library` know what the library is called. `members` is the same for a module, `shared` for `#[shared]`.

use proc_macro::TokenStream;

mod arguments;
mod check;
mod compiler;
mod expand;
mod library;
mod meaning;
mod members;
mod mistakes;
mod parse;
mod shared;
mod source;
#[cfg(test)]
mod tests;

use arguments::Arguments;
use check::{Place, Runtimes};
use compiler::Compiler;
use library::Library;
use parse::{Function, Item};

#[expect(missing_docs, reason = "its page is where it is re-exported: the examples need the library")]
#[proc_macro_attribute]
pub fn with_reaper(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let untouched = proc_macro2::TokenStream::from(item.clone());
    let compiler = Compiler::running();
    let found = syn::parse::<Arguments>(arguments)
        .and_then(|mut arguments| Ok((Library::find(arguments.library.take(), compiler)?, arguments)));
    let (library, arguments) = match found {
        Ok(found) => found,
        Err(mistakes) => return expand::with_mistakes(&mistakes, &untouched).into(),
    };
    if arguments.skip {
        return untouched.into();
    }
    let expanded = match syn::parse::<Item>(item) {
        Ok(Item::Function(function)) => {
            let runtimes = Runtimes { tokio: cfg!(feature = "tokio") };
            let place = place(proc_macro::Span::call_site(), compiler);
            expand::function(&library, &arguments, function, &place, runtimes)
        }
        Ok(Item::Module(module)) => members::guarded(&library, &arguments, compiler, module),
        Err(mistakes) => expand::with_mistakes(&mistakes, &untouched),
    };
    expanded.into()
}

#[expect(missing_docs, reason = "as above")]
#[proc_macro_attribute]
pub fn shared(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let compiler = Compiler::running();
    let place = place(proc_macro::Span::call_site(), compiler);
    shared::expand(arguments.into(), &item.into(), &place, compiler).into()
}

/// What `#[with_reaper]` leaves at the end of a test's attributes; not for use by hand.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn guard(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let untouched = proc_macro2::TokenStream::from(item.clone());
    let found = syn::parse::<Arguments>(arguments)
        .and_then(|arguments| Ok((Library::find(arguments.library, Compiler::running())?, arguments.scope)));
    let expanded = found.and_then(|(library, scope)| match syn::parse::<Item>(item)? {
        Item::Function(function) => Ok(expand::marked(&library, Function { scope, ..function })),
        Item::Module(module) => {
            let message = "another attribute has made a module of this test, which `#[with_reaper]` cannot guard any \
                           more: write it below that attribute";
            Err(syn::Error::new_spanned(module.head, message))
        }
    });
    expanded.unwrap_or_else(|mistakes| expand::with_mistakes(&mistakes, &untouched)).into()
}

/// Where the attribute stands, as far as the compiler tells.
fn place(span: proc_macro::Span, compiler: &Compiler) -> Place {
    // Where nothing is registered there is nothing to be lost: a doctest is compiled without tests, from a text that
    // lies in no file.
    let unseen = if compiler.is_without_tests() { Place::Unregistered } else { Place::Obscure };
    let Some(file) = span.local_file() else {
        // A file that is none (`<anon>`) holds what a macro put together. No name at all, or one without a
        // file behind it, is an editor's view of the code.
        return if span.file().starts_with('<') { unseen } else { Place::Unregistered };
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let written = span.source_text().unwrap_or_default();
    source::surroundings(&text, span.line(), span.column(), &written).map_or(unseen, Place::Known)
}
