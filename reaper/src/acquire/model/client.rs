//! A test process as the model has it: what it does with an acquired connection is what the connection's
//! supervisor does, and what it holds is dropped when it is killed.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::time::{sleep, timeout};

use super::scenario::Life;
use crate::acquire::tests::plan;
use crate::acquire::{Acquired, acquire, wire};
use crate::engine::doubles::SimulatedEngine;
use crate::error::Error;
use crate::session::Filter;

/// In which the end of a connection must have been noticed.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Who tries for less may give up.
const PATIENT: u64 = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Acquiring,
    Holding,
    Left,
    GaveUp,
    Killed,
}

pub(super) struct Client {
    pub(super) engine: SimulatedEngine,
    pub(super) standing: Rc<Cell<Standing>>,
    /// The name belongs to somebody else, and the client has to say so.
    pub(super) shut_out: bool,
}

impl Client {
    pub(super) async fn live(self, life: Life) {
        sleep(Duration::from_millis(life.starts)).await;
        let whole = self.acquire_and_hold(life);
        let Some(dies) = life.dies else { return whole.await };
        // In this order, so that it is already known to be dead when its connections close.
        if !up_to(dies, whole, || self.standing.set(Standing::Killed)).await {
            self.engine.note("client killed");
        }
    }

    /// Whenever the stream ends, acquires again with all filters there have been.
    async fn acquire_and_hold(&self, life: Life) {
        let plan = plan(|config| config.acquire_timeout = Duration::from_millis(life.tries));
        let mut filters = vec![Filter::session(&plan.session)];
        for round in 0.. {
            self.standing.set(Standing::Acquiring);
            let mut acquired = match acquire(&self.engine, &plan, &filters).await {
                Ok(acquired) => acquired,
                Err(Error::Deadline { .. }) if life.tries < PATIENT => return self.give_up("gave up"),
                Err(Error::NameTaken { .. }) if self.shut_out => return self.give_up("shut out"),
                Err(error) => return self.engine.wrong(&error.report()),
            };
            self.engine.note(if round == 0 { "acquired" } else { "acquired again" });
            self.standing.set(Standing::Holding);
            if !self.is_served(&mut acquired, &filters).await {
                return;
            }
            let session = wire::encode(&filters[0]);
            self.engine.world(|world| world.resources.push(session));
            // Its own, so that nobody else's line can stand for it.
            let own = Filter::label(format!("own-{}", self.engine.client()), round.to_string()).unwrap();
            let also = wire::register(&mut acquired.stream, &own).await;
            filters.push(own);
            if also.is_ok() && !self.is_served(&mut acquired, &filters).await {
                return;
            }
            let end = acquired.stream.read_u8();
            match life.leaves {
                Some(after) => {
                    if timeout(Duration::from_millis(after), end).await.is_err() {
                        if life.ends_run && acquired.greeted.is_some() {
                            // It leaves whether or not that was heard.
                            let said = wire::end_run(&mut acquired.stream, "1s");
                            let _ = timeout(END_WITHIN, said).await;
                        }
                        return self.standing.set(Standing::Left);
                    }
                }
                None => drop(end.await),
            }
            self.engine.note("connection lost");
        }
    }

    fn give_up(&self, why: &'static str) {
        self.engine.note(why);
        self.standing.set(Standing::GaveUp);
    }

    /// All filters are with the reaper, or the connection has ended and says so.
    async fn is_served(&self, acquired: &mut Acquired<DuplexStream>, filters: &[Filter]) -> bool {
        let lines: Vec<_> = filters.iter().map(wire::encode).collect();
        let served = self.engine.world(|world| {
            let one = world.find(&acquired.container);
            one.is_some_and(|one| one.ryuk.as_ref().is_some_and(|ryuk| ryuk.serves(&lines)))
        });
        if served {
            return true;
        }
        let end = timeout(END_WITHIN, acquired.stream.read_u8()).await;
        if !matches!(end, Ok(Err(_))) {
            self.engine.wrong(&format!("was acknowledged and is not served: {end:?}"));
        }
        matches!(end, Ok(Err(_)))
    }
}

/// Goes on for so many waits, then drops what is going on; false where it had to.
async fn up_to(waits: usize, whole: impl Future<Output = ()>, kill: impl Fn()) -> bool {
    let mut whole = pin!(whole);
    let mut steps = 0;
    poll_fn(|context| {
        steps += 1;
        if steps > waits {
            kill();
            return Poll::Ready(false);
        }
        whole.as_mut().poll(context).map(|()| true)
    })
    .await
}
