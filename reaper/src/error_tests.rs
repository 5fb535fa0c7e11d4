//! What errors say as a whole.

use super::*;

#[test]
fn the_report_names_every_cause() {
    let inner = std::io::Error::other("disk on fire");
    let error = Error::Engine { operation: "create the reaper".into(), source: Arc::new(inner) };
    assert_eq!(error.report(), "failed to create the reaper\n  caused by: disk on fire");
}

#[test]
fn no_engine_lists_what_was_tried_and_the_way_out() {
    let attempt = Attempt {
        endpoint: "unix:///nowhere".into(),
        origin: "DOCKER_HOST from the environment".into(),
        problem: "no such file".into(),
    };
    let text = Error::NoEngine { attempts: vec![attempt] }.to_string();
    assert!(text.contains("unix:///nowhere (DOCKER_HOST from the environment): no such file"), "{text}");
    assert!(text.contains("TESTCONTAINERS_RYUK_DISABLED=true"), "{text}");
}
