//! A JSON object of which a few members are changed, and all others stay as they were written.
//!
//! Members are kept in order and as text, numbers of any size among them: what an engine is asked for is not ours to
//! round. Rejected: `serde_json::Value`, which sorts members and reads numbers.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// The members of an object, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// The object that this is; none where it is something else.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The same for a member; `null` has no members.
    pub(super) fn of(member: &RawValue) -> Option<Self> {
        let is_null = member.get() == "null";
        if is_null { Some(Self::default()) } else { Self::read(member.get().as_bytes()) }
    }

    /// As it is sent.
    pub(super) fn write(&self) -> Vec<u8> {
        // Its keys are text and its members were JSON before, so there is nothing that cannot be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether there is a member of exactly this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The member that an engine takes for this one: it does not care for case, and of several the last one counts.
    pub(super) fn member(&self, name: &str) -> Option<&RawValue> {
        let found = self.0.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    /// The value of a member that is text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.member(name)?.get()).ok()
    }

    /// The values of a member that is a list.
    pub(super) fn list(&self, name: &str) -> Vec<Box<RawValue>> {
        self.member(name).and_then(|list| serde_json::from_str(list.get()).ok()).unwrap_or_default()
    }

    /// Gives the member that an engine takes for this one another value, or adds it.
    pub(super) fn set(&mut self, name: &str, value: &impl Serialize) {
        let Ok(value) = to_raw_value(value) else { return };
        match self.0.iter_mut().rev().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, member)) => *member = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Changes the object that a member is, if it is there and is one.
    pub(super) fn change(&mut self, name: &str, change: impl FnOnce(&mut Self)) {
        if self.member(name).is_some() {
            self.change_or_add(name, change);
        }
    }

    /// The same; where there is no such member it is added.
    pub(super) fn change_or_add(&mut self, name: &str, change: impl FnOnce(&mut Self)) {
        let Some(mut object) = self.member(name).map_or_else(|| Some(Self::default()), Self::of) else {
            return;
        };
        change(&mut object);
        self.set(name, &object);
    }

    /// Adds labels to those that a member holds, but none whose key is there already.
    pub(super) fn label<'a>(&mut self, name: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) {
        self.change_or_add(name, |own| {
            for (key, value) in labels {
                if !own.has(key) {
                    own.0.extend(to_raw_value(value).ok().map(|value| (key.to_owned(), value)));
                }
            }
        });
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(json: &str, change: impl FnOnce(&mut Object)) -> String {
        let mut object = Object::read(json.as_bytes()).unwrap();
        change(&mut object);
        String::from_utf8(object.write()).unwrap()
    }

    #[test]
    fn what_is_not_changed_stays_as_it_was_written() {
        let json = r#"{"z":1.000,"a":123456789012345678901234567890,"b":{"y" : [1e5]},"a":"\u00e4"}"#;
        assert_eq!(changed(json, |_| {}), json);
        let with = r#"{"z":1.000,"a":123456789012345678901234567890,"b":{"y" : [1e5]},"a":7}"#;
        assert_eq!(changed(json, |object| object.set("a", &7)), with);
    }

    #[test]
    fn labels_are_added_to_what_an_engine_would_read() {
        let ours = || [("k", "v"), ("own", "ours")].into_iter();
        let cases = [
            (r"{}", r#"{"Labels":{"k":"v","own":"ours"}}"#),
            (r#"{"Labels":null}"#, r#"{"Labels":{"k":"v","own":"ours"}}"#),
            (r#"{"labels":{"own":"theirs"}}"#, r#"{"labels":{"own":"theirs","k":"v"}}"#),
            (r#"{"Labels":{"own":""},"a":1}"#, r#"{"Labels":{"own":"","k":"v"},"a":1}"#),
            // The engine says what is wrong with these.
            (r#"{"Labels":["own=theirs"]}"#, r#"{"Labels":["own=theirs"]}"#),
            (r#"{"Labels":"own"}"#, r#"{"Labels":"own"}"#),
        ];
        for (json, expected) in cases {
            assert_eq!(changed(json, |object| object.label("Labels", ours())), expected, "{json}");
        }
    }

    #[test]
    fn what_is_no_object_is_none() {
        for json in ["", "null", "[]", "1", "{", r#"{"a":}"#, r#"{"a":1} x"#] {
            assert!(Object::read(json.as_bytes()).is_none(), "{json}");
        }
    }
}
