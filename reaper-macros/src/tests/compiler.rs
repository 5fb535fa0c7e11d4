//! What is read of the compiler's command line, and the paths that come of it.

use quote::ToTokens as _;

use crate::compiler::{Compiler, Found};
use crate::library::Library;

fn library(given: Option<&str>, command_line: &str) -> Result<Library, String> {
    let given = given.map(|path| syn::parse_str(path).expect("a path"));
    Library::find(given, &Compiler::with(command_line)).map_err(|error| error.to_string())
}

fn text(library: &Library) -> String {
    library.to_token_stream().to_string().replace(' ', "")
}

#[test]
fn the_library_is_found_by_its_file_under_whatever_name_it_goes() {
    let cases = [
        ("rustc --extern reaper=/t/libreaper-1f.rlib --test", "::reaper"),
        ("rustc --extern rpr=/t/libreaper-1f.rmeta --extern tokio=/t/libtokio-2.rlib", "::rpr"),
        ("rustc --extern=noprelude,priv:rpr=C:/t/libreaper-1f.rlib", "::rpr"),
        ("rustc --extern reaper", "::reaper"),
        // Another crate that hands all of it on.
        ("rustc --extern reaper=/t/libtesting-2.rlib", "::reaper"),
        ("rustc --extern rpr=/t/libreaper.rlib --extern reaper_x=/t/libreaper_x-1.rlib", "::rpr"),
        // No compiler: an editor's server.
        ("rust-analyzer-proc-macro-srv", "::reaper"),
    ];
    for (command_line, expected) in cases {
        assert_eq!(
            library(None, command_line).map(|library| text(&library)),
            Ok(expected.into()),
            "{command_line}"
        );
    }
}

#[test]
fn a_library_that_is_not_found_is_asked_for() {
    let nowhere = library(None, "rustc --extern testing=/t/libtesting-2.rlib").map(drop).expect_err("none");
    assert!(nowhere.contains("no dependency") && nowhere.contains("crate = path"), "{nowhere}");
    let both = "rustc --extern reaper=/t/libreaper-1.rlib --extern rpr=/t/libreaper-2.rlib";
    let several = library(None, both).map(drop).expect_err("several");
    assert!(several.contains("`reaper`, `rpr`") && several.contains("crate = path"), "{several}");
    assert_eq!(Compiler::with(both).library(), Found::Several(vec!["reaper".into(), "rpr".into()]));
}

#[test]
fn a_path_means_in_a_module_what_it_means_at_the_attribute() {
    let rustc = "rustc --extern reaper=/t/libreaper-1.rlib";
    let cases = [
        ("::reaper", "::reaper"),
        ("crate::testing::reaper", "crate::testing::reaper"),
        ("self::testing::reaper", "super::testing::reaper"),
        ("super::testing", "super::super::testing"),
        ("testing::reaper", "super::testing::reaper"),
        ("reaper", "reaper"),
    ];
    for (given, expected) in cases {
        let library = library(Some(given), rustc).expect("it is given");
        assert_eq!(text(&library.one_module_in(&Compiler::with(rustc))), expected, "{given}");
    }
}

#[test]
fn what_is_compiled_without_tests_is_told_by_the_command_line() {
    assert!(Compiler::with("rustc --extern reaper=a").is_without_tests());
    assert!(!Compiler::with("rustc --test --extern reaper=a").is_without_tests());
    assert!(!Compiler::default().is_without_tests());
}

#[test]
fn a_command_line_that_is_too_long_is_read_from_its_file() {
    let file = std::env::temp_dir().join(format!("arguments-{}", std::process::id()));
    std::fs::write(&file, "--extern\nrpr=/t/libreaper-1.rlib\n--test\n").expect("a file");
    let found = Compiler::with(&format!("rustc @{}", file.display()));
    std::fs::remove_file(&file).expect("the file");
    assert_eq!(found.library(), Found::At("rpr".into()));
    assert!(!found.is_without_tests());
}
