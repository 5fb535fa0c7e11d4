//! A list that was asked for by labels may have what they do not match.

use reaper_tests::engine::SESSION;
use reaper_tests::podman::Podman;
use serde_json::json;

use super::{Things, named, until_reaper_is_gone};

/// What clients in Go and Java register: several labels, one of which says whose.
#[test]
fn what_shares_a_label_with_a_filter_of_several_stays_on_podman_and_what_has_them_all_goes() {
    let podman = Podman::start();
    let engine = podman.engine();
    let mut holder = podman.hold("several", &[]);
    let labels = |session: &str| json!({"org.testcontainers": "true", "org.testcontainers.lang": "go", SESSION: session});
    let (ended, living) = (named("ended"), named("living"));
    let (ours, theirs) =
        (Things::create(engine, &ended, &labels(&ended)), Things::create(engine, &living, &labels(&living)));
    let filter = format!(
        "label=org.testcontainers%3Dtrue&label=org.testcontainers.lang%3Dgo&label={SESSION}%3D{ended}"
    );
    assert_eq!(podman.tell(&holder.reaper, &filter), "ACK");
    holder.kill();
    until_reaper_is_gone(engine, &holder.reaper);
    theirs.are_all_there(engine);
    ours.are_gone(engine);
}

#[test]
fn an_asterisk_in_a_label_is_not_a_pattern_on_podman() {
    let podman = Podman::start();
    let engine = podman.engine();
    let mut holder = podman.hold("asterisk", &[]);
    let ours = Things::create(engine, &named("literal"), &json!({"org.example.own*": "yes"}));
    let theirs = Things::create(engine, &named("longer"), &json!({"org.example.owner": "yes"}));
    assert_eq!(podman.tell(&holder.reaper, "label=org.example.own*%3Dyes"), "ACK");
    holder.kill();
    until_reaper_is_gone(engine, &holder.reaper);
    theirs.are_all_there(engine);
    ours.are_gone(engine);
}

/// With `REAPER_KEEP` the filter that holds the connection has two labels, of which what is kept has one.
#[test]
fn what_is_kept_stays_on_podman() {
    let podman = Podman::start();
    let engine = podman.engine();
    let mut holder = podman.hold("kept", &[("REAPER_KEEP", "always")]);
    let kept = Things::create(engine, &named("kept"), &holder.labels());
    holder.kill();
    until_reaper_is_gone(engine, &holder.reaper);
    kept.are_all_there(engine);
}
