//! Limits, and whatever comes in whichever order against a model that knows no more than the words.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::ending::Patience;
use crate::living::Living;
use crate::scopes::Scopes;

fn holders(count: usize) -> Vec<Holder> {
    let ms = std::time::Duration::from_millis;
    let patience = Patience { retries: 0, interval: ms(1), settled: ms(1), timeout: ms(1) };
    let mut scopes = Scopes::new(Arc::new(Living::default()), patience);
    (0..count).map(|_| scopes.holder()).collect()
}

fn ask(key: &str, worthless: u64) -> Ask {
    Ask { token: String::new(), key: key.into(), worthless, who: "somebody".into() }
}

#[test]
fn what_clients_can_have_remembered_is_bounded() {
    let (mut keys, now) = (Keys::default(), Instant::now());
    let holders = holders(MOST_KEYS + 1);
    for (number, holder) in holders[1..].iter().enumerate() {
        assert_eq!(keys.claim(ask(&format!("k{number}"), 0), *holder, now), Ok(Answer::Turn));
    }
    let refused = keys.claim(ask("one-more", 0), holders[0], now).unwrap_err();
    assert!(refused.starts_with("there are too many keys"), "{refused}");
    let long = "x".repeat(LONGEST_VALUE + 1);
    assert!(keys.keep(&long, holders[1]).unwrap_err().starts_with(key_words::TOO_LONG));
    // It has its turn all the same.
    let most = MOST_BYTES / LONGEST_VALUE;
    for holder in &holders[1..=most] {
        keys.keep(&long[1..], *holder).unwrap();
    }
    assert!(keys.keep(&long[1..], holders[most + 1]).unwrap_err().starts_with(key_words::TOO_LONG));
    keys.lose(holders[most + 1], now);
    assert_eq!(keys.claim(ask("one-more", 0), holders[0], now), Ok(Answer::Turn));
    keys.forget();
    keys.keep(&long[1..], holders[0]).unwrap();
}

#[test]
fn a_connection_has_one_claim_and_hands_over_what_is_its_turn_alone() {
    let (mut keys, now) = (Keys::default(), Instant::now());
    let [maker, waiter, other] = holders(3)[..] else { unreachable!() };
    assert_eq!(keys.claim(ask("a", 0), maker, now), Ok(Answer::Turn));
    keys.claim(ask("b", 0), maker, now).unwrap_err();
    assert!(matches!(keys.claim(ask("a", 0), waiter, now), Ok(Answer::Wait { .. })));
    for holder in [waiter, other] {
        keys.keep("1", holder).unwrap_err();
    }
    keys.keep("1", maker).unwrap();
    keys.keep("2", maker).unwrap_err();
}

const WHO: usize = 4;

#[derive(Debug, Clone)]
enum Op {
    Claim(usize, usize),
    /// Any value but the last.
    Again(usize, usize),
    Keep(usize),
    Close(usize),
    Forget,
    End,
}

fn op() -> impl Strategy<Value = Op> {
    let (who, key) = (0..WHO, 0..2_usize);
    prop_oneof![
        6 => (who.clone(), key.clone()).prop_map(|(who, key)| Op::Claim(who, key)),
        3 => (who.clone(), key).prop_map(|(who, key)| Op::Again(who, key)),
        5 => who.clone().prop_map(Op::Keep),
        3 => who.prop_map(Op::Close),
        1 => Just(Op::Forget),
        1 => Just(Op::End),
    ]
}

/// What somebody knows of the claim that he has.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    Waits(usize),
    Makes(usize),
}

struct Model {
    keys: Keys,
    holders: Vec<Holder>,
    /// Of those who come after others.
    later: Vec<Holder>,
    known: BTreeMap<usize, Known>,
    /// The last value of each key.
    values: BTreeMap<usize, (u64, String)>,
    now: Instant,
}

impl Model {
    fn claim(&mut self, who: usize, key: usize, worthless: u64) {
        let told = self.keys.claim(ask(&format!("k{key}"), worthless), self.holders[who], self.now);
        if self.known.contains_key(&who) {
            told.unwrap_err();
            return;
        }
        let value = self.values.get(&key).filter(|(number, _)| *number != worthless).cloned();
        let is_made = self.known.values().any(|known| *known == Known::Makes(key));
        match (told.unwrap(), value) {
            (Answer::Value { number, text }, Some(value)) => assert_eq!((number, text.to_string()), value),
            (Answer::Turn, None) if !is_made => drop(self.known.insert(who, Known::Makes(key))),
            (Answer::Wait { .. }, None) if is_made => drop(self.known.insert(who, Known::Waits(key))),
            (told, value) => panic!("{told:?}, {value:?}, is made: {is_made}"),
        }
    }

    fn keep(&mut self, who: usize) {
        let text = format!("by {who}");
        let kept = self.keys.keep(&text, self.holders[who]);
        let Some(Known::Makes(key)) = self.known.get(&who).copied() else {
            kept.unwrap_err();
            return;
        };
        let number = kept.unwrap();
        assert!(self.values.values().all(|(other, _)| *other < number), "each has a number of its own");
        self.values.insert(key, (number, text));
        self.known.remove(&who);
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Claim(who, key) => self.claim(who, key, 0),
            Op::Again(who, key) => {
                let worthless = self.values.get(&key).map_or(0, |(number, _)| *number);
                self.claim(who, key, worthless);
            }
            Op::Keep(who) => self.keep(who),
            Op::Close(who) => {
                self.known.remove(&who);
                self.keys.lose(self.holders[who], self.now);
                // Whoever comes is somebody else.
                self.holders[who] = self.later.pop().expect("more than are needed");
            }
            Op::Forget => {
                self.values.clear();
                self.keys.forget();
            }
            Op::End => {
                self.values.clear();
                self.keys.end_all();
            }
        }
        for (holder, news) in self.keys.take_news() {
            let who =
                self.holders.iter().position(|own| *own == holder).expect("nobody is told who has gone");
            match (news, self.known.get(&who).copied()) {
                (News::Over, Some(_)) => drop(self.known.remove(&who)),
                (News::Told(Answer::Turn), Some(Known::Waits(key))) => {
                    self.known.insert(who, Known::Makes(key));
                }
                (News::Told(Answer::Wait { .. }), Some(Known::Waits(_))) => {}
                (News::Told(Answer::Value { number, text }), Some(Known::Waits(key))) => {
                    assert_eq!(self.values[&key], (number, text.to_string()));
                    self.known.remove(&who);
                }
                (news, known) => panic!("{news:?}, {known:?}"),
            }
        }
        self.check();
    }

    fn check(&self) {
        for key in 0..2 {
            let count = |wanted| self.known.values().filter(|known| **known == wanted).count();
            let (makers, waiting) = (count(Known::Makes(key)), count(Known::Waits(key)));
            assert!(makers <= 1, "{makers} make one value");
            assert!(waiting == 0 || makers == 1, "{waiting} wait for nobody");
        }
        let bytes: usize = self.values.values().map(|(_, text)| text.len()).sum();
        assert_eq!((self.keys.bytes, self.keys.claims.len()), (bytes, self.known.len()));
        let claimed = self.known.values().map(|known| match known {
            Known::Makes(key) | Known::Waits(key) => *key,
        });
        let used: BTreeSet<_> = claimed.chain(self.values.keys().copied()).collect();
        assert_eq!(self.keys.all.len(), used.len(), "of what nobody uses nothing stays");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn a_value_has_one_maker_and_whoever_waits_is_told(ops in prop::collection::vec(op(), 1..60)) {
        let mut later = holders(100);
        let mut model = Model {
            keys: Keys::default(),
            holders: later.split_off(100 - WHO),
            later,
            known: BTreeMap::new(),
            values: BTreeMap::new(),
            now: Instant::now(),
        };
        for op in &ops {
            model.apply(op);
        }
        for who in 0..WHO {
            model.apply(&Op::Close(who));
        }
        assert!(model.keys.claims.is_empty());
    }
}
