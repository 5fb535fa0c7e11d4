//! How many files a process may have open, connections among them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process have as many files open as the system lets it, which is a thousand for most users until somebody asks.
///
/// What it starts from then on inherits that. Programs that use `select(2)` cannot have it, so it is not for before they start.
pub(crate) fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "no more files may be open than before");
    }
}
