//! Whether two test binaries mean the same type.
//!
//! A name is all that they can compare. One that begins with a binary's own crate means the place in that
//! binary: `tests/common/mod.rs` is compiled into each, so `orders::common::Database` and
//! `customers::common::Database` are one type to whoever wrote them. Rejected: comparing names alone, which
//! would refuse the commonest way to share code between test binaries.

use serde::{Deserialize, Serialize};

/// A type as a binary knows it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kind {
    pub(super) name: String,
    /// The crate that the binary is made of.
    binary: String,
}

impl Kind {
    pub(super) fn of<T>() -> Self {
        let program = std::env::current_exe().ok();
        let stem = program.as_deref().and_then(|program| program.file_stem()?.to_str()).unwrap_or_default();
        Self { name: std::any::type_name::<T>().into(), binary: crate_name(stem) }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name || self.in_binary() == other.in_binary()
    }

    /// The name with `crate` for the binary's own.
    fn in_binary(&self) -> String {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let own = format!("{}::", self.binary);
        let mut result = String::new();
        let mut rest = self.name.as_str();
        while !rest.is_empty() {
            let begins_path = !result.ends_with(is_word) && !result.ends_with(':');
            if let Some(behind) = rest.strip_prefix(&own).filter(|_| begins_path) {
                result.push_str("crate::");
                rest = behind;
            } else {
                result.extend(rest.chars().next());
                rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
            }
        }
        result
    }
}

/// cargo names a test's program after its crate, with a hash: `orders-0123456789abcdef`.
fn crate_name(stem: &str) -> String {
    let name = match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()) => name,
        _ => stem,
    };
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(binary: &str, name: &str) -> Kind {
        Kind { name: name.into(), binary: binary.into() }
    }

    #[test]
    fn the_same_name_is_the_same_type() {
        assert!(kind("a", "suite::Url").is_same(&kind("b", "suite::Url")));
        // The library's own tests, and those beside it.
        assert!(kind("suite", "suite::Url").is_same(&kind("b", "suite::Url")));
        assert!(!kind("a", "suite::Url").is_same(&kind("a", "other::Url")));
    }

    #[test]
    fn a_module_that_each_binary_compiles_is_one() {
        let name = |own: &str| format!("alloc::vec::Vec<({own}::common::Url, &{own}::common::Port)>");
        assert!(kind("a", &name("a")).is_same(&kind("b", &name("b"))));
        assert!(!kind("a", &name("a")).is_same(&kind("b", &name("a").replace("common", "other"))));
        // Not its own, or not at the beginning of a path.
        assert!(!kind("a", "a::Url").is_same(&kind("b", "c::Url")));
        assert!(!kind("a", "x::a::Url").is_same(&kind("b", "x::b::Url")));
        assert!(!kind("a", "aa::Url").is_same(&kind("b", "ab::Url")));
    }

    #[test]
    fn this_program_is_of_this_crate() {
        struct Own;
        let kind = Kind::of::<Own>();
        assert!(kind.in_binary().starts_with("crate::shared::kind::tests::"), "{kind:?}");
        assert_eq!(crate_name("my-tests"), "my_tests");
        assert_eq!(crate_name("my-tests-0123456789abcdef"), "my_tests");
    }
}
