//! A line from a client, and the filter it stands for.
//!
//! `label=<key>=<value>&label=…`, percent-encoded, `+` for a space. Labels of one line must all be there.
//! Unlike official Ryuk, which acknowledges what it cannot parse, everything that is not wholly understood
//! is refused: a filter that lost a part matches more than its client named.

/// Labels, all of which a resource must carry to be removed. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter(Vec<String>);

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
            match label.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => {
                    labels.push(label);
                }
                _ => return Err("a label filter must have a key and a value".into()),
            }
        }
        Ok(Self(labels))
    }

    /// The engine's `filters` parameter, as JSON.
    pub(crate) fn to_json(&self) -> String {
        let labels: Vec<_> = self.0.iter().map(|label| crate::json::quote(label)).collect();
        format!("{{\"label\":[{}]}}", labels.join(","))
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

    #[test]
    fn labels_are_decoded() {
        let filter = Filter::parse(b"label=a%20b%26c=%C3%BC+%3D&label=x=y").unwrap();
        assert_eq!(filter.to_json(), "{\"label\":[\"a b&c=\u{fc} =\",\"x=y\"]}");
    }

    #[test]
    fn what_could_match_more_than_was_named_is_refused() {
        for line in [
            "",
            "&",
            "label",
            "label=",
            "label=a",
            "label=a=",
            "label==",
            "label==b",
            "label=a=b&",
            "&label=a=b",
            "label=%20=b",
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

    proptest! {
        #[test]
        fn no_line_becomes_an_empty_filter(line in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(filter) = Filter::parse(&line) {
                prop_assert!(!filter.0.is_empty());
                prop_assert!(filter.0.iter().all(|label| !label.starts_with('=') && !label.ends_with('=')));
            }
        }

        #[test]
        fn what_was_encoded_is_what_is_matched(key in "[^=\\x00\\s][^=\\x00]{0,20}", value in "[^\\x00\\s][^\\x00]{0,20}") {
            let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
            let filter = Filter::parse(format!("label={}={}", encode(&key), encode(&value)).as_bytes()).unwrap();
            prop_assert_eq!(filter.0, vec![format!("{key}={value}")]);
        }
    }
}
