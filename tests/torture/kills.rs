//! Test processes killed with SIGKILL at random moments of their lives, many at once, in several sessions.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Child;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use reaper_tests::suite::{Run, spawn, text};
use reaper_tests::{until, world};

use crate::chance::Chance;
use crate::{Outcome, clean};

/// Processes in a wave, and sessions among which they are spread.
pub(crate) const WAVE: usize = 100;
const SESSIONS: usize = 4;
/// Lives that overlap: enough that they meet, and not so many that two cores do nothing but switch.
const AT_ONCE: usize = 8;

/// What each creates. A container takes the engine a hundred times as long as a volume, and is the least
/// likely for that reason.
const KINDS: [(&str, u64); 3] = [("container", 2), ("network", 2), ("volume", 6)];

/// Where in its life each was killed.
#[derive(Default)]
pub(crate) struct Phases {
    before: usize,
    creating: usize,
    holding: usize,
}

impl fmt::Display for Phases {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, creating, holding } = self;
        write!(formatter, "killed before the ACK: {before}, while creating: {creating}, after: {holding}")
    }
}

/// A life to be led: decided before any begins, so that a seed gives the same again.
struct Life {
    session: usize,
    kind: &'static str,
    killed_after: Duration,
}

/// Starts and kills this many, has one more follow them, and waits until nothing is left of any.
pub(crate) fn wave(chance: &mut Chance, processes: usize, phases: &mut Phases) -> Outcome {
    let run = Run::new();
    let number = chance.below(u64::MAX);
    let mut sessions: Vec<_> =
        (0..SESSIONS).map(|session| format!("torture-{number:016x}-{session}")).collect();
    let spans = spans();
    let mut lives: Vec<_> = (0..processes).map(|number| life(chance, number, spans)).collect();
    let mut running: Vec<(Child, Instant)> = Vec::new();
    let mut pids = Vec::new();
    while !(lives.is_empty() && running.is_empty()) {
        if running.len() < AT_ONCE
            && let Some(life) = lives.pop()
        {
            let process = start(&run, &sessions[life.session], life.kind);
            pids.push(process.id().to_string());
            running.push((process, Instant::now() + life.killed_after));
        }
        let now = Instant::now();
        let due;
        (due, running) = running.into_iter().partition(|(_, moment)| *moment <= now);
        for (process, _) in due {
            kill(process);
        }
        let next = running.iter().map(|(_, moment)| moment.saturating_duration_since(now)).min();
        if running.len() == AT_ONCE || lives.is_empty() {
            thread::sleep(next.unwrap_or_default());
        }
    }
    // As the next run would: it removes a reaper whose maker was killed before it could start it.
    sessions.push(format!("torture-{number:016x}-next"));
    let next = start(&run, &sessions[SESSIONS], "volume");
    until("the next run's process has created", Duration::from_secs(60), || {
        let pid = next.id().to_string();
        let created = run.records().iter().any(|record| record.pid == pid && record.test == "created");
        if created { Ok(()) } else { Err(format!("{:?}", run.records().last())) }
    });
    kill(next);
    let outcome = clean(&sessions);
    count(&run, &pids, phases);
    outcome
}

fn life(chance: &mut Chance, number: usize, spans: &BTreeMap<&'static str, Duration>) -> Life {
    let total = KINDS.iter().map(|(_, weight)| weight).sum();
    let mut drawn = chance.below(total);
    let (kind, _) = KINDS
        .into_iter()
        .find(|(_, weight)| {
            let found = drawn < *weight;
            drawn = drawn.wrapping_sub(*weight);
            found
        })
        .expect("less than the sum of the weights");
    Life { session: number % SESSIONS, kind, killed_after: chance.within(spans[kind]) }
}

fn start(run: &Run, session: &str, kind: &str) -> Child {
    let mut creates = run.binary("killed");
    creates.args(["--exact", "creates", "--include-ignored"]).env("TESTCONTAINERS_SESSION_ID", session);
    creates.env("RYUK_RECONNECTION_TIMEOUT", "1s").env("SUITE_KIND", kind);
    spawn(creates.env("SUITE_SUBNET", world::subnet()))
}

#[track_caller]
fn kill(mut process: Child) {
    let ended = process.try_wait().expect("a process can be waited for");
    if ended.is_some() {
        let output = process.wait_with_output().expect("its output");
        panic!("a test process ended by itself: {}", text(&output));
    }
    process.kill().expect("a process can be killed");
    process.wait().expect("a process can be waited for");
}

/// From what each has logged: nothing, that it had a guard, or that it had created, too.
fn count(run: &Run, pids: &[String], phases: &mut Phases) {
    let records = run.records();
    for pid in pids {
        let logged = |what: &str| records.iter().any(|record| record.pid == *pid && record.test == what);
        match (logged("acknowledged"), logged("created")) {
            (_, true) => phases.holding += 1,
            (true, false) => phases.creating += 1,
            (false, false) => phases.before += 1,
        }
    }
}

/// How long to let each kind live at most: half as long again as it takes from its start until it has created,
/// with as many beside it as later. Measured once, so that the moments hit every part of a life on any machine.
fn spans() -> &'static BTreeMap<&'static str, Duration> {
    static SPANS: OnceLock<BTreeMap<&'static str, Duration>> = OnceLock::new();
    SPANS.get_or_init(|| KINDS.into_iter().map(|(kind, _)| (kind, measure(kind) * 3 / 2)).collect())
}

fn measure(kind: &str) -> Duration {
    let run = Run::new();
    let session = format!("torture-measure-{}-{kind}", std::process::id());
    // The reaper is there before the clock runs, as it is for most of a wave.
    let first = start(&run, &session, "volume");
    let created = |count: usize| {
        until("the measured processes have created", Duration::from_secs(60), || {
            let created = run.records().iter().filter(|record| record.test == "created").count();
            if created >= count { Ok(()) } else { Err(format!("{created} of {count}")) }
        });
    };
    created(1);
    let began = Instant::now();
    let others: Vec<_> = (1..AT_ONCE).map(|_| start(&run, &session, kind)).collect();
    created(AT_ONCE);
    let took = began.elapsed();
    for process in others.into_iter().chain([first]) {
        kill(process);
    }
    assert_eq!(clean(&[session]).left, Vec::<String>::new(), "left by the measurement");
    took
}
