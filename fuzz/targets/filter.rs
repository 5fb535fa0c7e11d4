//! A line from a client: whatever is taken is a filter that names what it matches.
//!
//! The server prunes by these lines, so one that means more than it says removes what nobody named. A
//! fuzzer and not only proptest, since coverage finds the way through escapes within escapes.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "what is asked of the engine is not used")]
#[path = "../../reaper/ryuk/filter.rs"]
mod filter;
#[path = "../../reaper/ryuk/quote.rs"]
mod quote;

use filter::Filter;

fuzz_target!(|line: &[u8]| {
    let Ok(filter) = Filter::parse(line) else { return };
    let labels = labels(&filter);
    let parts = line.split(|byte| *byte == b'&').count();
    assert_eq!(labels.len(), parts, "a part of the line is lost");
    for label in &labels {
        let key = label.split_once('=').map_or(label.as_str(), |(key, _)| key);
        assert!(!key.trim().is_empty(), "{label:?} matches too much");
        assert!(!label.contains('\0'), "{label:?} would be cut short by the engine");
    }
    matches_what_it_names(&filter, &labels);
    for encode in [escaped, barely_escaped] {
        let again =
            labels.iter().map(|label| format!("label={}", encode(label))).collect::<Vec<_>>().join("&");
        assert_eq!(Filter::parse(again.as_bytes()).as_ref(), Ok(&filter), "{again:?}");
    }
});

/// Whoever has all of it is meant, unless one key must have two values; whoever lacks one of them is not.
fn matches_what_it_names(filter: &Filter, labels: &[String]) {
    assert!(!filter.matches(&[]), "it matches everything");
    let pair = |label: &String| match label.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (label.clone(), "anything".to_owned()),
    };
    let own: Vec<_> = labels.iter().map(pair).collect();
    let keys: std::collections::BTreeSet<_> = own.iter().map(|(key, _)| key).collect();
    if keys.len() == own.len() {
        assert!(filter.matches(&own), "{own:?} is not matched");
    }
    for (key, _) in &own {
        let others: Vec<_> = own.iter().filter(|(other, _)| other != key).cloned().collect();
        assert!(!filter.matches(&others), "{others:?} is matched without {key:?}");
    }
}

/// What the engine is asked for, as another reader sees it.
fn labels(filter: &Filter) -> Vec<String> {
    let json: serde_json::Value = serde_json::from_str(&filter.to_json()).expect("the engine gets JSON");
    let object = json.as_object().expect("an object");
    assert_eq!(object.len(), 1, "labels and nothing else");
    let labels = object["label"].as_array().expect("a list of labels");
    assert!(!labels.is_empty(), "an empty filter matches everything");
    labels.iter().map(|label| label.as_str().expect("a label is text").to_owned()).collect()
}

fn escaped(label: &str) -> String {
    label.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Only what has a meaning in a line.
fn barely_escaped(label: &str) -> String {
    label.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace(' ', "+")
}
