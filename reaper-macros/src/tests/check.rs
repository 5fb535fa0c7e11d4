//! Who registers a test, and the mistakes that only a test build can show.

use super::{function, seen};
use crate::arguments::Arguments;
use crate::check::{Place, Registration, Runtimes, check};
use crate::parse::{Function, Role};

const TOKIO: Runtimes = Runtimes { tokio: true };

fn registration(code: &str) -> Result<Registration, String> {
    let (function, place) = seen(code);
    outcome(&function, &place, TOKIO)
}

fn outcome(function: &Function, place: &Place, runtimes: Runtimes) -> Result<Registration, String> {
    check(&Arguments::default(), function, place, runtimes).map_err(|mistakes| {
        let texts: Vec<_> = mistakes.into_iter().map(|mistake| mistake.to_string()).collect();
        texts.join("\n")
    })
}

#[test]
fn who_registers_the_test_is_told_from_the_source() {
    use Registration::{Above, Below, Missing};
    let cases = [
        ("#[with_reaper]\nfn a() {}", Missing),
        ("fn b() {}\n#[with_reaper]\nfn a() {}", Missing),
        ("use x::{y};\n#[with_reaper]\nfn a() {}", Missing),
        ("mod m {\n#[with_reaper]\nfn a() {} }", Missing),
        ("#![allow(dead_code)]\n#[with_reaper]\nfn a() {}", Missing),
        ("#[ignore]\n#[serial]\n/// test\n#[with_reaper]\nfn a() {}", Missing),
        ("// #[test]\n#[with_reaper]\nfn a() {}", Missing),
        ("/* #[test] */\n#[with_reaper]\nfn a() {}", Missing),
        ("const A: &str = \"#[test]\";\n#[with_reaper]\nfn a() {}", Missing),
        ("#[with_reaper]\n#[should_panic]\n#[clippy::msrv = \"1\"]\nasync fn a() {}", Missing),
        ("#[test]\n#[with_reaper]\nfn a() {}", Above),
        ("#[test] // \"\n\n/* ] */ #[ignore = \"]\"] #[doc = r#\"[\"#]\n#[with_reaper]\nfn a() {}", Above),
        ("#[tokio::test(flavor = \"multi_thread\")]\n#[with_reaper]\nfn a() {}", Above),
        ("#[rstest]\n#[case::empty(']')]\n#[with_reaper]\nfn a() {}", Above),
        ("macro_rules! m { () => { #[test]\n#[with_reaper]\nfn a() {} } }", Above),
        ("#[with_reaper]\n#[test]\nfn a() {}", Below),
        ("#[with_reaper]\n#[sqlx::test]\nfn a(pool: Pool) {}", Below),
        ("#[unheard_of]\n#[with_reaper]\n#[test]\nfn a() {}", Below),
        ("tests! {\n#[with_reaper]\n#[test]\nfn a() {} }", Below),
    ];
    for (code, expected) in cases {
        assert_eq!(registration(code), Ok(expected), "{code}");
    }
}

#[test]
fn a_doubt_is_an_error_and_neither_a_second_test_nor_none() {
    let cases = [
        "#[unheard_of]\n#[with_reaper]\nfn a() {}",
        "#[with_reaper]\n#[unheard_of]\nfn a() {}",
        "#[cfg_attr(unix, test)]\n#[with_reaper]\nfn a() {}",
        "#[with_reaper]\n#[cfg_attr(unix, tokio::test)]\nfn a() {}",
        "#[with_reaper]\n#[apply(logged!)]\nfn a() {}",
        "tests! {\n#[with_reaper]\nfn a() {} }",
        "macro_rules! tests { () => {\n#[with_reaper]\nfn a() {} } }",
        "tests!(a, [\n#[with_reaper]\nfn a() {} ]);",
        "m! { mod inner {\n#[with_reaper]\nfn a() {} } }",
        "$(#[$attribute])*\n#[with_reaper]\nfn a() {}",
        "#[$attribute]\n#[with_reaper]\nfn a() {}",
    ];
    for code in cases {
        let error = registration(code).expect_err(code);
        assert!(error.contains("cannot tell whether"), "{code}: {error}");
    }
    let error = outcome(&function("fn a() {}"), &Place::Obscure, TOKIO).expect_err("not found in the source");
    assert!(error.contains("cannot tell whether"), "{error}");
}

#[test]
fn an_editor_and_a_doctest_see_no_error() {
    assert_eq!(outcome(&function("fn a() {}"), &Place::Unregistered, TOKIO), Ok(Registration::Missing));
}

#[test]
fn a_case_that_would_be_the_only_one_guarded_is_an_error() {
    for code in [
        "#[rstest]\n#[with_reaper]\n#[case(1)]\n#[case(2)]\nfn a(x: u8) {}",
        "#[rstest]\n#[case(1)]\n#[with_reaper]\n#[case::two(2)]\nfn a(x: u8) {}",
    ] {
        // rstest has taken the cases away and put its test attribute.
        let (_, place) = seen(code);
        let error = outcome(&function("#[test] fn case_1() {}"), &place, TOKIO).expect_err(code);
        assert!(error.contains("only the `#[case]` that follows"), "{error}");
    }
    let code = "#[with_reaper]\n#[rstest]\n#[case(1)]\n#[case(2)]\nfn a(#[case] x: u8) {}";
    assert_eq!(registration(code), Ok(Registration::Below));
}

#[test]
fn an_async_test_by_itself_needs_a_runtime() {
    let none = Runtimes { tokio: false };
    let error = outcome(&function("async fn a() {}"), &Place::Unregistered, none).expect_err("no runtime");
    assert!(error.contains("feature `tokio`"), "{error}");
    let fine = function("#[smol_potat::test] async fn a() {}");
    assert_eq!(outcome(&fine, &Place::Unregistered, none), Ok(Registration::Below));
}

#[test]
fn parameters_are_read_with_commas_and_arrows_inside_their_types() {
    let function = function(
        "fn a<const N: usize>(map: HashMap<String, Vec<u8>>, call: impl Fn(u8, u8) -> Result<u8, ()>, \
         #[case] [x, y]: [u8; 2], Point { x: z, .. }: geometry::Point, reaper: ::reaper::Reaper) -> impl Sized \
         where [(); N]: Sized {}",
    );
    let others = function.parameters.iter().filter(|parameter| matches!(parameter.role(), Role::Other));
    assert_eq!((function.parameters.len(), others.count()), (5, 4));
    assert!(matches!(function.parameters[4].role(), Role::Guard));
}

#[test]
fn a_parameter_is_no_receiver_while_its_type_is_being_written() {
    for code in ["#[with_reaper]\nfn a(reaper: ) {}", "#[with_reaper]\nfn a(reaper) {}"] {
        let error = registration(code).expect_err(code);
        assert!(
            error.contains("`reaper: Reaper` is the guard") && !error.contains("self"),
            "{code}: {error}"
        );
        let (function, _) = seen(code);
        let plain = crate::expand::plain(&super::reaper(), &function).to_string();
        let plain: String = plain.split_whitespace().collect();
        assert!(plain.ends_with("fna(reaper:::reaper::Reaper){}"), "{plain}");
    }
}

#[test]
fn below_a_case_of_another_crate_it_would_guard_some_only() {
    for code in [
        "#[test_case(1)]\n#[with_reaper]\n#[test_case(2)]\nfn a(x: u8) {}",
        "#[ntest::test_case(1)]\n#[ntest::test_case(2)]\n#[with_reaper]\nfn a(x: u8) {}",
        "#[test_case::test_matrix([1, 2])]\n#[with_reaper]\nfn a(x: u8) {}",
    ] {
        let (_, place) = seen(code);
        let error = outcome(&function("#[test] fn a_1() {}"), &place, TOKIO).expect_err(code);
        assert!(error.contains("above all of them"), "{code}: {error}");
    }
}

#[test]
fn another_attribute_may_be_said_to_make_the_test() {
    let arguments = Arguments { registered: true, ..Arguments::default() };
    for code in [
        "#[unheard_of]\n#[with_reaper]\nfn a() {}",
        "#[with_reaper]\n#[unheard_of]\nfn a(x: u8) {}",
        "tests! {\n#[with_reaper]\nfn a() {} }",
    ] {
        let (function, place) = seen(code);
        assert_eq!(check(&arguments, &function, &place, TOKIO).ok(), Some(Registration::Below), "{code}");
    }
}
