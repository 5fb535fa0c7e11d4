//! What belongs to nobody under test: whatever a session removes, this has to stay as it was.
//!
//! A container, a network, a volume and an image, once with the label of another session and once with none.
//! Made for each case anew and not once per engine: what is shared between tests could be put back by one
//! of them before another looks.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::engine::{Engine, SESSION};
use crate::world;

/// Removed from the engine when dropped.
pub struct Bystander {
    engine: Engine,
    things: Vec<Thing>,
}

struct Thing {
    path: String,
    /// What the engine said of it at first.
    before: Value,
}

impl Bystander {
    /// Puts one on the system's engine.
    ///
    /// # Panics
    ///
    /// When the engine refuses.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default that makes things on an engine would surprise")]
    pub fn new() -> Self {
        Self::on(&Engine::system())
    }

    /// Puts one on an engine.
    ///
    /// # Panics
    ///
    /// When the engine refuses.
    #[must_use]
    pub fn on(engine: &Engine) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let mut bystander = Self { engine: engine.clone(), things: Vec::new() };
        for (name, label) in [("labelled", Some((SESSION, "somebody-else"))), ("bare", None)] {
            bystander.add(&format!("bystander-{name}-{process}-{number}"), label);
        }
        bystander
    }

    fn add(&mut self, name: &str, label: Option<(&str, &str)>) {
        let labels = label.map_or(json!({}), |(key, value)| json!({key: value}));
        world::network(&self.engine, name, &labels);
        self.keep(format!("/networks/{name}"));
        self.create("/volumes/create", &json!({"Name": name, "Labels": labels}));
        self.keep(format!("/volumes/{name}"));
        // An image of one file, for there may be nothing else on the engine.
        let change = label.map_or(String::new(), |(key, value)| format!("&changes=LABEL%20{key}%3D{value}"));
        let import = format!("/images/create?fromSrc=-&repo={name}{change}");
        let (status, answer) = self.engine.send("POST", &import, &archive_of(name));
        assert_eq!(status, 200, "{answer}");
        self.create(
            &format!("/containers/create?name={name}"),
            &json!({"Image": name, "Cmd": ["nothing"], "Labels": labels}),
        );
        // Before the image, since they are removed in this order.
        self.keep(format!("/containers/{name}"));
        self.keep(format!("/images/{name}"));
    }

    fn keep(&mut self, path: String) {
        let before = self.look(&path);
        assert!(before.is_some(), "{path} was not created");
        self.things.push(Thing { path, before: before.unwrap_or_default() });
    }

    /// What it consists of, by API path.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.things.iter().map(|thing| thing.path.as_str())
    }

    /// What of it was removed, or removed and made again, by API path.
    #[must_use]
    pub fn touched(&self) -> Vec<String> {
        let differs = |thing: &&Thing| self.look(&thing.path).as_ref() != Some(&thing.before);
        self.things.iter().filter(differs).map(|thing| thing.path.clone()).collect()
    }

    /// Nothing of it was removed, or removed and made again.
    ///
    /// # Panics
    ///
    /// When something was.
    #[track_caller]
    pub fn assert_untouched(&self) {
        for Thing { path, before } in &self.things {
            assert_eq!(self.look(path).as_ref(), Some(before), "{path} was touched");
        }
    }

    /// What tells a thing apart from another of that name.
    fn look(&self, path: &str) -> Option<Value> {
        let inspect = if path.starts_with("/volumes") { path.to_owned() } else { inspect_path(path) };
        let found = self.engine.inspect(&inspect)?;
        Some(json!([found["Id"], found["Created"], found["CreatedAt"], found["State"]]))
    }

    #[track_caller]
    fn create(&self, path: &str, body: &Value) {
        let (status, answer) = self.engine.request("POST", path, body);
        assert_eq!(status, 201, "{path}: {answer}");
    }
}

/// With something of its own in it: what is equal has one layer on Podman, and one that is removed takes it from under another
/// that is being made.
fn archive_of(name: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, std::io::empty()).expect("a name that an archive takes");
    archive.into_inner().expect("a vector takes everything")
}

fn inspect_path(path: &str) -> String {
    if path.starts_with("/networks") { path.to_owned() } else { format!("{path}/json") }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        for Thing { path, .. } in &self.things {
            let (status, answer) = self.engine.request("DELETE", path, &Value::Null);
            if status >= 300 && status != 404 {
                eprintln!("{path} is left: {answer}");
            }
        }
    }
}
