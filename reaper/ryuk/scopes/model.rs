//! The scopes against a model that knows no more than the words, with whatever comes in whichever order.
//!
//! The model's engine has things that are named by one scope or by two. What is handed out is removed as the server would do
//! it: what a living scope names stays.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::kind::Kind;
use crate::round::Share;

const INTERVAL: Duration = Duration::from_millis(100);
const SETTLED: Duration = Duration::from_millis(400);

fn patience() -> Patience {
    Patience { retries: 2, interval: INTERVAL, settled: SETTLED, timeout: Duration::from_secs(600) }
}

fn filter(number: usize) -> Filter {
    Filter::parse(format!("label=scope{number}=1").as_bytes()).unwrap()
}

/// A thing that these scopes name.
fn labels(named_by: &[usize]) -> Vec<(String, String)> {
    named_by.iter().map(|number| (format!("scope{number}"), "1".to_owned())).collect()
}

#[derive(Debug, Clone)]
enum Op {
    Begin(usize, usize),
    Again(usize, usize),
    End(usize, usize),
    Close(usize),
    Create(usize, usize),
    Pass(u64),
    Sweep,
    CutShort,
}

fn op() -> impl Strategy<Value = Op> {
    let (who, what) = (0..3_usize, 0..4_usize);
    prop_oneof![
        4 => (who.clone(), what.clone()).prop_map(|(who, what)| Op::Begin(who, what)),
        2 => (who.clone(), what.clone()).prop_map(|(who, what)| Op::Again(who, what)),
        3 => (who.clone(), what.clone()).prop_map(|(who, what)| Op::End(who, what)),
        1 => who.prop_map(Op::Close),
        3 => (what.clone(), what).prop_map(|(one, other)| Op::Create(one, other)),
        4 => (0..1200_u64).prop_map(Op::Pass),
        4 => Just(Op::Sweep),
        1 => Just(Op::CutShort),
    ]
}

/// What of a scope the model knows.
#[derive(Debug, Default, Clone)]
struct Known {
    holders: BTreeSet<usize>,
    /// Since when nobody holds it, and it has not ended.
    lost_at: Option<Instant>,
    /// Since when it has ended, and what was late counted.
    quiet_since: Option<Instant>,
    /// Nothing was there when it was looked for last.
    is_clean: bool,
    /// Somebody came back to it too late.
    is_sessions: bool,
}

struct Model {
    scopes: Scopes,
    living: Arc<Living>,
    holders: Vec<Holder>,
    known: BTreeMap<usize, Known>,
    things: Vec<Vec<usize>>,
    now: Instant,
}

impl Model {
    fn new() -> Self {
        let living = Arc::new(Living::default());
        let mut scopes = Scopes::new(Arc::clone(&living), patience());
        let holders = (0..3).map(|_| scopes.holder()).collect();
        let (known, things) = (BTreeMap::new(), Vec::new());
        Self { scopes, living, holders, known, things, now: Instant::now() }
    }

    fn lives(&self, what: usize) -> bool {
        self.known.get(&what).is_some_and(|known| known.quiet_since.is_none() && !known.is_sessions)
    }

    fn has_ended(&self, what: usize) -> bool {
        self.known.get(&what).is_some_and(|known| known.quiet_since.is_some() && !known.is_clean)
    }

    fn hold(&mut self, word: ScopeWord, who: usize, what: usize) {
        let expected = if word == ScopeWord::Again { self.lives(what) } else { !self.has_ended(what) };
        let held = self.scopes.hold(word, &filter(what), self.holders[who]);
        assert_eq!(held.is_ok(), expected, "{word:?} {who} {what}: {held:?}");
        if expected {
            let mut holders = self.known.remove(&what).unwrap_or_default().holders;
            holders.insert(who);
            self.known.insert(what, Known { holders, ..Known::default() });
        } else if word == ScopeWord::Again {
            self.known.insert(what, Known { is_sessions: true, ..Known::default() });
        }
    }

    fn end(&mut self, who: usize, what: usize) {
        let holds = self.known.get(&what).is_some_and(|known| known.holders.contains(&who));
        let ended = self.scopes.end(&filter(what), self.holders[who], self.now);
        assert_eq!(ended.is_ok(), holds, "{who} {what}: {ended:?}");
        if let Some(known) = self.known.get_mut(&what).filter(|_| holds) {
            known.holders.remove(&who);
            assert_eq!(ended, Ok(known.holders.is_empty()));
            if known.holders.is_empty() {
                known.quiet_since = Some(self.now);
            }
        }
    }

    fn close(&mut self, who: usize) {
        self.scopes.lose(self.holders[who], self.now);
        for known in self.known.values_mut() {
            if known.holders.remove(&who) && known.holders.is_empty() {
                known.lost_at = Some(self.now);
            }
        }
        self.holders[who] = self.scopes.holder();
    }

    /// As many calls as the server makes before it lets the grace be over.
    fn judge(&mut self) {
        let mut lost = Vec::new();
        for call in 0..=LAST_LOOKS {
            lost = self.scopes.judge(self.now, None);
            assert!(lost.is_empty() || call == LAST_LOOKS, "without the last looks");
        }
        let over = |known: &Known| {
            known.quiet_since.is_none() && known.lost_at.is_some_and(|at| at + GRACE <= self.now)
        };
        let expected: Vec<_> =
            self.known.iter().filter(|(_, known)| over(known)).map(|(what, _)| filter(*what)).collect();
        assert_eq!(lost, expected, "neither earlier nor later");
        for known in self.known.values_mut() {
            if known.lost_at.is_some_and(|at| at + GRACE <= self.now) && known.quiet_since.is_none() {
                known.quiet_since = known.lost_at;
            }
        }
    }

    fn sweep(&mut self, cut_short: bool) {
        let Some(wanted) = self.scopes.due(self.now) else { return };
        let filters: Vec<_> = wanted.iter().map(|wanted| wanted.filter.clone()).collect();
        for what in 0..4 {
            assert!(!(self.lives(what) && filters.contains(&filter(what))), "{what} lives and is handed out");
        }
        let mut round =
            Round { shares: filters.iter().map(|_| Share::default()).collect(), ..Round::default() };
        let began = self.now;
        let (known, living) = (&self.known, &self.living);
        self.things.retain(|thing| {
            let labels = labels(thing);
            let of: Vec<_> = (0..filters.len()).filter(|at| filters[*at].matches(&labels)).collect();
            let is_named =
                thing.iter().any(|what| known.get(what).is_some_and(|known| known.quiet_since.is_none()));
            assert_eq!(
                living.name(&labels),
                is_named,
                "what lives is protected, and nothing else: {thing:?}"
            );
            if of.is_empty() || living.name(&labels) {
                return true;
            }
            for at in of {
                round.shares[at].seen = true;
                round.shares[at].removed.count(Kind::Container);
            }
            false
        });
        let seen: Vec<_> = round.shares.iter().map(|share| share.seen).collect();
        self.scopes.take(Swept { wanted, round, began, cut_short }, self.now);
        for (what, known) in self.known.clone() {
            let Some(quiet_since) = known.quiet_since else { continue };
            let looked = filters.iter().position(|wanted| *wanted == filter(what));
            if let Some(at) = looked {
                self.known.entry(what).or_default().is_clean = !seen[at] && !cut_short;
            }
            let is_over = !self.scopes.all.contains_key(&filter(what));
            if is_over {
                let at = looked.expect("forgotten without a look");
                assert!(!seen[at] && !cut_short, "{what} is forgotten with something there");
                assert!(began >= quiet_since + SETTLED, "{what} is forgotten before the last look");
                self.known.remove(&what);
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.scopes.all.len(), self.known.len(), "nothing is forgotten but with a look");
        assert_eq!(self.scopes.bytes, self.scopes.all.keys().map(Filter::size).sum::<usize>());
        let holds: usize = self.known.values().map(|known| known.holders.len()).sum();
        assert_eq!(self.scopes.holds, holds);
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Begin(who, what) => self.hold(ScopeWord::Begin, who, what),
            Op::Again(who, what) => self.hold(ScopeWord::Again, who, what),
            Op::End(who, what) => self.end(who, what),
            Op::Close(who) => self.close(who),
            Op::Create(one, other) => self.things.push(vec![one, other]),
            Op::Pass(milliseconds) => {
                self.now += Duration::from_millis(milliseconds);
                self.judge();
            }
            Op::Sweep | Op::CutShort => self.sweep(matches!(op, Op::CutShort)),
        }
        self.check();
    }

    fn sweep_for_long(&mut self) {
        for _ in 0..100 {
            self.sweep(false);
            self.now += INTERVAL;
        }
    }

    /// What is left of what these scopes name.
    fn left(&self, named: &BTreeSet<usize>) -> Vec<&Vec<usize>> {
        self.things.iter().filter(|thing| thing.iter().any(|what| named.contains(what))).collect()
    }

    /// Everybody goes, and time passes: nothing that a scope named may be left but what is the session's, and that goes with it.
    fn finish(&mut self) {
        let named: BTreeSet<_> = self.known.keys().copied().collect();
        for who in 0..3 {
            self.close(who);
        }
        self.now += GRACE;
        self.judge();
        let sessions: BTreeSet<_> =
            self.known.iter().filter(|(_, known)| known.is_sessions).map(|(what, _)| *what).collect();
        let before = self.left(&sessions).len();
        self.sweep_for_long();
        assert_eq!(self.left(&sessions).len(), before, "nothing of it goes while the session lives");
        assert_eq!(self.left(&named).len(), before, "nothing else is left");
        let wanted = self.scopes.end_all(self.now);
        assert_eq!(wanted.len(), sessions.len());
        assert!(wanted.iter().all(|wanted| wanted.why == Why::SessionEnded), "{wanted:?}");
        for known in self.known.values_mut() {
            *known = Known { quiet_since: Some(self.now), ..Known::default() };
        }
        self.sweep_for_long();
        assert_eq!(self.left(&named), Vec::<&Vec<usize>>::new());
        assert!(self.scopes.is_empty() && self.scopes.bytes == 0 && self.scopes.holds == 0);
        assert_eq!((self.scopes.look_at(), self.scopes.grace_ends_at()), (None, None));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn nothing_that_lives_is_handed_out_and_all_that_has_ended_is_looked_for_once_more(
        ops in prop::collection::vec(op(), 1..60)
    ) {
        let mut model = Model::new();
        for op in &ops {
            model.apply(op);
        }
        model.finish();
    }
}
