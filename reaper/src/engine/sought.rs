//! What is looked for on an engine, by labels: what the engine is asked, and what of its answer is meant.
//!
//! The two are not the same. Podman 4.3 joins two labels of a volume list with "or" and finds no image by two, and newer
//! ones take `*` in a key for a pattern. So the engine is asked by one label, and which of what it lists is meant is
//! decided by each thing's own labels. An engine's filter saves a long list, and decides nothing.

use std::collections::{BTreeSet, HashMap};

use crate::session::Filter;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sought<'a> {
    /// What carries a label of this key.
    Key(&'static str),
    /// What any of these filters matches.
    AnyOf(&'a [Filter]),
}

impl Sought<'_> {
    /// Whether something with these labels is meant.
    pub(crate) fn includes(self, labels: &HashMap<String, String>) -> bool {
        match self {
            Self::Key(key) => labels.contains_key(key),
            Self::AnyOf(filters) => filters.iter().any(|filter| filter.matches(labels)),
        }
    }

    /// The lists whose sum has all that is meant: by a label, or of everything.
    pub(super) fn asked(self) -> Vec<Option<String>> {
        let filters = match self {
            Self::Key(key) => return vec![Some(key.to_owned())],
            Self::AnyOf(filters) => filters,
        };
        let Some((first, others)) = filters.split_first() else { return Vec::new() };
        let in_all =
            |label: &(&str, &str)| others.iter().all(|other| other.labels().any(|own| own == *label));
        if let Some(label) = most_selective(first.labels().filter(in_all)) {
            return vec![Some(label)];
        }
        let labels: BTreeSet<_> = filters.iter().map(|filter| most_selective(filter.labels())).collect();
        // What has no usable label takes the whole list, which has what the others want as well.
        if labels.contains(&None) { vec![None] } else { labels.into_iter().collect() }
    }
}

/// The longest that every engine takes as it stands: the name of a session is longer than `true`.
fn most_selective<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let is_plain = |text: &str| !text.contains(['*', '?', '[', ']', '\\', '!']) && text == text.trim();
    let plain = labels.filter(|(key, value)| is_plain(key) && is_plain(value));
    plain.map(|(key, value)| format!("{key}={value}")).max_by_key(String::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(labels: &[(&str, &str)]) -> Filter {
        let mut labels = labels.iter();
        let (key, value) = labels.next().unwrap();
        labels.fold(Filter::label(*key, *value).unwrap(), |filter, (key, value)| {
            filter.and(*key, *value).unwrap()
        })
    }

    #[test]
    fn the_engine_is_asked_by_one_label_that_is_no_pattern() {
        let asked = |filters: &[Filter]| Sought::AnyOf(filters).asked();
        let by = |label: &str| Some(label.to_owned());
        assert_eq!(asked(&[]), []);
        let session = filter(&[("session", "0123456789")]);
        let of_process = |process| filter(&[("session", "0123456789"), ("process", process)]);
        assert_eq!(asked(std::slice::from_ref(&session)), [by("session=0123456789")]);
        assert_eq!(asked(&[session.clone(), of_process("1"), of_process("2")]), [by("session=0123456789")]);
        assert_eq!(asked(&[session.clone(), filter(&[("a", "1")])]), [by("a=1"), by("session=0123456789")]);
        for pattern in ["s*", "s?", "[s]", "s\\", " s"] {
            assert_eq!(asked(&[filter(&[(pattern, "1")])]), [None], "{pattern}");
            assert_eq!(asked(&[filter(&[("s", pattern)])]), [None], "{pattern}");
            assert_eq!(asked(&[filter(&[(pattern, "a long value"), ("b", "1")])]), [by("b=1")], "{pattern}");
            assert_eq!(asked(&[session.clone(), filter(&[(pattern, "1")])]), [None], "{pattern}");
        }
    }

    #[test]
    fn what_is_meant_carries_all_labels_of_a_filter_as_they_are() {
        let labels = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let filters = [filter(&[("a", "1"), ("b", "2")]), filter(&[("c*", "3")])];
        let sought = Sought::AnyOf(&filters);
        assert!(sought.includes(&labels(&[("a", "1"), ("b", "2"), ("x", "y")])));
        assert!(sought.includes(&labels(&[("c*", "3")])));
        for others in [&[][..], &[("a", "1")], &[("b", "2")], &[("a", "1"), ("b", "3")], &[("cd", "3")]] {
            assert!(!sought.includes(&labels(others)), "{others:?}");
        }
        assert!(
            Sought::Key("a").includes(&labels(&[("a", "")]))
                && !Sought::Key("a").includes(&labels(&[("ab", "")]))
        );
    }
}
