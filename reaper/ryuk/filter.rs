//! A line from a client, and the filter it stands for.
//!
//! `label=<key>=<value>&label=…`, percent-encoded, `+` for a space. Labels of one line must all be there. `label=<key>`
//! is a key with any value and `label=<key>=` one with an empty value, as an engine takes them. Unlike official
//! Ryuk, which acknowledges what it cannot parse, everything that is not wholly understood is refused: a filter
//! that lost a part matches more than its client named.
//!
//! What matches is decided here, on the labels that the engine shows for each resource. Engines do not agree on what a
//! filter means: Podman 4.3 joins two labels of a volume list with "or" and finds no image by two, and in all of Podman
//! a `*` in a key stands for anything.

use crate::quote::quote;

/// What a resource must carry to be removed. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Filter(Vec<Label>);

/// A key, with this value or with any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Label {
    key: String,
    value: Option<String>,
}

impl Filter {
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let line = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
        let mut labels = Vec::new();
        for part in line.split('&') {
            let (kind, label) = part.split_once('=').ok_or("a filter must look like label=key=value")?;
            if decode(kind)? != "label" {
                return Err("only filters of type label are taken".into());
            }
            let label = decode(label)?;
            let (key, value) = match label.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (label.as_str(), None),
            };
            if key.trim().is_empty() {
                return Err("a label filter must have a key".into());
            }
            labels.push(Label { key: key.to_owned(), value });
        }
        Ok(Self(labels))
    }

    /// Of a line that has no end: whether it can be whole. One that was cut short may have lost a value, and then
    /// its key alone would match what nobody named.
    pub(crate) fn is_whole_for_sure(&self) -> bool {
        self.0.iter().all(|label| label.value.as_ref().is_some_and(|value| !value.is_empty()))
    }

    /// Whether a resource with these labels is meant.
    pub(crate) fn matches(&self, labels: &[(String, String)]) -> bool {
        // The last of a repeated name counts, as for other readers of JSON.
        let find = |key: &str| labels.iter().rev().find(|(own, _)| own == key).map(|(_, value)| value);
        self.0.iter().all(|label| {
            find(&label.key).is_some_and(|own| label.value.as_ref().is_none_or(|value| value == own))
        })
    }

    /// About how many bytes it takes to keep it. A label has some of its own, however short it is.
    pub(crate) fn size(&self) -> usize {
        let text = |label: &Label| label.key.len() + label.value.as_ref().map_or(0, String::len);
        self.0.iter().map(|label| size_of::<Label>() + text(label)).sum()
    }

    /// The filter as the engine's `filters` have it.
    pub(crate) fn to_json(&self) -> String {
        json(self.0.iter())
    }
}

/// The engine's `filters` for a list that holds whatever one of these matches, and little else: by the one label
/// that they have in common, or all there is.
///
/// Of several the longest, since a session's name is longer than `true`.
pub(crate) fn common(filters: &[&Filter]) -> String {
    let (first, others) = match filters {
        [] => return "{}".into(),
        [first, others @ ..] => (first, others),
    };
    let shared = first.0.iter().filter(|label| others.iter().all(|other| other.0.contains(label)));
    let best = shared.filter(|label| label.is_plain()).max_by_key(|label| label.text().len());
    best.map_or_else(|| "{}".into(), |label| json([label].into_iter()))
}

fn json<'a>(labels: impl Iterator<Item = &'a Label>) -> String {
    let labels: Vec<_> = labels.map(|label| quote(&label.text())).collect();
    format!("{{\"label\":[{}]}}", labels.join(","))
}

impl Label {
    fn text(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.key),
            None => self.key.clone(),
        }
    }

    /// Whether every engine takes it as it stands: none may list less than is meant.
    fn is_plain(&self) -> bool {
        let is_plain = |text: &str| !text.contains(['*', '?', '[', ']', '\\', '!']) && text == text.trim();
        is_plain(&self.key) && self.value.as_deref().is_none_or(|value| !value.is_empty() && is_plain(value))
    }
}

fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(hexadecimal);
                match (digit(), digit()) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err("a percent sign must be followed by two hexadecimal digits".into()),
                }
            }
            byte => byte,
        });
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err("the line does not decode to text".into()),
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(line: &str) -> Filter {
        Filter::parse(line.as_bytes()).unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn labels_are_decoded() {
        let filter = filter("label=a%20b%26c=%C3%BC+%3D&label=x=y");
        assert_eq!(filter.to_json(), "{\"label\":[\"a b&c=\u{fc} =\",\"x=y\"]}");
    }

    #[test]
    fn a_key_alone_has_any_value_and_one_with_nothing_has_an_empty_one() {
        let (any, empty) = (filter("label=a"), filter("label=a="));
        assert_eq!(
            (any.to_json().as_str(), empty.to_json().as_str()),
            ("{\"label\":[\"a\"]}", "{\"label\":[\"a=\"]}")
        );
        for (own, by_any, by_empty) in [
            (labels(&[("a", "")]), true, true),
            (labels(&[("a", "b")]), true, false),
            (labels(&[("b", "a")]), false, false),
            (labels(&[]), false, false),
        ] {
            assert_eq!((any.matches(&own), empty.matches(&own)), (by_any, by_empty), "{own:?}");
        }
    }

    #[test]
    fn all_labels_of_a_filter_must_be_there_as_they_are() {
        let both = filter("label=a=1&label=b=2");
        assert!(both.matches(&labels(&[("b", "2"), ("c", "3"), ("a", "1")])));
        assert!(!both.matches(&labels(&[("a", "1")])) && !both.matches(&labels(&[("a", "1"), ("b", "3")])));
        let star = filter("label=a*=1");
        assert!(star.matches(&labels(&[("a*", "1")])) && !star.matches(&labels(&[("ab", "1")])));
    }

    #[test]
    fn the_engine_is_asked_for_what_all_filters_have_in_common() {
        for (lines, asked) in [
            (
                &["label=a=true&label=session=12345", "label=session=12345&label=b=1"][..],
                "{\"label\":[\"session=12345\"]}",
            ),
            (
                &["label=t=true&label=session=12345", "label=t=true&label=session=1"],
                "{\"label\":[\"t=true\"]}",
            ),
            (&["label=t=true", "label=t"], "{}"),
            (&["label=a=1", "label=b=1"], "{}"),
            (&["label=a*=1&label=b=1"], "{\"label\":[\"b=1\"]}"),
            (&["label=a="], "{}"),
            (&[], "{}"),
        ] {
            let filters: Vec<_> = lines.iter().map(|line| filter(line)).collect();
            assert_eq!(common(&filters.iter().collect::<Vec<_>>()), asked, "{lines:?}");
        }
    }

    #[test]
    fn what_could_match_more_than_was_named_is_refused() {
        for line in [
            "",
            "&",
            "label",
            "label=",
            "label==",
            "label==b",
            "label=a=b&",
            "&label=a=b",
            "label=%20=b",
            "label=%20",
            "name=x",
            "id=a=b",
            "label=a=b&status=running",
            "label!=a=b",
            "label=a=%zz",
            "label=a=%2",
            "label=a=%ff",
            "label=a=%00",
            "GET / HTTP/1.1",
            "Label=a=b",
        ] {
            assert!(Filter::parse(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn a_key_alone_may_be_the_rest_of_a_line_that_was_cut_short() {
        for (line, is_whole) in
            [("label=a=b", true), ("label=a", false), ("label=a=", false), ("label=a=b&label=c", false)]
        {
            assert_eq!(filter(line).is_whole_for_sure(), is_whole, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_becomes_a_filter_that_matches_everything(line in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(filter) = Filter::parse(&line) {
                prop_assert!(!filter.0.is_empty());
                prop_assert!(filter.0.iter().all(|label| !label.key.trim().is_empty()));
                prop_assert!(!filter.matches(&[]));
            }
        }

        #[test]
        fn what_was_encoded_is_what_is_matched(key in "[^=\\x00\\s][^=\\x00]{0,20}", value in "[^\\x00]{0,20}") {
            let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
            let filter = Filter::parse(format!("label={}={}", encode(&key), encode(&value)).as_bytes()).unwrap();
            prop_assert!(filter.matches(&[(key.clone(), value.clone())]));
            prop_assert!(!filter.matches(&[(key, value + "x")]));
        }
    }
}
