//! rstest, `rstest_reuse` and the fixtures.

use std::time::Duration;

use reaper::fixtures::{bollard, docker, labels, reaper};
use reaper::{Reaper, with_reaper};
use rstest::{fixture, rstest};
use rstest_reuse::{apply, template};

use crate::witness::{Value, first_line};

#[fixture]
fn built() -> Value {
    Value::of_fixture()
}

#[fixture]
async fn built_async() -> Value {
    Value::of_fixture()
}

#[with_reaper]
#[rstest]
fn fixture_above(built: Value, reaper: Reaper) {
    let _value = first_line();
    drop((built, reaper));
}

#[rstest]
#[with_reaper]
fn fixture_below(built: Value) {
    let _value = first_line();
    drop(built);
}

#[with_reaper]
#[rstest]
#[case(1)]
#[case::two(2)]
fn fixture_and_cases_above(built: Value, #[case] number: u8, reaper: &Reaper) {
    let _value = first_line();
    assert!(number > 0 && reaper.labels().iter().count() > 0);
    drop(built);
}

#[rstest]
#[case(1)]
#[case::two(2)]
#[with_reaper]
fn fixture_and_cases_below(built: Value, #[case] number: u8) {
    let _value = first_line();
    assert!(number > 0);
    drop(built);
}

#[with_reaper]
#[rstest]
fn fixture_and_values(built: Value, #[values(1, 2)] number: u8) {
    let _value = first_line();
    assert!(number > 0);
    drop(built);
}

#[with_reaper]
#[rstest]
#[case(1)]
#[case(2)]
#[tokio::test]
async fn fixture_and_tokio_above(#[future] built_async: Value, #[case] number: u8, reaper: Reaper) {
    let built = built_async.await;
    let _value = first_line();
    assert!(number > 0);
    drop((built, reaper));
}

#[rstest]
#[case(1)]
#[case(2)]
#[with_reaper]
#[tokio::test]
async fn fixture_and_tokio_between(#[future] built_async: Value, #[case] number: u8) {
    let built = built_async.await;
    let _value = first_line();
    assert!(number > 0);
    drop(built);
}

#[rstest]
#[case(1)]
#[case(2)]
#[tokio::test]
#[with_reaper]
async fn fixture_and_tokio_below(#[future] built_async: Value, #[case] number: u8) {
    let built = built_async.await;
    let _value = first_line();
    assert!(number > 0);
    drop(built);
}

#[with_reaper]
#[rstest]
#[awt]
#[tokio::test]
#[timeout(Duration::from_secs(60))]
async fn fixture_awaited_with_timeout(#[future] built_async: Value) {
    let _value = first_line();
    drop(built_async);
}

#[fixture]
#[once]
fn built_once() -> u8 {
    drop(Value::of_fixture());
    1
}

#[with_reaper]
#[rstest]
fn fixture_once(built_once: &u8) {
    let _value = first_line();
    assert_eq!(*built_once, 1);
}

#[template]
#[rstest]
#[case(1)]
#[case(2)]
fn numbers(#[case] number: u8) {}

#[with_reaper]
#[apply(numbers)]
fn fixture_and_template_above(built: Value, number: u8, reaper: Reaper) {
    let _value = first_line();
    assert!(number > 0);
    drop((built, reaper));
}

#[apply(numbers)]
#[with_reaper]
fn fixture_and_template_below(built: Value, number: u8) {
    let _value = first_line();
    assert!(number > 0);
    drop(built);
}

#[with_reaper]
#[rstest]
fn generic_over_cases<T: std::fmt::Debug>(#[values(1_u8, 2)] number: T, reaper: Reaper) {
    let _value = first_line();
    drop((format!("{number:?}"), reaper));
}

#[with_reaper]
#[rstest]
fn label_map(labels: std::collections::HashMap<String, String>) {
    let _value = first_line();
    assert!(labels.contains_key("org.testcontainers.sessionId"));
}

#[with_reaper]
#[rstest]
#[tokio::test]
async fn docker_client(docker: bollard::Docker) {
    let _value = first_line();
    let reaper = reaper::current().container_id().expect("the reaper is on");
    // The same engine: it knows the reaper.
    let found = docker.inspect_container(&reaper, None).await.expect("the reaper is there");
    assert_eq!(found.id, Some(reaper));
}

/// A fixture that owns something keeps the guard after it.
struct Owner {
    _value: Value,
    reaper: Reaper,
}

#[fixture]
fn owner(reaper: Reaper) -> Owner {
    Owner { _value: Value::of_fixture(), reaper }
}

/// Without the attribute: the guard is the fixture's.
#[rstest]
fn guard_by_fixture(owner: Owner) {
    let _value = first_line();
    drop(owner.clone_reaper());
}

impl Owner {
    fn clone_reaper(&self) -> Reaper {
        self.reaper.clone()
    }
}
