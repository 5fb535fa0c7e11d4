//! What the compiler says to somebody who uses the attribute wrongly: one file per family of mistakes.
//!
//! The texts are held still by trybuild. `TRYBUILD=overwrite cargo test -p reaper-ui` writes
//! them anew; read what changed. trybuild compiles programs and not tests, so what only a test build
//! shows (an attribute above ours has been expanded by then) is tested beside `reaper-macros/src/check.rs`.

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
