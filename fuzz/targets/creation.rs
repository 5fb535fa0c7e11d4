//! What reads and rewrites a creation: whatever a client sends, labels are added and nothing else is changed.

#![no_main]

#[path = "../../reaper/src/tools/adoption"]
mod adoption {
    #[allow(dead_code, reason = "of the rest of the library nothing is here")]
    pub(crate) mod creation;
    #[allow(dead_code, reason = "likewise")]
    pub(crate) mod object;
}

use std::collections::BTreeMap;

use adoption::creation::{Creation, Labels, NamedVolume};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const OURS: [(&str, &str); 3] = [("session", "s"), ("test", "a \"b\" $c\\"), ("process", "1")];

const IN_BODIES: [&str; 5] = [
    "/containers/create",
    "/v1.41/networks/create",
    "/services/create",
    "/libpod/volumes/create",
    "/secrets/create",
];

fuzz_target!(|input: &[u8]| {
    let labels: Labels = OURS.into_iter().collect();
    for path in IN_BODIES {
        if let Some(creation) = Creation::of("POST", path, "") {
            check_body(creation, input, &labels);
        }
    }
    for volume in NamedVolume::of(input) {
        let made: Value = serde_json::from_slice(&volume.body(&labels)).expect("a volume is JSON");
        assert!(made["Name"].as_str().is_some_and(|name| !name.is_empty()), "{made}");
        // What has no labels but something else in their place is the engine's to refuse.
        if let Value::Object(labels) = &made["Labels"] {
            assert!(OURS.iter().all(|(key, _)| labels.contains_key(*key)), "{made}");
        }
    }
    if let Ok(query) = std::str::from_utf8(input) {
        check_query(query, &labels);
    }
});

fn check_body(creation: Creation, input: &[u8], labels: &Labels) {
    let Some(written) = creation.body(input, labels) else {
        assert!(!is_object(input), "an object was not labelled: {:?}", String::from_utf8_lossy(input));
        return;
    };
    let (before, after): (Value, Value) =
        match (serde_json::from_slice(input), serde_json::from_slice(&written)) {
            (Ok(before), Ok(after)) => (before, after),
            // A number that is too large for this reader passes as it was.
            (Err(_), Err(_)) => return,
            (before, after) => panic!("{before:?} {after:?}"),
        };
    is_kept(&before, &after, &mut Vec::new());
    assert_eq!(creation.body(&written, labels), Some(written), "a second time changes nothing");
}

/// Whatever was there is there, but for labels where there were none.
fn is_kept(before: &Value, after: &Value, path: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                path.push(name.clone());
                is_kept(value, after.get(name).unwrap_or_else(|| panic!("{path:?} is gone")), path);
                path.pop();
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len(), "{path:?}");
            for (before, after) in before.iter().zip(after) {
                is_kept(before, after, path);
            }
        }
        // What may have been nothing at all.
        (Value::Null, Value::Object(_)) => {}
        _ => assert_eq!(before, after, "{path:?}"),
    }
}

fn is_object(input: &[u8]) -> bool {
    let members = serde_json::from_slice::<BTreeMap<String, &serde_json::value::RawValue>>(input);
    members.is_ok()
}

fn check_query(query: &str, labels: &Labels) {
    let pairs = |query: &str| -> Vec<(String, String)> {
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    };
    for (creation, ours) in [(Creation::Commit, "changes"), (Creation::Import, "changes")] {
        let (before, after) = (pairs(query), pairs(&creation.query(query, labels)));
        assert_eq!(after[OURS.len()..], before[..], "{query:?}");
        assert!(
            after[..OURS.len()].iter().all(|(name, value)| name == ours && value.starts_with("LABEL \""))
        );
    }
    let after = pairs(&Creation::Build.query(query, labels));
    let others = |pairs: &[(String, String)]| -> Vec<(String, String)> {
        pairs.iter().filter(|(name, _)| name != "labels" && name != "forcerm").cloned().collect()
    };
    assert_eq!(others(&after), others(&pairs(query)), "{query:?}");
    if let Some((_, given)) = after.iter().find(|(name, _)| name == "labels")
        && let Ok(Value::Object(given)) = serde_json::from_str(given)
    {
        assert!(OURS.iter().all(|(key, _)| given.contains_key(*key)), "{query:?}");
    }
}
