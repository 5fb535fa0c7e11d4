//! The attribute macros of `test-reaper`, which re-exports them: use them from there.
//!
//! The way through this crate: `parse` makes a model of the tokens, `source` and `meaning` find out what the
//! other attributes around ours are, `check` gathers the mistakes, `expand` writes the expansion.

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod check;
mod expand;
mod meaning;
mod parse;
mod source;
#[cfg(test)]
mod tests;

use check::{Place, Runtimes};
use parse::{Arguments, Item};

/// Guards a test, or every test of a module: what it creates with the guard's labels does not outlive the run.
#[proc_macro_attribute]
pub fn with_reaper(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let untouched = proc_macro2::TokenStream::from(item.clone());
    let arguments = match syn::parse::<Arguments>(arguments) {
        Ok(arguments) => arguments,
        Err(mistakes) => return expand::with_mistakes(&mistakes, &untouched).into(),
    };
    let expanded = match syn::parse::<Item>(item) {
        Ok(Item::Function(function)) => {
            let runtimes = Runtimes { tokio: cfg!(feature = "tokio") };
            expand::function(&arguments, function, &place(proc_macro::Span::call_site()), runtimes)
        }
        Ok(Item::Module(module)) => expand::module(&arguments, module),
        Err(mistakes) => expand::with_mistakes(&mistakes, &untouched),
    };
    expanded.into()
}

/// What `#[with_reaper]` leaves at the end of a test's attributes; not for use by hand.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn guard(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as Arguments);
    let untouched = proc_macro2::TokenStream::from(item.clone());
    match syn::parse::<Item>(item) {
        Ok(Item::Function(function)) => expand::marked(&arguments, function).into(),
        _ => untouched.into(),
    }
}

/// Where the attribute stands, as far as the compiler tells.
fn place(span: proc_macro::Span) -> Place {
    let Some(file) = span.local_file() else {
        // A file that is none (`<anon>`) holds what a macro put together. No name at all, or one without a
        // file behind it, is an editor's view of the code or a doctest.
        return if span.file().starts_with('<') { Place::Obscure } else { Place::Unregistered };
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    source::surroundings(&text, span.line(), span.column()).map_or(Place::Obscure, Place::Known)
}
