//! Noticing that the reaper at the other end is gone although nobody said so: no packet comes from a machine
//! that lost its power.
//!
//! The kernel asks. A question of our own in the protocol was rejected, since official Ryuk knows none.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// A peer that is silent this long is asked, and asked again after as long.
const SILENCE: Duration = Duration::from_secs(5);
/// Questions without an answer that end a connection. The system would ask nine times; this is sooner than the
/// server gives a silent client up, so that a session is never without one.
const QUESTIONS: u32 = 3;

/// Ends the connection when the peer has been silent for 20 s, also while what was sent waits for it.
pub(crate) fn keep_alive(socket: &SockRef<'_>) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE).with_retries(QUESTIONS);
    socket.set_tcp_keepalive(&keepalive)?;
    // While data is under way the kernel asks nothing: it repeats the data, for a quarter of an hour.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(SILENCE * (QUESTIONS + 1)))?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn data_under_way_is_given_up_as_soon_as_silence_is() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = SockRef::from(&stream);
        keep_alive(&socket).unwrap();
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(20)));
        assert!(socket.keepalive().unwrap());
    }
}
