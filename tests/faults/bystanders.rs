//! What all other cases rely on: that a bystander which was touched is noticed.

use std::panic::catch_unwind;

use reaper_tests::bystander::Bystander;
use reaper_tests::engine;
use serde_json::Value;

#[test]
fn whatever_of_a_bystander_is_removed_is_noticed() {
    // Containers before the images that they are of.
    for kind in ["networks", "volumes", "containers", "images"] {
        let bystander = Bystander::new();
        bystander.assert_untouched();
        for path in bystander.paths().filter(|path| path.starts_with(&format!("/{kind}/"))) {
            let (status, answer) = engine::request("DELETE", &format!("{path}?force=1"), &Value::Null);
            assert!((200..300).contains(&status), "{path}: {answer}");
        }
        let noticed = catch_unwind(|| bystander.assert_untouched());
        assert!(noticed.is_err(), "that its {kind} are gone was not noticed");
    }
}
