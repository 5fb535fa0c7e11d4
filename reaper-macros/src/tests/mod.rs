//! Strings in, mistakes and expansions out; no compiler needed.
//!
//! What needs one is in the package `reaper-tests`: the texts of the errors as the compiler shows them, and
//! every composition with other test attributes, run.

use proc_macro2::TokenStream;

use crate::check::Place;
use crate::compiler::Compiler;
use crate::library::Library;
use crate::parse::{Function, Item};
use crate::source;

mod check;
mod compiler;
mod doubts;
mod expansion;
mod shared;
mod surroundings;

/// Where a compiler that is not known has it.
fn reaper() -> Library {
    Library::find(None, &Compiler::default()).expect("the usual place")
}

fn function(code: &str) -> Function {
    match syn::parse_str::<Item>(code) {
        Ok(Item::Function(function)) => function,
        Ok(Item::Module(_)) => panic!("a module and no function: {code}"),
        Err(error) => panic!("{error}: {code}"),
    }
}

/// Splits at the line `#[with_reaper]`: what the macro sees is what follows; what precedes is only in the file.
fn seen(code: &str) -> (Function, Place) {
    let line =
        code.lines().position(|line| line.trim() == "#[with_reaper]").expect("a line `#[with_reaper]`");
    let column = code.lines().nth(line).unwrap().find('#').unwrap();
    let rest = code.lines().skip(line + 1).collect::<Vec<_>>().join("\n");
    // What was opened before that line is closed behind the item.
    let is_whole = rest.parse::<TokenStream>().is_ok();
    let rest = if is_whole { &rest } else { rest.trim_end().trim_end_matches(" }").trim_end_matches(" ]);") };
    let place = source::surroundings(code, line + 1, column + 1, "#[with_reaper]")
        .map_or(Place::Obscure, Place::Known);
    (function(rest), place)
}

fn pretty(tokens: &TokenStream) -> String {
    let file = syn::parse2(tokens.clone()).unwrap_or_else(|error| panic!("{error}: {tokens}"));
    prettyplease::unparse(&file)
}
