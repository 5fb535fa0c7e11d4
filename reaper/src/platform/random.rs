//! What no other process comes to by itself, where nothing else tells this one from all others.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// 32 hexadecimal digits, other ones with each call.
///
/// The standard library asks the operating system for the keys of its maps, and what it hashes with them is as hard to
/// meet again; a crate for random numbers would be asked for this alone.
pub(crate) fn random() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another() {
        let (first, second) = (random(), random());
        assert_eq!((first.len(), first == second), (32, false));
    }
}
