//! What a run is made of, and how it is drawn: all chance of a run is a value here, so that proptest can
//! make it smaller and a person can write it down.

use proptest::prelude::*;

use crate::engine::State;
use crate::engine::doubles::{Fault, Operation, Trouble};

/// No fault begins later, and no client starts later.
pub(super) const RESTLESS: u64 = 20_000;
pub(super) const LONGEST_FAULT: u64 = 8_000;

#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) before: Before,
    pub(super) has_image: bool,
    pub(super) has_network: bool,
    pub(super) lives: Vec<Life>,
    pub(super) faults: Vec<Fault>,
    /// Each at its moment, in milliseconds from the beginning.
    pub(super) blows: Vec<(u64, Blow)>,
    pub(super) delays: Vec<u64>,
    /// What a reaper needs for each answer, besides, in milliseconds.
    pub(super) ryuk_takes: u64,
    pub(super) jitter: u64,
}

/// What has the reaper's name before anybody starts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Before {
    Nothing,
    /// Its creator died before the start.
    Orphan,
    Running,
    /// Ended, and nobody removes it.
    Ended,
    Removing,
    /// It is somebody else's container.
    Foreign(State),
}

/// A client's life: a test process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) starts: u64,
    /// Killed instead of going on after so many waits.
    pub(super) dies: Option<usize>,
    /// Ends in order after holding its connection for so long.
    pub(super) leaves: Option<u64>,
    /// How long it tries, in milliseconds.
    pub(super) tries: u64,
    /// Says that the run is over before it leaves, as a keeper does: rightly, or others come after it.
    pub(super) ends_run: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Blow {
    KillReaper,
    CutConnections,
    DeleteImage,
}

/// An engine that is well, and nobody there.
pub(super) fn calm() -> Scenario {
    Scenario {
        before: Before::Nothing,
        has_image: true,
        has_network: true,
        lives: Vec::new(),
        faults: Vec::new(),
        blows: Vec::new(),
        delays: vec![6],
        ryuk_takes: 0,
        jitter: 0,
    }
}

/// Two to six clients, of which one lives to the end.
pub(super) fn scenario() -> impl Strategy<Value = Scenario> {
    use Before::{Ended, Nothing, Orphan, Removing, Running};
    let before = prop::sample::select(vec![Nothing, Orphan, Running, Ended, Removing]);
    let world = (before, prop::bool::weighted(0.7), prop::bool::weighted(0.8), any::<u64>());
    let lives = (0..RESTLESS, prop::collection::vec(life(), 1..6)).prop_map(|(starts, mut lives)| {
        lives.push(Life { starts, dies: None, leaves: None, tries: 60_000, ends_run: false });
        lives
    });
    let faults = prop::collection::vec(fault(RESTLESS), 0..6);
    let blows = prop::collection::vec((0..RESTLESS, blow()), 0..4);
    let delays = prop::collection::vec(delay(), 8..60);
    (world, lives, faults, blows, delays).prop_map(|(world, lives, faults, blows, delays)| {
        let (before, has_image, has_network, jitter) = world;
        Scenario { before, has_image, has_network, lives, faults, blows, delays, ryuk_takes: 0, jitter }
    })
}

/// Clients that give up early, on an engine that is well again by then.
pub(super) fn impatient() -> impl Strategy<Value = Scenario> {
    let life = (0..2_000_u64, 3_000..6_000_u64).prop_map(|(starts, tries)| Life {
        starts,
        dies: None,
        leaves: Some(100),
        tries,
        ends_run: false,
    });
    let lives = prop::collection::vec(life, 2..=6);
    let faults = prop::collection::vec(fault(2_000), 0..4).prop_map(|mut faults| {
        for fault in &mut faults {
            fault.until = fault.until.min(3_000);
        }
        faults
    });
    (scenario(), lives, faults).prop_map(|(scenario, lives, faults)| {
        // What others left behind is not theirs to look after.
        let before = Before::Nothing;
        let delays = scenario.delays.iter().map(|delay| *delay.min(&800)).collect();
        Scenario { before, lives, faults, blows: Vec::new(), delays, ..scenario }
    })
}

/// A reaper that is always slower than a client waits for at first, on an engine that is not.
pub(super) fn slow() -> impl Strategy<Value = Scenario> {
    (scenario(), 550..800_u64).prop_map(|(scenario, ryuk_takes)| {
        let delays = scenario.delays.iter().map(|delay| *delay.min(&40)).collect();
        Scenario { faults: Vec::new(), has_network: true, delays, ryuk_takes, ..scenario }
    })
}

/// Clients whose reaper's name has gone to somebody else.
pub(super) fn shut_out() -> impl Strategy<Value = Scenario> {
    let state = prop::sample::select(vec![State::Created, State::Running, State::Paused, State::Ended]);
    (scenario(), state).prop_map(|(scenario, state)| Scenario { before: Before::Foreign(state), ..scenario })
}

fn life() -> impl Strategy<Value = Life> {
    // Half of them at once, which is what a test runner does.
    let starts = prop_oneof![0..50_u64, 0..RESTLESS];
    let dies = prop_oneof![2 => Just(None), 1 => (0..60_usize).prop_map(Some)];
    let leaves = prop_oneof![1 => Just(None), 1 => (0..6_000_u64).prop_map(Some)];
    (starts, dies, leaves, any::<bool>()).prop_map(|(starts, dies, leaves, ends_run)| Life {
        starts,
        dies,
        leaves,
        tries: 60_000,
        ends_run,
    })
}

fn fault(latest: u64) -> impl Strategy<Value = Fault> {
    use Operation::{Create, Dial, Inspect, Load, Network, Remove, Start};
    let operation = prop::sample::select(vec![Inspect, Create, Start, Remove, Network, Load, Dial]);
    let trouble = prop::sample::select(vec![Trouble::Fails, Trouble::Loses, Trouble::Stalls]);
    (operation, trouble, 0..latest, 1..LONGEST_FAULT).prop_map(|(operation, trouble, from, length)| Fault {
        operation,
        trouble,
        from,
        until: from + length,
    })
}

fn blow() -> impl Strategy<Value = Blow> {
    prop::sample::select(vec![Blow::KillReaper, Blow::CutConnections, Blow::DeleteImage])
}

fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..40_u64, 3 => 40..400_u64, 1 => 400..2_000_u64]
}
