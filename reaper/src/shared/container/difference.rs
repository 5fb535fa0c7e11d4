//! In what two specifications differ, for whoever gave two under one key.
//!
//! A digest would say that they do, and leave the reader with two long texts to compare.

use std::collections::BTreeSet;

use serde_json::Value;

/// One line for each place; none where they are the same. Of a list the whole is shown: what moved in it is seen
/// better so.
pub(super) fn differences(made: &Value, asked: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", made, asked, &mut found);
    found
}

fn compare(place: &str, made: &Value, asked: &Value, found: &mut Vec<String>) {
    match (made, asked) {
        (Value::Object(made), Value::Object(asked)) => {
            let keys: BTreeSet<_> = made.keys().chain(asked.keys()).collect();
            for key in keys {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                let side = |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                compare(&place, &side(made), &side(asked), found);
            }
        }
        (made, asked) if made != asked => {
            found.push(format!("{place}: made with {made}, asked for with {asked}"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_named_with_both_sides() {
        let made = json!({"Image": "a", "HostConfig": {"Memory": 1, "Tty": true}, "Env": ["A=1"]});
        assert_eq!(differences(&made, &made), [""; 0]);
        let asked = json!({"Image": "a", "HostConfig": {"Memory": 2, "Tty": true}, "Env": ["A=1", "B=2"], "User": "x"});
        assert_eq!(
            differences(&made, &asked),
            [
                "Env: made with [\"A=1\"], asked for with [\"A=1\",\"B=2\"]",
                "HostConfig.Memory: made with 1, asked for with 2",
                "User: made with null, asked for with \"x\"",
            ]
        );
    }

    #[test]
    fn an_empty_value_and_none_are_the_same_only_where_the_engine_says_nothing() {
        assert_eq!(differences(&json!({"A": null}), &json!({})), [""; 0]);
        assert_eq!(differences(&json!({"A": {}}), &json!({})).len(), 1);
    }
}
