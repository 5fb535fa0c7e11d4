//! `#[shared]`: the expansions, held still, and who is told from whom.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use expect_test::{Expect, expect};

use super::pretty;
use crate::check::Place;
use crate::compiler::Compiler;
use crate::shared::expand;
use crate::source;

fn expanded(arguments: &str, code: &str, expected: &Expect) {
    let tokens = expand(
        arguments.parse().unwrap(),
        &code.parse().unwrap(),
        &Place::Unregistered,
        &Compiler::default(),
    );
    expected.assert_eq(&pretty(&tokens));
}

#[test]
fn an_async_fixture_is_made_under_its_guard() {
    expanded(
        "",
        "#[fixture] pub async fn database(reaper: Reaper) -> Result<Url, E> { start(&reaper).await }",
        &expect![[r##"
            #[fixture]
            pub async fn database(reaper: Reaper) -> Result<Url, E> {
                match ::reaper::__private::shared::under(&reaper) {
                    guard => {
                        ::reaper::__private::shared::Returns::<Result<Url, E>>::new()
                            .kind()
                            .make(
                                guard,
                                ::reaper::__private::shared::key(
                                    ::core::concat!(::core::module_path!(), "::database"),
                                ),
                                async move || -> Result<Url, E> { start(&reaper).await },
                            )
                            .await
                    }
                }
            }
        "##]],
    );
}

#[test]
fn a_sync_function_without_a_value_or_a_guard() {
    expanded(
        "crate = crate::testing::reaper",
        "fn r#match() { migrate() }",
        &expect![[r#"
            fn r#match() {
                match crate::testing::reaper::__private::shared::under_any() {
                    guard => {
                        crate::testing::reaper::__private::shared::Returns::<()>::new()
                            .kind()
                            .make_blocking(
                                &guard,
                                &crate::testing::reaper::__private::shared::key(
                                    ::core::concat!(::core::module_path!(), "::match"),
                                ),
                                move || { migrate() },
                            )
                    }
                }
            }
        "#]],
    );
}

#[test]
fn a_key_may_name_what_differs() {
    expanded(
        "key = format!(\"{}-{name}\", port)",
        "fn database(_: &Reaper, mut port: u16, name: &str) -> Url { start(port, name) }",
        &expect![[r#"
            fn database(_: &Reaper, mut port: u16, name: &str) -> Url {
                match ::reaper::__private::shared::under_any() {
                    guard => {
                        ::reaper::__private::shared::Returns::<Url>::new()
                            .kind()
                            .make_blocking(
                                &guard,
                                &::reaper::__private::shared::key(format!("{}-{name}", port)),
                                move || -> Url { start(port, name) },
                            )
                    }
                }
            }
        "#]],
    );
}

#[test]
fn what_rstest_made_of_it_before_is_left_alone() {
    expanded(
        "",
        "#[doc(hidden)] #[allow(unused_mut)] pub async fn get(reaper: Reaper) -> Url { database(reaper).await }",
        &expect![[r#"
            #[doc(hidden)]
            #[allow(unused_mut)]
            pub async fn get(reaper: Reaper) -> Url {
                database(reaper).await
            }
        "#]],
    );
}

#[test]
fn a_mistaken_function_stays() {
    expanded(
        "",
        "#[fixture] fn database(port: u16) -> impl Sized { port }",
        &expect![[r#"
            ::core::compile_error! {
                "the value goes to other processes as the type that is written here: name it in place of `impl`"
            }
            ::core::compile_error! {
                "the value is made once, whatever the others pass here: make it in the body, or have a value for each with a key that names it, `key = format!(\"database-{port}\")`"
            }
            #[allow(unused)]
            fn database(port: u16) -> impl Sized {
                port
            }
        "#]],
    );
}

#[test]
fn a_test_attribute_above_is_seen_in_the_source() {
    for above in ["test", "tokio::test", "rstest", "reaper::with_reaper"] {
        let code = format!("#[{above}]\n#[reaper::shared]\nfn migrated() {{}}");
        let place =
            source::surroundings(&code, 2, 1, "#[reaper::shared]").map_or(Place::Obscure, Place::Known);
        let tokens = expand(
            proc_macro2::TokenStream::new(),
            &"fn migrated() {}".parse().unwrap(),
            &place,
            &Compiler::default(),
        );
        assert!(tokens.to_string().contains("a test is not shared"), "{above}: {tokens}");
    }
}
