//! The attribute macros of `test-reaper`, which re-exports them: use them from there.
//!
//! The way through this crate: `parse` makes a model of the tokens, `source` and `meaning` find out what the
//! other attributes around ours are, `check` gathers the mistakes, `expand` writes the expansion. `shared` is the
//! same for `#[shared]`.

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod check;
mod expand;
mod meaning;
mod parse;
mod shared;
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

/// Makes what a function returns once for the whole session, and gives it to all who call the function.
///
/// The first process of the session that calls it runs the body; all others, and all later calls, get what that
/// returned, by way of JSON: the type has to be serde's `Serialize` and `DeserializeOwned`. As `Reaper::shared`
/// does, on which it sits; that says what happens when the body fails or is killed.
///
/// - Sync or async, under any runtime; with rstest's `#[fixture]` above or below, or without.
/// - A parameter `Reaper` or `&Reaper` is the guard under which the value is made. Without one it is the one that
///   the test holds, or one that is acquired and held until the test's thread ends.
/// - What is shared of a `Result` is the value in it. The body's own error is for the one who ran it; for what
///   else can go wrong the error type has to be `From<reaper::Error>`, as `anyhow::Error` and `Box<dyn Error>`
///   are. A function that returns no result panics then.
/// - The key is the module path and the name of the function, so a function in `tests/common` is one for each test
///   binary. `#[shared(key = "database")]` gives another, to have one for all of them.
/// - Other parameters have to be named in the key, which is any expression for a text:
///   `#[shared(key = format!("database-{name}"))]`. Whatever else they were, it would be that of the first caller.
/// - `crate = path::to::reaper`, where the library is not at `::reaper`.
#[proc_macro_attribute]
pub fn shared(arguments: TokenStream, item: TokenStream) -> TokenStream {
    shared::expand(arguments.into(), &item.into(), &place(proc_macro::Span::call_site())).into()
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
