//! Whether somebody listens behind a published port.
//!
//! That it accepts proves nothing, since the engine's proxy accepts before anybody listens; but when nobody does it closes the
//! connection soon. How soon is a matter of how busy the machine is. So a port counts when it holds two connections, each for
//! much longer than a proxy has needed yet.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// As long as a proxy may take to find that nobody listens behind it, on a machine with little to do.
const HOLDS: Duration = Duration::from_millis(100);
/// And on any. A shared container is started once for a whole run.
const HOLDS_AT_MOST: Duration = Duration::from_secs(2);
/// As often as the slowest has needed.
const MARGIN: u32 = 10;
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// What is known of the engine's proxy.
#[derive(Debug, Default)]
pub(super) struct Proxy {
    /// How long it has taken at most to close what leads nowhere.
    slowest: Duration,
}

impl Proxy {
    /// An error with what is wrong where nobody listens at the address.
    pub(super) async fn leads_on(&mut self, address: &str) -> Result<(), String> {
        let connect = async || {
            let connected = timeout(CONNECTS_WITHIN, TcpStream::connect(address)).await;
            connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match self.holds(connect).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("{address} accepts and closes at once")),
            Err(error) => Err(format!("{address}: {error}")),
        }
    }

    async fn holds<S: AsyncRead + Unpin>(
        &mut self,
        connect: impl AsyncFn() -> io::Result<S>,
    ) -> io::Result<bool> {
        for _ in 0..2 {
            let mut stream = connect().await?;
            let began = Instant::now();
            let moment = (self.slowest * MARGIN).clamp(HOLDS, HOLDS_AT_MOST);
            match timeout(moment, stream.read(&mut [0])).await {
                // A greeting comes from no proxy.
                Ok(Ok(1..)) => return Ok(true),
                Err(_) => {}
                Ok(closed) => {
                    self.slowest = self.slowest.max(began.elapsed());
                    return closed.map(|_| false);
                }
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;

    /// What became of asking again and again, where connections are closed after so many milliseconds; by themselves never.
    async fn asked(closed_after: &[Option<u64>], times: usize) -> Vec<bool> {
        let (mut proxy, mut found) = (Proxy::default(), Vec::new());
        let next = RefCell::new(closed_after.iter());
        let connect = async || {
            let (ours, theirs) = duplex(1);
            let closes = next.borrow_mut().next().expect("as many as are tried");
            tokio::spawn(close(theirs, *closes));
            Ok(ours)
        };
        for _ in 0..times {
            found.push(proxy.holds(&connect).await.unwrap());
        }
        assert_eq!(next.into_inner().count(), 0, "{found:?}");
        found
    }

    async fn close(stream: DuplexStream, after: Option<u64>) {
        match after {
            Some(after) => sleep(Duration::from_millis(after)).await,
            None => std::future::pending().await,
        }
        drop(stream);
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_is_served_when_it_holds_two_connections() {
        assert_eq!(asked(&[None, None], 1).await, [true]);
        assert_eq!(asked(&[Some(0), Some(1), None, None], 3).await, [false, false, true]);
    }

    /// As where eight tests start containers on two cores.
    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_is_slow_for_once_is_not_taken_for_a_server() {
        assert_eq!(asked(&[Some(5000), Some(1)], 1).await, [false]);
        let slow = [Some(20), Some(150), Some(190), Some(1500), Some(1)];
        assert_eq!(asked(&slow, 5).await, [false; 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_greets_is_there() {
        let greets = async || {
            let (ours, mut theirs) = duplex(1);
            theirs.write_all(b"+").await?;
            Ok(ours)
        };
        let began = Instant::now();
        assert!(Proxy::default().holds(greets).await.unwrap());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
