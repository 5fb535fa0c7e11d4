//! Values that no other process can be given, and errors that cannot say why there is no value.

use reaper::shared;

struct Connection;

#[shared]
fn no_description() -> Connection {
    Connection
}

#[derive(Debug)]
struct OwnError;

#[shared]
async fn own_error() -> Result<u8, OwnError> {
    Err(OwnError)
}

fn main() {
    let _ = (no_description(), own_error());
}
