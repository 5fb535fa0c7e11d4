//! What a client and the program agree on that is its connection, where no port leads to the server.
//!
//! The client has the engine start the program once more in the server's container, in the mode `connect`. It says a line of its
//! own once it has the server's ear, and hands on what follows, both ways. One word of the client's is for it alone: nothing
//! else tells it that the client is gone when the engine forgets to.
//!
//! ```text
//! connect  OPEN
//! client   %here                          every few seconds; a connection that says nothing for 20 s is ended
//! ```
//!
//! Shared with the library and the build script.

/// The label of an image, and of its containers, whose program has the mode: the path of that program.
#[cfg_attr(not(test), allow(dead_code, reason = "not the server's"))]
pub(crate) const LABEL: &str = "test-reaper.connect";
/// The word with which the program is started.
pub(crate) const MODE: &str = "connect";
/// What it says first, once it is connected.
pub(crate) const OPEN: &str = "OPEN\n";
/// A client's line that says that it is there, and nothing to the server. A word as those of `hello` are.
pub(crate) const BEAT: &str = "%here\n";
/// How long a client may say nothing at all, in seconds.
pub(crate) const SILENCE_ENDS_AFTER: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_agree_on_every_byte() {
        assert_eq!((LABEL, MODE, SILENCE_ENDS_AFTER), ("test-reaper.connect", "connect", 20));
        assert_eq!((OPEN, BEAT), ("OPEN\n", "%here\n"));
        // An official Ryuk would register what begins with an escape (`hello`).
        assert!(!BEAT.as_bytes()[1..3].iter().all(u8::is_ascii_hexdigit));
    }
}
