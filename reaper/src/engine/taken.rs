//! Which containers were taken away while they ran, as an engine tells of what happened.
//!
//! Docker keeps the last 256 events of all that it has, so there may be none of what happened: nothing follows from that.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::json;

use super::http::bounded;
use super::percent;
use super::place::Place;

/// By how much an engine's clock may be behind ours.
const CLOCKS: Duration = Duration::from_secs(300);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    actor: Actor,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes", default)]
    attributes: BTreeMap<String, String>,
}

impl Actor {
    /// By SIGKILL, as Docker and Podman tell it.
    fn was_killed(&self) -> bool {
        let code = ["exitCode", "containerExitCode"].into_iter().find_map(|key| self.attributes.get(key));
        code.is_some_and(|code| code == "137")
    }
}

/// Podman's own way to them, without an end that is waited for: where the end lies in the past, Podman 4.3 tells nothing.
const OF_PODMAN: &str = "/v4.0.0/libpod/events?stream=false";

/// The ids of the containers with this label that were ended from outside and then removed, since a moment; none where one of
/// them is there, as far as is told.
pub(crate) async fn taken(place: &Place, label: &str, since: SystemTime) -> io::Result<Vec<String>> {
    let seconds = |moment: SystemTime| {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
    };
    let filters = json!({"type": ["container"], "label": [label]}).to_string();
    let about = format!("since={}&filters={}", seconds(since - CLOCKS), percent::encoded(&filters));
    let mut answer = bounded(place, "GET", &format!("{OF_PODMAN}&{about}")).await?;
    if answer.status == 404 {
        let until = seconds(SystemTime::now());
        answer = bounded(place, "GET", &format!("/events?until={until}&{about}")).await?;
    }
    if answer.status != 200 {
        return Err(answer.unusable());
    }
    Ok(gone(&String::from_utf8_lossy(&answer.body)))
}

/// A line for each event, the oldest first.
fn gone(events: &str) -> Vec<String> {
    #[derive(Default)]
    struct Fate {
        was_ended: bool,
        is_gone: bool,
    }
    let mut fates: BTreeMap<String, Fate> = BTreeMap::new();
    for event in events.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()) {
        let fate = fates.entry(event.actor.id.clone()).or_default();
        match event.action.as_str() {
            // As Docker says it, and as Podman does, which does not always tell that it stopped one.
            "kill" | "stop" => fate.was_ended = true,
            "die" | "died" if event.actor.was_killed() => fate.was_ended = true,
            "destroy" | "remove" => fate.is_gone = true,
            _ => {}
        }
    }
    if fates.values().any(|fate| !fate.is_gone) {
        return Vec::new();
    }
    fates.into_iter().filter(|(_, fate)| fate.was_ended).map(|(id, _)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(events: &[(&str, &str)]) -> Vec<String> {
        let line =
            |(id, action): &(&str, &str)| json!({"Action": action, "Actor": {"ID": id}}).to_string() + "\n";
        gone(&events.iter().map(line).collect::<String>())
    }

    #[test]
    fn only_what_was_ended_from_outside_and_removed_was_taken() {
        let docker = [("a", "create"), ("a", "start"), ("a", "kill"), ("a", "die"), ("a", "destroy")];
        assert_eq!(told(&docker), ["a"]);
        let podman =
            [("a", "create"), ("a", "init"), ("a", "start"), ("a", "stop"), ("a", "die"), ("a", "remove")];
        assert_eq!(told(&podman), ["a"]);
        let killed =
            json!({"Action": "died", "Actor": {"ID": "a", "Attributes": {"containerExitCode": "137"}}});
        let removed =
            json!({"Action": "remove", "Actor": {"ID": "a", "Attributes": {"containerExitCode": "0"}}});
        assert_eq!(gone(&format!("{killed}\n{removed}\n")), ["a"]);
        let by_itself = [("b", "create"), ("b", "start"), ("b", "die"), ("b", "destroy")];
        assert_eq!(told(&by_itself), Vec::<String>::new());
        assert_eq!(told(&[&docker[..], &by_itself].concat()), ["a"]);
        assert_eq!(told(&[&docker[..], &[("c", "create"), ("c", "start")]].concat()), Vec::<String>::new());
        assert_eq!(told(&docker[..4]), Vec::<String>::new());
        assert_eq!(told(&[]), Vec::<String>::new());
    }
}
