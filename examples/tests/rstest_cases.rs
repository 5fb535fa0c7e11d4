//! rstest: the guard as a fixture, for as many cases as there are.

use std::collections::HashMap;

use reaper::Reaper;
use reaper::fixtures::reaper;
use rstest::rstest;

#[rstest]
#[case("orders")]
#[case("customers")]
fn a_database_for_each_case(reaper: Reaper, #[case] name: &str) -> anyhow::Result<()> {
    let mut labels: HashMap<_, _> = reaper.labels().into();
    labels.insert("example.case".into(), name.into());
    reaper_examples::start_blocking(labels)?;
    Ok(())
}
