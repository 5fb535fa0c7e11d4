//! Whether somebody listens behind a published port.
//!
//! That it accepts proves nothing, since the engine's proxy accepts before anybody listens; but when nobody does it closes the
//! connection. Docker's does so at once, and that of a rootless engine tries for 190 ms before. So a port counts when it holds a
//! connection for much longer than this proxy has needed yet.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Where nothing has been refused yet.
const UNKNOWN: Duration = Duration::from_millis(500);
/// A machine may be busy.
const AT_LEAST: Duration = Duration::from_millis(100);
const AT_MOST: Duration = Duration::from_secs(2);
/// As often as the slowest refusal has taken.
const MARGIN: u32 = 4;
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// What is known of the engine's proxy.
#[derive(Debug, Default)]
pub(super) struct Proxy {
    /// How long it has taken at most to refuse what leads nowhere.
    slowest: Option<Duration>,
}

impl Proxy {
    /// An error with what is wrong where nobody listens at the address.
    pub(super) async fn leads_on(&mut self, address: &str) -> Result<(), String> {
        let connect = async {
            let connected = timeout(CONNECTS_WITHIN, TcpStream::connect(address)).await;
            connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match self.holds(connect).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("{address} accepts and closes at once")),
            Err(error) => Err(format!("{address}: {error}")),
        }
    }

    async fn holds<S>(&mut self, connect: impl Future<Output = io::Result<S>>) -> io::Result<bool>
    where
        S: AsyncRead + Unpin,
    {
        // What does not even accept tells nothing of what does.
        let mut stream = connect.await?;
        let began = Instant::now();
        let moment = self.slowest.map_or(UNKNOWN, |slowest| (slowest * MARGIN).clamp(AT_LEAST, AT_MOST));
        match timeout(moment, stream.read(&mut [0])).await {
            // Nothing said, or a greeting, which comes from no proxy.
            Err(_) | Ok(Ok(1..)) => Ok(true),
            Ok(refused) => {
                self.slowest = self.slowest.max(Some(began.elapsed()));
                refused.map(|_| false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;

    /// What became of asking again and again where connections are closed after so many milliseconds, the last never; and how
    /// long that was held.
    async fn asked(closed_after: &[u64]) -> (Vec<bool>, Duration) {
        let (mut proxy, mut found) = (Proxy::default(), Vec::new());
        for after in closed_after {
            let (ours, theirs) = duplex(1);
            tokio::spawn(close(theirs, Duration::from_millis(*after)));
            found.push(proxy.holds(async { Ok(ours) }).await.unwrap());
        }
        let (ours, _theirs) = duplex(1);
        let hangs = async {
            sleep(CONNECTS_WITHIN).await;
            Err::<DuplexStream, _>(io::ErrorKind::TimedOut.into())
        };
        proxy.holds(hangs).await.unwrap_err();
        let began = Instant::now();
        found.push(proxy.holds(async { Ok(ours) }).await.unwrap());
        (found, began.elapsed())
    }

    async fn close(stream: DuplexStream, after: Duration) {
        sleep(after).await;
        drop(stream);
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_is_served_when_it_holds_a_connection_for_longer_than_the_proxy_needs() {
        assert_eq!(asked(&[]).await, (vec![true], UNKNOWN));
        // As Docker's does, and as a rootless engine's.
        assert_eq!(asked(&[0, 1]).await, (vec![false, false, true], AT_LEAST));
        let (found, held) = asked(&[190, 187]).await;
        assert_eq!((found, held.as_millis()), (vec![false, false, true], 760));
    }

    /// As where eight tests start containers on two cores.
    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_gets_slower_is_not_taken_for_a_server() {
        let (found, held) = asked(&[450, 1700, 1900]).await;
        assert_eq!((found, held), (vec![false, false, false, true], AT_MOST));
    }

    #[tokio::test(start_paused = true)]
    async fn who_greets_is_there() {
        let (ours, mut theirs) = duplex(1);
        theirs.write_all(b"+").await.unwrap();
        let began = Instant::now();
        assert!(Proxy::default().holds(async { Ok(ours) }).await.unwrap());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
