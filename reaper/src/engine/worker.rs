//! Work for an engine on a thread of its own, and waiting for it with a runtime or without.
//!
//! A request wants tokio, with its clock running; a test may have another runtime, none, or one whose time stands
//! still. So what is asked of an engine is done on a thread with a runtime that lasts as long as the work, and
//! whoever asked is only told. Rejected: doing it on the thread that holds the connection to the reaper, which has
//! to notice the end of its stream while a service takes its minute to be ready.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use futures_util::FutureExt as _;
use tokio::sync::oneshot;

use crate::error::{Error, Result, panicked};

/// Does the work elsewhere; it ends where it stands when the returned future is dropped.
pub(crate) async fn work<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>>,
{
    let (mut answer, answered) = oneshot::channel();
    let work = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(answer.send(Err(failed(error)))),
        };
        runtime.block_on(async move {
            let work = AssertUnwindSafe(async { work().await }).catch_unwind();
            tokio::select! {
                outcome = work => {
                    let panicked = |payload: Box<dyn Any + Send>| Err(failed(panicked(&*payload)));
                    drop(answer.send(outcome.unwrap_or_else(panicked)));
                }
                () = answer.closed() => {}
            }
        });
    };
    thread::Builder::new().name("reaper-worker".into()).spawn(work).map_err(failed)?;
    answered.await.unwrap_or_else(|_| Err(failed(std::io::Error::other("it ended without an answer"))))
}

/// Waits for a future that other threads complete; needs no runtime, and may be called inside of one.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::Worker { source: Arc::new(error) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn work_is_waited_for_without_a_runtime_and_inside_of_one() {
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(7)
        };
        assert_eq!(wait(work(slow)).unwrap(), 7);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(async { wait(work(slow)) }).unwrap(), 7);
    }

    #[test]
    fn work_that_nobody_waits_for_any_more_is_dropped() {
        let (held, dropped) = std::sync::mpsc::channel::<()>();
        let (began, has_begun) = std::sync::mpsc::channel();
        let endless = async move || {
            let _held = held;
            began.send(()).unwrap();
            std::future::pending::<Result<()>>().await
        };
        let mut asking = Box::pin(work(endless));
        let waker = Waker::noop();
        assert!(asking.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        has_begun.recv_timeout(Duration::from_secs(60)).unwrap();
        drop(asking);
        let gone = dropped.recv_timeout(Duration::from_secs(60));
        assert_eq!(gone, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_panic_is_an_error() {
        let panicking = || async { panic!("on purpose") };
        let report = wait(work::<(), _>(panicking)).unwrap_err().report();
        assert!(report.contains("it panicked: on purpose"), "{report}");
    }
}
