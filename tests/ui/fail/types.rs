//! A guard parameter by name only. The call is the one that the attribute writes for a parameter: written by
//! hand, since outside a test build the test around it is gone before types are looked at.

struct Reaper;

fn main() {
    let _ = reaper::__private::parameter::<Reaper>();
}
