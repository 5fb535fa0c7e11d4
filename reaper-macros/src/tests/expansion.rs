//! The expansions, held still. `UPDATE_EXPECT=1 cargo test -p test-reaper-macros` writes them anew.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use expect_test::{Expect, expect};

use super::{function, pretty, reaper, seen};
use crate::arguments::Arguments;
use crate::check::Runtimes;
use crate::compiler::Compiler;
use crate::library::Library;
use crate::parse::Item;
use crate::{expand, members};

fn expanded(code: &str, expected: &Expect) {
    let (function, place) = seen(code);
    let tokens =
        expand::function(&reaper(), &Arguments::default(), function, &place, Runtimes { tokio: true });
    expected.assert_eq(&pretty(&tokens));
}

#[test]
fn alone_it_makes_a_test() {
    expanded(
        "#[with_reaper]\nfn orders() { check(); }",
        &expect![[r#"
        #[::core::prelude::v1::test]
        fn orders() {
            match ::reaper::__private::enter() {
                _guard => {
                    check();
                }
            }
        }
    "#]],
    );
}

/// The one that was said, wherever the guard is written.
#[test]
fn a_scope_that_was_said_is_asked_for() {
    let arguments = |text: &str| syn::parse_str::<Arguments>(text).expect("arguments");
    let expanded = |text: &str, code: &str| {
        let (function, place) = seen(code);
        let runtimes = Runtimes { tokio: true };
        expand::function(&reaper(), &arguments(text), function, &place, runtimes).to_string()
    };
    let is_in = |expanded: &str, wanted: &str| expanded.replace(' ', "").contains(wanted);
    for (word, variant) in [("test", "Test"), ("session", "Session")] {
        let said = format!("scope = \"{word}\"");
        let enter = format!("enter_in(::reaper::__private::Scope::{variant})");
        assert!(is_in(&expanded(&said, "#[with_reaper]\nfn orders() { check(); }"), &enter));
        let panics = expanded(&said, "#[with_reaper]\n#[should_panic]\nfn orders() { check(); }");
        assert!(is_in(&panics, &enter.replace("enter_in", "enter_or_report_in")), "{panics}");
        let marked = expanded(&said, "#[with_reaper]\n#[rstest]\nfn orders() { check(); }");
        assert!(is_in(&marked, &format!("guard(crate=::reaper,scope=\"{word}\")")), "{marked}");
        let Item::Module(module) =
            syn::parse_str("mod tests { #[test] fn one() {} mod two { #[test] fn two() {} } }")
                .expect("a module")
        else {
            panic!("not a module")
        };
        let module = members::guarded(&reaper(), &arguments(&said), &Compiler::default(), module).to_string();
        assert_eq!(module.matches(&format!("scope = \"{word}\"")).count(), 2, "{module}");
    }
}

#[test]
fn a_guard_parameter_becomes_a_name_in_the_body() {
    expanded(
        "#[with_reaper]\nfn orders(mut reaper: Reaper) -> Result<(), E> { check(&reaper)?; Ok(()) }",
        &expect![[r#"
            #[::core::prelude::v1::test]
            fn orders() -> Result<(), E> {
                match ::reaper::__private::enter() {
                    _guard => {
                        match (|| -> Result<(), E> {
                            match ::reaper::__private::parameter::<Reaper>() {
                                mut reaper => {
                                    check(&reaper)?;
                                    Ok(())
                                }
                            }
                        })() {
                            outcome => {
                                ::reaper::__private::Outcome::of(&outcome).note();
                                outcome
                            }
                        }
                    }
                }
            }
        "#]],
    );
}

#[test]
fn an_async_function_alone_runs_on_tokio() {
    expanded(
        "#[with_reaper]\nasync fn orders(reaper: &reaper::Reaper) -> Result<(), E> { check(reaper).await }",
        &expect![[r#"
            #[::core::prelude::v1::test]
            fn orders() -> Result<(), E> {
                match ::reaper::__private::enter() {
                    _guard => {
                        match (|| -> Result<(), E> {
                            ::reaper::__private::block_on(async || -> Result<(), E> {
                                match &::reaper::__private::parameter::<reaper::Reaper>() {
                                    reaper => check(reaper).await,
                                }
                            })
                        })() {
                            outcome => {
                                ::reaper::__private::Outcome::of(&outcome).note();
                                outcome
                            }
                        }
                    }
                }
            }
        "#]],
    );
}

#[test]
fn below_a_test_attribute_it_only_guards() {
    expanded(
        "#[test]\n#[with_reaper]\nfn orders() { check(); }",
        &expect![[r#"
        fn orders() {
            match ::reaper::__private::enter() {
                _guard => {
                    check();
                }
            }
        }
    "#]],
    );
}

#[test]
fn above_other_attributes_it_moves_to_the_end() {
    expanded(
        "#[with_reaper]\n#[rstest]\n#[case(1)]\n#[case(2)]\n#[tokio::test]\n\
         async fn orders(#[case] port: u16, reaper: Reaper) { check().await }",
        &expect![[r#"
            #[rstest]
            #[case(1)]
            #[case(2)]
            #[tokio::test]
            #[::reaper::__private::guard(crate = ::reaper)]
            async fn orders(#[case] port: u16) {
                match ::reaper::__private::parameter::<Reaper>() {
                    reaper => check().await,
                }
            }
        "#]],
    );
}

#[test]
fn the_marker_guards_whatever_the_other_attributes_made() {
    let made = function("#[test] fn case_1() -> Result<(), E> { let port = 1; orders(port) }");
    expect![[r#"
        #[test]
        fn case_1() -> Result<(), E> {
            match ::reaper::__private::enter() {
                _guard => {
                    match (|| -> Result<(), E> {
                        let port = 1;
                        orders(port)
                    })() {
                        outcome => {
                            ::reaper::__private::Outcome::of(&outcome).note();
                            outcome
                        }
                    }
                }
            }
        }
    "#]]
    .assert_eq(&pretty(&expand::marked(&reaper(), made)));
}

#[test]
fn an_expected_panic_is_not_ours() {
    expanded(
        "#[with_reaper]\n#[should_panic]\n#[test]\nfn orders() { panic!() }",
        &expect![[r#"
        #[should_panic]
        #[test]
        #[::reaper::__private::guard(crate = ::reaper)]
        fn orders() {
            panic!()
        }
    "#]],
    );
    let made = function("#[should_panic(expected = \"x\")] fn orders() { panic!() }");
    expect![[r##"
        #[should_panic(expected = "x")]
        fn orders() {
            match ::reaper::__private::enter_or_report() {
                ::core::option::Option::Some(_guard) => {
                    _guard.expecting(::core::option::Option::Some("x"), || { panic!() })
                }
                ::core::option::Option::None => {}
            }
        }
    "##]]
    .assert_eq(&pretty(&expand::marked(&reaper(), made)));
}

#[test]
fn every_test_of_a_module_is_guarded_and_nothing_else() {
    let code = "
        #[cfg(test)]
        mod tests {
            use super::*;
            const CALL: fn(u8) -> u8 = helper;
            fn helper(x: u8) -> u8 { x }
            #[fixture] fn port() -> u16 { 1 }
            #[template] #[rstest] #[case(1)] fn many(#[case] x: u8) {}
            #[test] fn one() { helper(1); }
            #[with_reaper] fn two() {}
            pub(crate) mod inner { #[tokio::test] async fn three(reaper: Reaper) {} }
            macro_rules! own { () => { #[test] fn four() {} } }
        }";
    let Ok(Item::Module(module)) = syn::parse_str(code) else { panic!("a module") };
    expect![[r#"
        #[cfg(test)]
        mod tests {
            use super::*;
            const CALL: fn(u8) -> u8 = helper;
            fn helper(x: u8) -> u8 {
                x
            }
            #[fixture]
            fn port() -> u16 {
                1
            }
            #[template]
            #[rstest]
            #[case(1)]
            fn many(#[case] x: u8) {}
            #[test]
            #[::reaper::__private::guard(crate = ::reaper)]
            fn one() {
                helper(1);
            }
            #[with_reaper]
            fn two() {}
            pub(crate) mod inner {
                #[tokio::test]
                #[::reaper::__private::guard(crate = ::reaper)]
                async fn three() {
                    match ::reaper::__private::parameter::<Reaper>() {
                        reaper => {}
                    }
                }
            }
            macro_rules! own {
                () => {
                    #[test] fn four() {}
                };
            }
        }
    "#]]
    .assert_eq(&pretty(&members::guarded(&reaper(), &Arguments::default(), &Compiler::default(), module)));
}

#[test]
fn the_library_can_be_elsewhere() {
    let mut arguments = syn::parse_str::<Arguments>("crate = crate::testing::reaper").expect("arguments");
    let (function, place) = seen("#[with_reaper]\n#[test]\nfn orders(reaper: Reaper) {}");
    let library = Library::find(arguments.library.take(), &Compiler::default()).expect("it is given");
    let tokens = expand::function(&library, &arguments, function, &place, Runtimes { tokio: true });
    expect![[r#"
        #[test]
        #[crate::testing::reaper::__private::guard(crate = crate::testing::reaper)]
        fn orders() {
            match crate::testing::reaper::__private::parameter::<Reaper>() {
                reaper => {}
            }
        }
    "#]]
    .assert_eq(&pretty(&tokens));
}

#[test]
fn a_mistaken_function_stays_without_being_a_test() {
    expanded(
        "#[with_reaper]\n#[cfg(unix)]\n#[rstest]\n#[ignore]\nconst fn orders(#[case] port: u16) {}",
        &expect![[r#"
            ::core::compile_error! {
                "a test talks to the engine, which a `const fn` cannot: remove `const`"
            }
            #[allow(unused)]
            #[cfg(unix)]
            const fn orders(port: u16) {}
        "#]],
    );
}
