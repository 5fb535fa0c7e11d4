//! A guarded module: what is guarded, what is left alone, and what is asked about.

use super::{pretty, reaper};
use crate::arguments::Arguments;
use crate::compiler::Compiler;
use crate::members;
use crate::parse::Item;

fn guarded(code: &str) -> String {
    let code = format!("mod tests {{ {code} }}");
    let Ok(Item::Module(module)) = syn::parse_str(&code) else { panic!("a module: {code}") };
    members::guarded(&reaper(), &Arguments::default(), &Compiler::default(), module).to_string()
}

#[test]
fn what_may_be_a_test_is_asked_about() {
    let cases = [
        "#[unheard_of] fn a() {}",
        "#[my::proptest_like] fn a(x: u8) {}",
        "#[cfg_attr(unix, test)] fn a() {}",
        "#[cfg_attr(unix, cold, tokio::test)] fn a() {}",
        "#[case(1)] fn a(x: u8) {}",
        "tests! { a b }",
        "my::tests!(a, b);",
        "include!(\"more.rs\");",
        "#[makes_tests] mod inner { fn a() {} }",
        "#[test_suite] impl Tests { fn a() {} }",
        "#[apply(logged!)] fn a() {}",
    ];
    for code in cases {
        // Beside a test that is seen, so that this is no other error.
        let expanded = guarded(&format!("#[test] fn seen() {{}} {code}"));
        assert!(expanded.contains("cannot tell whether"), "{code}: {expanded}");
        let skipped = guarded(&format!("#[test] fn seen() {{}} #[with_reaper(skip)] {code}"));
        assert!(!skipped.contains("compile_error"), "{code}: {skipped}");
        assert!(!skipped.contains("with_reaper"), "{code}: {skipped}");
    }
    let expanded = guarded("#[test] fn seen() {} mod more;");
    assert!(expanded.contains("in another file"), "{expanded}");
    let skipped = guarded("#[test] fn seen() {} #[reaper::with_reaper(skip)] mod more;");
    assert!(!skipped.contains("compile_error"), "{skipped}");
}

/// For both rustc has an error of its own, which does not say what to do.
#[test]
fn what_is_not_seen_as_a_whole_is_told_of_the_helper() {
    let crate_with_tests = "#[prelude_import] use std::prelude::rust_2024::*; #[test] fn a() {}";
    for (code, place) in [("mod tests;", "in a file of its own"), (crate_with_tests, "a whole file")] {
        let Err(error) = syn::parse_str::<Item>(code) else { panic!("{code} is taken") };
        let message = error.to_string();
        assert!(message.contains(place) && message.contains("`reaper::labels()`"), "{message}");
    }
}

#[test]
fn what_is_no_test_needs_no_word() {
    let code = "
        #![allow(dead_code)]
        use super::{One, Two as Other};
        pub(crate) use more::*;
        const SHIFTED: u8 = 1 << 3;
        const LESS: bool = 1 < 2;
        const VALUES: [u8; 1] = vec![1].len() as u8;
        static NAME: &str = stringify!(name);
        type Call = fn(u8) -> u8;
        thread_local! { static A: u8 = 1; }
        macro_rules! own { () => { #[test] fn four() {} } }
        #[derive(Debug, Clone)] #[serde(rename_all = \"lowercase\")] struct A { #[serde(skip)] a: u8 }
        struct B<const N: usize = { 1 }>(u8);
        struct Unit;
        #[derive(Default)] enum C { #[default] A }
        impl<T> From<B<{ 1 }>> for A where T: Fn(u8) -> u8 { fn from(_: B) -> Self { todo!() } }
        #[async_trait::async_trait] pub trait D { async fn d(); }
        unsafe impl Send for A {}
        extern \"C\" { fn e(); }
        extern crate std;
        #[allow(unused)] #[cfg(unix)] #[inline] #[doc = \"x\"] #[must_use] #[track_caller] fn f() {}
        #[tracing::instrument(skip(x))] async fn g(x: u8) {}
        #[cached::proc_macro::cached] fn h() -> u8 { 1 }
        #[async_recursion::async_recursion] async fn i() {}
        #[cfg_attr(unix, allow(unused), tracing::instrument)] fn j() {}
        #[unsafe(no_mangle)] pub extern \"C\" fn k() {}
        #[shared] fn l() -> u8 { 1 }
        const fn m<const N: usize>() -> [u8; N] { [0; N] }
        #[test] fn the_test() {}";
    let expanded = guarded(code);
    assert!(!expanded.contains("compile_error"), "{expanded}");
    assert_eq!(expanded.matches("__private").count(), 1, "{expanded}");
    // All of it is there.
    let compact = |text: &str| text.split_whitespace().collect::<String>();
    let without = compact(&expanded).replace("#[::reaper::__private::guard(crate=::reaper)]", "");
    assert_eq!(without, compact(&format!("mod tests {{ {code} }}")));
}

#[test]
fn properties_are_tests_too() {
    let code = "mod tests { proptest! {
        #![proptest_config(ProptestConfig::with_cases(10))]
        #[test]
        fn holds(a in any::<Result<u8, u8>>(), (b, c) in pair(), reaper: Reaper) { check(a, b, c); }
        fn helper(a in 0..5) {}
    } }";
    let Ok(Item::Module(module)) = syn::parse_str(code) else { panic!("a module") };
    let expanded = pretty(&members::guarded(&reaper(), &Arguments::default(), &Compiler::default(), module));
    let compact: String = expanded.split_whitespace().collect();
    assert!(compact.contains("#![proptest_config(ProptestConfig::with_cases(10))]"), "{expanded}");
    let head = "#[test]#[::reaper::__private::guard(crate=::reaper)]fnholds(ainany::<Result<u8,u8>>(),(b,c)inpair())";
    assert!(compact.contains(head), "{expanded}");
    assert!(compact.contains("fnhelper(ain0..5){}"), "{expanded}");
}

#[test]
fn a_module_that_guards_itself_is_left_alone() {
    let expanded = guarded("#[with_reaper] mod inner { #[test] fn a() {} } #[reaper::with_reaper] fn b() {}");
    assert!(!expanded.contains("compile_error") && !expanded.contains("__private"), "{expanded}");
}
