//! The reader of the engine's answers: takes and understands exactly what `serde_json` does.
//!
//! The reader is the server's own, since that is compiled without dependencies; here, where dependencies
//! cost nothing, the usual one has to be of the same opinion.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../reaper/ryuk/json.rs"]
mod json;

use json::{Value, parse, quote};

/// Far beyond what any stack holds, were it followed.
const DEEP: usize = 50_000;

fuzz_target!(|text: &str| {
    let ours = parse(text);
    match (&ours, serde_json::from_str::<serde_json::Value>(text)) {
        (Ok(ours), Ok(theirs)) => assert_same(ours, &theirs),
        (Err(_), Err(_)) => {}
        // Both bound the depth, and not at the same.
        (Ok(_), Err(error)) => {
            assert!(error.to_string().contains("recursion limit"), "only we take it: {error}")
        }
        (Err(problem), Ok(_)) => panic!("only serde_json takes it: {problem}"),
    }
    if let Ok(value) = ours {
        let written = write(&value);
        assert_eq!(parse(&written).as_ref(), Ok(&value), "{written}");
    }
    // What is only text is text again after quoting.
    let quoted = quote(text);
    assert_eq!(parse(&quoted), Ok(Value::String(text.to_owned())));
    assert_eq!(serde_json::from_str::<String>(&quoted).ok().as_deref(), Some(text));
    // However deep, the stack holds.
    let deep = ["[", "{\"a\":", "[{\"b\":"][text.len() % 3].repeat(DEEP);
    assert!(parse(&deep).is_err());
});

fn assert_same(ours: &Value, theirs: &serde_json::Value) {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => {
            assert_eq!(ours.elements(), Some(&[][..]));
        }
        (Value::Bool(ours), serde_json::Value::Bool(theirs)) => assert_eq!(ours, theirs),
        (Value::Number(ours), serde_json::Value::Number(theirs)) => assert_eq!(Some(*ours), theirs.as_f64()),
        (Value::String(text), serde_json::Value::String(theirs)) => {
            assert_eq!((text, ours.text()), (theirs, Some(theirs.as_str())));
        }
        (Value::Array(elements), serde_json::Value::Array(theirs)) => {
            assert_eq!(ours.elements().map(<[_]>::len), Some(theirs.len()));
            elements.iter().zip(theirs).for_each(|(ours, theirs)| assert_same(ours, theirs));
        }
        (Value::Object(members), serde_json::Value::Object(theirs)) => {
            // A repeated name is kept by us, and its last value is the one that counts for both.
            assert!(members.iter().all(|(name, _)| theirs.contains_key(name)));
            for (name, theirs) in theirs {
                assert_same(ours.member(name).expect("a member that the other has"), theirs);
            }
        }
        _ => panic!("{ours:?} is {theirs:?}"),
    }
}

fn write(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(on) => on.to_string(),
        Value::Number(number) => format!("{number:e}"),
        Value::String(text) => quote(text),
        Value::Array(all) => format!("[{}]", all.iter().map(write).collect::<Vec<_>>().join(",")),
        Value::Object(all) => {
            let members = all.iter().map(|(name, value)| format!("{}:{}", quote(name), write(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}
