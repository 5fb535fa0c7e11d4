//! One line per event on standard output, where `docker logs` shows it.

use std::fmt::Arguments;
use std::io::Write as _;
use std::time::SystemTime;

/// Writes a line; where nobody can read it, there is nobody to tell.
pub(crate) fn line(message: Arguments<'_>) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let _ = writeln!(std::io::stdout().lock(), "{}.{:03} {message}", now.as_secs(), now.subsec_millis());
}
