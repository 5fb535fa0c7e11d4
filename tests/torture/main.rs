//! What `cargo xtask torture` runs: the faults of the fault suite, many times, at random moments.
//!
//! A program and not a test: it takes minutes, and its answer is a table. It uses the tests' harness, so that
//! there is one. What is random comes from a seed that is printed and can be given back.

mod chance;
mod kills;
mod reapers;
mod runs;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use reaper_tests::bystander::Bystander;
use reaper_tests::engine::Engine;

use crate::chance::Chance;
use crate::table::{Row, progress};

/// The whole run ends by then, whatever happens: what is not finished is said not to be.
const BUDGET: Duration = Duration::from_secs(15 * 60);
/// For a session to be gone; what is there after that is left over.
const GONE_WITHIN: Duration = Duration::from_secs(90);

const HELP: &str = "torture [--quick] [--seed <number>]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((quick, seed)) = parse(&arguments) else {
        eprintln!("error: unknown arguments {arguments:?}\n\n{HELP}");
        return ExitCode::FAILURE;
    };
    println!("seed {seed}; the same moments again with --seed {seed}");
    let mut torture = Torture {
        chance: Chance::new(seed),
        began: Instant::now(),
        bystander: Bystander::new(),
        rows: Vec::new(),
    };
    let times = |full: usize| if quick { full.div_ceil(10) } else { full };
    torture.fault("256 processes at once", times(20), runs::crowd);
    torture.kills(times(1000));
    torture.fault("runner killed with its tests", times(10), runs::runner_killed);
    torture.fault("keeper killed in a gap between tests", times(10), runs::keeper_killed);
    torture.fault("gaps longer than the reaper waits", times(10), runs::gap);
    torture.fault("reaper killed under a test", times(20), reapers::killed);
    let (containers, others) = (times(500), times(50));
    let much = format!("{containers} containers, {others} networks, {others} volumes");
    torture.fault(&much, 1, |_| reapers::much(containers, others));
    torture.finish()
}

fn parse(arguments: &[String]) -> Option<(bool, u64)> {
    let now = || std::time::UNIX_EPOCH.elapsed().map_or(1, |now| u64::from(now.subsec_nanos()));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => Some((false, now())),
        ["--quick"] => Some((true, now())),
        ["--seed", seed] => Some((false, seed.parse().ok()?)),
        ["--quick", "--seed", seed] | ["--seed", seed, "--quick"] => Some((true, seed.parse().ok()?)),
        _ => None,
    }
}

/// What one repetition of a fault came to.
#[derive(Default)]
pub(crate) struct Outcome {
    /// What was still there when it should have been gone.
    pub(crate) left: Vec<String>,
    /// From the end of its last process until nothing was left, for each session.
    pub(crate) cleaned: Vec<Duration>,
}

struct Torture {
    chance: Chance,
    began: Instant,
    bystander: Bystander,
    rows: Vec<Row>,
}

impl Torture {
    fn fault(&mut self, name: &str, times: usize, mut once: impl FnMut(&mut Chance) -> Outcome) {
        let mut row = Row::new(name, times);
        for number in 0..times {
            if self.began.elapsed() > BUDGET {
                break;
            }
            progress(name, number, times);
            // What went wrong has been printed; the other faults are worth knowing all the same.
            match catch_unwind(AssertUnwindSafe(|| once(&mut self.chance))) {
                Ok(outcome) => row.take(outcome),
                Err(_) => row.failed += 1,
            }
            row.repetitions += 1;
        }
        progress(name, times, times);
        self.close(row);
    }

    /// A repetition is a process, and a wave has many.
    fn kills(&mut self, times: usize) {
        let name = "test process killed";
        let mut row = Row::new(name, times);
        let mut phases = kills::Phases::default();
        while row.repetitions < times && self.began.elapsed() < BUDGET {
            progress(name, row.repetitions, times);
            let wave = kills::WAVE.min(times - row.repetitions);
            match catch_unwind(AssertUnwindSafe(|| kills::wave(&mut self.chance, wave, &mut phases))) {
                Ok(outcome) => row.take(outcome),
                Err(_) => row.failed += wave,
            }
            row.repetitions += wave;
        }
        progress(name, times, times);
        row.note = phases.to_string();
        self.close(row);
    }

    fn close(&mut self, mut row: Row) {
        row.touched = self.bystander.touched();
        self.rows.push(row);
    }

    fn finish(self) -> ExitCode {
        let Self { began, bystander, rows, .. } = self;
        drop(bystander);
        table::print(&rows);
        println!("in {:.0} s", began.elapsed().as_secs_f64());
        if rows.iter().all(Row::is_clean) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Waits until nothing of these sessions is left, from now on.
pub(crate) fn clean(sessions: &[String]) -> Outcome {
    let engine = Engine::system();
    let ended = Instant::now();
    let mut outcome = Outcome::default();
    let mut waiting: Vec<_> = sessions.to_vec();
    while !waiting.is_empty() {
        waiting.retain(|session| {
            let left = engine.resources(session);
            if left.is_empty() {
                outcome.cleaned.push(ended.elapsed());
                return false;
            }
            if ended.elapsed() > GONE_WITHIN {
                eprintln!("left of session {session}: {left:?}");
                outcome.left.extend(left);
                return false;
            }
            true
        });
        std::thread::sleep(Duration::from_millis(20));
    }
    outcome
}
