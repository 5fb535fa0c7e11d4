//! The floor of `at_load`: the same two constructors with nothing between them.

#[path = "constructors.rs"]
mod constructors;

fn main() {
    constructors::report();
}
