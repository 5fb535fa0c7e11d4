//! The look at the source: where an attribute ends, in spite of all that can stand in a file.

use crate::source::surroundings;

/// The attributes above and below `#[with_reaper]`, found by its place in the text.
fn around(text: &str) -> Option<(Vec<String>, Vec<String>)> {
    let at = text.find("#[with_reaper").expect("the attribute");
    let line = text[..at].matches('\n').count() + 1;
    let column = text[..at].chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    surroundings(text, line, column, "#[with_reaper").map(|found| (found.above, found.below))
}

fn lists(above: &[&str], below: &[&str]) -> (Vec<String>, Vec<String>) {
    let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    (owned(above), owned(below))
}

#[test]
fn attributes_are_found_nearest_first() {
    let text = "fn x() {}\n#[a]\n#[b(c = [1])] #[with_reaper(crate = d)]\n# [e]\n#[f]\nfn y() {}";
    assert_eq!(around(text), Some(lists(&["#[b(c = [1])]", "#[a]"], &["# [e]", "#[f]"])));
}

#[test]
fn what_readers_skip_is_no_attribute() {
    let cases = [
        "//#[a]\n#[with_reaper] fn y() {}",
        "/* /* #[a] */ #[a] */ #[with_reaper] fn y() {}",
        "fn x() { \"#[a]\\\"\"; '\\''; ']'; 'ä'; } #[with_reaper] fn y() {}",
        "fn x<'a>(_: &'a u8) { br##\"\"#[a]\"##; r#type; } #[with_reaper] fn y() {}",
        "fn x() { for_\"[\"; c\"[\"; b'['; } #[with_reaper] fn y() {}",
        "/// a doc's \"quote\n#[with_reaper] fn y() {}",
        "#![inner]\n#[with_reaper] fn y() {}",
    ];
    for text in cases {
        assert_eq!(around(text), Some(lists(&[], &[])), "{text}");
    }
}

#[test]
fn columns_count_characters_and_not_bytes() {
    assert_eq!(around("/* äöü \u{1f980} */ #[a] #[with_reaper] fn y() {}"), Some(lists(&["#[a]"], &[])));
}

#[test]
fn a_byte_order_mark_is_not_counted() {
    let found =
        surroundings("\u{feff}#[a] #[with_reaper] fn y() {}", 1, 6, "#[with_reaper]").expect("the attribute");
    assert_eq!(found.above, ["#[a]"]);
}

#[test]
fn a_place_without_the_attribute_is_not_taken_for_one() {
    for (line, column) in [(1, 1), (1, 6), (2, 1), (9, 9), (0, 0)] {
        assert_eq!(surroundings("#[a] fn y() {}\n", line, column, "#[with_reaper]"), None, "{line}:{column}");
    }
}

#[test]
fn an_attribute_under_a_condition_is_found_inside_it() {
    let found = surroundings("#[test]\n#[cfg_attr(docker, with_reaper)]\nfn y() {}", 2, 20, "with_reaper")
        .expect("found");
    assert_eq!(found.above, ["#[cfg_attr(docker)]", "#[test]"]);
    let found = surroundings("#[cfg_attr(docker, test, with_reaper)]\nfn y() {}", 1, 26, "with_reaper")
        .expect("found");
    assert_eq!(found.above, ["#[cfg_attr(docker, test)]"]);
}

#[test]
fn the_inside_of_a_macro_is_marked() {
    let marked = |text: &str| {
        let at = text.find("#[with").expect("the attribute");
        surroundings(text, 1, at + 1, "#[with").expect("found").in_macro
    };
    assert!(marked("a! { #[with_reaper] fn y() {} }"));
    assert!(marked("macro_rules! a { () => { mod b { #[with_reaper] fn y() {} } } }"));
    assert!(!marked("fn x() { a!(); if !b {} } #[with_reaper] fn y() {}"));
    assert!(!marked("mod a { const B: bool = !C; #[with_reaper] fn y() {} }"));
}
