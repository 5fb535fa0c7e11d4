//! What a plan says of the times that a reaper waits, and what it is told of what is to stay.

use super::image::Image;
use super::tests::plan;
use crate::settings::Keep;

#[test]
fn the_end_of_a_run_is_waited_for_as_a_setting_says_or_for_a_second() {
    let usual = plan(|_| {});
    assert_eq!(usual.wait_after_run(), Some("1s"));
    let set = plan(|config| {
        config.ryuk.insert("RYUK_RECONNECTION_TIMEOUT", "30s".into());
        config.ryuk.insert("RYUK_CONNECTION_TIMEOUT", "40s".into());
    });
    // Then nobody says anything else to the reaper, whose environment has it.
    assert_eq!(set.wait_after_run(), None);
    let environment = set.container(&Image::choose(&set.config), None).environment;
    for variable in ["RYUK_RECONNECTION_TIMEOUT=30s", "RYUK_CONNECTION_TIMEOUT=40s"] {
        assert!(environment.contains(&variable.to_owned()), "{environment:?}");
    }
    assert_eq!(environment.iter().filter(|variable| variable.starts_with("RYUK_CONN")).count(), 1);
    #[cfg(unix)]
    assert_eq!((usual.wait_during_run(), set.wait_during_run()), ("10s", "30s"));
}

#[test]
fn what_is_to_be_kept_is_not_named_to_the_reaper() {
    assert_eq!(plan(|_| {}).filter().to_string(), "org.testcontainers.sessionId=s");
    for keep in [Keep::Always, Keep::OnFailure] {
        let filter = plan(|config| config.keep = keep).filter().to_string();
        assert_eq!(filter, "org.testcontainers.sessionId=s and org.testcontainers.reaper=true", "{keep:?}");
    }
}
