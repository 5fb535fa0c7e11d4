//! What the hook at load costs every process that links the library: the time from the first constructor to the
//! last, in nanoseconds. With `at_load_floor`, which has no hook of ours between the two, `cargo xtask bench`
//! tells the hook's share.

#[path = "constructors.rs"]
mod constructors;

fn main() {
    // Named, so that the library is linked at all.
    std::hint::black_box(reaper::Reaper::acquire as fn() -> reaper::Result<reaper::Reaper>);
    constructors::report();
}
