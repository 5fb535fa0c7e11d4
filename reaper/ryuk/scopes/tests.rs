//! What the model does not draw: limits, a late server, an engine that refuses, and the session's end.

use super::*;
use crate::kind::Kind;
use crate::round::Share;

fn patience() -> Patience {
    let ms = Duration::from_millis;
    Patience { retries: 2, interval: ms(100), settled: ms(400), timeout: Duration::from_secs(60) }
}

fn scopes() -> (Scopes, Arc<Living>) {
    let living = Arc::new(Living::default());
    (Scopes::new(Arc::clone(&living), patience()), living)
}

fn filter(name: &str) -> Filter {
    Filter::parse(format!("label=scope={name}").as_bytes()).unwrap()
}

fn labels(name: &str) -> Vec<(String, String)> {
    vec![("scope".to_owned(), name.to_owned())]
}

fn ended(scopes: &mut Scopes, names: &[&str], now: Instant) {
    let holder = scopes.holder();
    for name in names {
        scopes.hold(ScopeWord::Begin, &filter(name), holder).unwrap();
        assert_eq!(scopes.end(&filter(name), holder, now), Ok(true));
    }
}

/// A round in which each scope that is wanted comes to this.
fn sweep(
    scopes: &mut Scopes,
    now: Instant,
    waits: bool,
    mut share: impl FnMut(&Filter) -> Share,
) -> Vec<String> {
    let wanted = scopes.due(now).expect("it is due");
    let shares = wanted.iter().map(|wanted| share(&wanted.filter)).collect();
    let round = Round { waits, shares, ..Round::default() };
    scopes.take(Swept { wanted, round, began: now, cut_short: false }, now)
}

fn refused(why: &str) -> Share {
    Share { seen: true, left: vec![why.to_owned()], ..Share::default() }
}

fn removed() -> Share {
    let mut share = Share { seen: true, ..Share::default() };
    share.removed.count(Kind::Container);
    share
}

#[test]
fn scopes_and_their_filters_and_holds_are_limited_altogether() {
    let (mut scopes, _) = scopes();
    let (one, other) = (scopes.holder(), scopes.holder());
    for number in 0..MOST {
        scopes.hold(ScopeWord::Begin, &filter(&number.to_string()), one).unwrap();
    }
    let problem = scopes.hold(ScopeWord::Begin, &filter("more"), one).unwrap_err();
    assert!(problem.contains("too many scopes"), "{problem}");
    // The known ones are held by others all the same, and a repeat is none.
    scopes.hold(ScopeWord::Begin, &filter("0"), other).unwrap();
    for _ in 0..2 * MOST_HOLDS {
        scopes.hold(ScopeWord::Begin, &filter("0"), other).unwrap();
    }
    for _ in 0..5 {
        let more = scopes.holder();
        for number in 0..MOST {
            let _ = scopes.hold(ScopeWord::Begin, &filter(&number.to_string()), more);
        }
    }
    assert_eq!(scopes.holds, MOST_HOLDS);
    // One that is ending counts.
    let now = Instant::now();
    scopes.end(&filter("1"), one, now).unwrap();
    assert!(scopes.hold(ScopeWord::Begin, &filter("more"), one).is_err());

    let (mut scopes, _) = self::scopes();
    let long = |number: u32| filter(&format!("{number}{}", "x".repeat(60_000)));
    let taken =
        (0..100).take_while(|number| scopes.hold(ScopeWord::Begin, &long(*number), one).is_ok()).count();
    assert!((30..36).contains(&taken), "{taken}");
    let short = "label=a&".repeat(40_000);
    assert!(
        scopes
            .hold(ScopeWord::Begin, &Filter::parse(short.trim_end_matches('&').as_bytes()).unwrap(), one)
            .is_err()
    );
}

/// Whoever comes while the server looks once more has a moment, and one only.
#[test]
fn who_came_back_while_the_server_was_late_is_not_judged_by_it() {
    let (mut scopes, living) = scopes();
    let holder = scopes.holder();
    let lost_at = Instant::now();
    scopes.hold(ScopeWord::Begin, &filter("a"), holder).unwrap();
    scopes.lose(holder, lost_at);
    assert_eq!(scopes.grace_ends_at(), Some(lost_at + GRACE));
    let before = lost_at + 3 * GRACE;
    let late = before + Duration::from_millis(1);
    // Who came before has had the time.
    let before = Some(before);
    assert_eq!(scopes.judge(late, before), []);
    assert_eq!(scopes.judge(late, before), []);
    assert_eq!(scopes.judge(late, Some(late)), []);
    assert_eq!(scopes.grace_ends_at(), Some(late + MOMENT));
    assert!(living.name(&labels("a")));
    let again = scopes.holder();
    scopes.hold(ScopeWord::Again, &filter("a"), again).unwrap();
    assert_eq!((scopes.grace_ends_at(), scopes.due(late + 10 * GRACE)), (None, None));
    scopes.lose(again, late);
    let (later, mut lost) = (late + GRACE, Vec::new());
    for _ in 0..=LAST_LOOKS {
        lost = scopes.judge(later, Some(later));
    }
    assert_eq!(lost, []);
    let over = later + MOMENT;
    for _ in 0..=LAST_LOOKS {
        lost = scopes.judge(over, Some(over));
    }
    assert_eq!(lost, [filter("a")]);
    assert!(!living.name(&labels("a")) && scopes.hold(ScopeWord::Again, &filter("a"), again).is_err());
}

#[test]
fn what_is_refused_has_its_retries_and_is_left_to_the_session() {
    let (mut scopes, _) = scopes();
    let mut now = Instant::now();
    ended(&mut scopes, &["a", "b"], now);
    let mut rounds = 0;
    let told =
        loop {
            let told = sweep(&mut scopes, now, false, |of| {
                if *of == filter("a") { refused("no") } else { Share::default() }
            });
            rounds += 1;
            if told.iter().any(|line| line.contains("left behind")) {
                break told;
            }
            assert_eq!(scopes.due(now), None, "it has a rest");
            now = scopes.look_at().unwrap();
        };
    assert_eq!(rounds, 3, "the first attempt, and two more");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("scope={\"label\":[\"scope=a\"]} left behind: no"), "{told:?}");
    // The other has its last look, and is forgotten.
    now += Duration::from_millis(400);
    assert_eq!(sweep(&mut scopes, now, false, |_| Share::default()), Vec::<String>::new());
    assert_eq!(scopes.look_at(), None);
    let wanted = scopes.end_all(now);
    assert_eq!(wanted, [Wanted { filter: filter("a"), why: Why::ScopeEnded }]);
}

/// What is stuck neither uses up the others' retries nor is looked for with each of them.
#[test]
fn an_engine_that_waits_uses_up_no_retries_until_the_time_is_over() {
    let (mut scopes, _) = scopes();
    let began = Instant::now();
    ended(&mut scopes, &["a"], began);
    let mut now = began;
    while now < began + Duration::from_secs(59) {
        assert_eq!(sweep(&mut scopes, now, true, |_| refused("no answer")), Vec::<String>::new());
        now = scopes.look_at().unwrap();
    }
    ended(&mut scopes, &["b"], now);
    sweep(&mut scopes, now, true, |_| refused("no answer"));
    ended(&mut scopes, &["c"], now);
    let wanted: Vec<_> = scopes.due(now).unwrap().into_iter().map(|wanted| wanted.filter).collect();
    assert_eq!(wanted, [filter("c")]);
    now = began + Duration::from_secs(60);
    let told = sweep(&mut scopes, now, true, |_| refused("no answer"));
    assert!(told[0].contains("scope=a") && told[0].contains("left behind: no answer"), "{told:?}");
    assert!(!told.iter().any(|line| line.contains("scope=b")), "{told:?}");
}

#[test]
fn last_looks_are_for_many_at_once() {
    let (mut scopes, _) = scopes();
    let began = Instant::now();
    let ms = Duration::from_millis;
    for number in 0..50 {
        let now = began + ms(number);
        ended(&mut scopes, &[&number.to_string()], now);
        sweep(&mut scopes, now, false, |_| removed());
        let told = sweep(&mut scopes, now, false, |_| Share::default());
        assert!(told.iter().any(|line| line.contains("removed containers=1")), "{told:?}");
    }
    let mut looks = 0;
    while let Some(at) = scopes.look_at() {
        sweep(&mut scopes, at, false, |_| Share::default());
        looks += 1;
    }
    assert!(scopes.is_empty());
    assert!(looks <= 2, "{looks}");
}

#[test]
fn what_is_late_is_told_and_looked_for_once_more_after_it() {
    let (mut scopes, _) = scopes();
    let began = Instant::now();
    ended(&mut scopes, &["a"], began);
    sweep(&mut scopes, began, false, |_| Share::default());
    let late = began + Duration::from_millis(400);
    assert_eq!(scopes.look_at(), Some(late));
    sweep(&mut scopes, late, false, |_| removed());
    let told = sweep(&mut scopes, late, false, |_| Share::default());
    assert!(
        told[0].contains("ended, removed containers=1 networks=0 volumes=0 images=0 in 400 ms"),
        "{told:?}"
    );
    assert_eq!(scopes.look_at(), Some(late + Duration::from_millis(400)));
    sweep(&mut scopes, late + Duration::from_millis(400), false, |_| Share::default());
    assert!(scopes.is_empty());
}

/// In the name of the session, but for those that had ended by themselves.
#[test]
fn with_the_session_all_of_them_end() {
    let (mut scopes, living) = scopes();
    let now = Instant::now();
    ended(&mut scopes, &["a"], now);
    let (gone, there) = (scopes.holder(), scopes.holder());
    scopes.hold(ScopeWord::Begin, &filter("b"), gone).unwrap();
    scopes.hold(ScopeWord::Begin, &filter("c"), there).unwrap();
    scopes.lose(gone, now);
    assert!(living.name(&labels("b")) && living.name(&labels("c")) && !living.name(&labels("a")));
    let whys: Vec<_> = scopes.end_all(now).into_iter().map(|wanted| wanted.why).collect();
    assert_eq!(whys, [Why::ScopeEnded, Why::SessionEnded, Why::SessionEnded]);
    assert!(!living.name(&labels("b")) && !living.name(&labels("c")));
    for name in ["a", "b", "c"] {
        assert!(scopes.end(&filter(name), there, now).is_err());
    }
    // Where the session goes on, what it had not removed is removed beside it.
    assert_eq!(scopes.due(now).unwrap().len(), 3);
    // But for him who comes back to it, and goes on.
    assert!(scopes.hold(ScopeWord::Again, &filter("c"), there).is_err());
    assert!(living.name(&labels("c")) && !living.name(&labels("b")));
    assert_eq!(scopes.due(now).unwrap().len(), 2);
    assert_eq!(scopes.end_all(now).len(), 3);
    assert!(!living.name(&labels("c")));
    for name in ["a", "b", "c"] {
        assert!(scopes.hold(ScopeWord::Again, &filter(name), there).is_err());
    }
}
