//! Which requests make something that can carry labels, and the same requests with labels.
//!
//! Decides by what it is given alone. Only what is missing is added: a label that the caller gave stays, his session's id
//! among them. What cannot carry a label passes as it is: images that are pulled and loaded, the cache of a build.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::Object;

/// What a request makes, by where its labels go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    /// Into the body, and to the volumes that are made with it.
    Container,
    /// Into the body, under this name.
    Labelled(&'static str),
    /// Into the body, for itself and for the containers of its tasks.
    Service,
    /// An image of a Dockerfile: into the query.
    Build,
    /// An image of a container: into the query, as changes.
    Commit,
    /// An image of an archive: into the query, as changes.
    Import,
}

/// Where what is made is asked for; behind `/v1.41` or nothing. Podman's own interface has its own names.
const PATHS: [(&str, Creation); 12] = [
    ("/containers/create", Creation::Container),
    ("/networks/create", Creation::Labelled("Labels")),
    ("/volumes/create", Creation::Labelled("Labels")),
    ("/configs/create", Creation::Labelled("Labels")),
    ("/secrets/create", Creation::Labelled("Labels")),
    ("/services/create", Creation::Service),
    ("/build", Creation::Build),
    ("/commit", Creation::Commit),
    ("/images/create", Creation::Import),
    ("/libpod/containers/create", Creation::Labelled("labels")),
    ("/libpod/networks/create", Creation::Labelled("labels")),
    ("/libpod/volumes/create", Creation::Labelled("Labels")),
];

impl Creation {
    /// What a request makes; none where that carries no labels, or nothing is made.
    pub(crate) fn of(method: &str, path: &str, query: &str) -> Option<Self> {
        if method != "POST" {
            return None;
        }
        let path = decoded(path);
        let path = unversioned(&path);
        let (_, creation) = PATHS.into_iter().find(|(known, _)| *known == path)?;
        // A pull has nothing to label.
        let is_pull = creation == Self::Import && value(query, "fromSrc").is_none_or(|from| from.is_empty());
        (!is_pull).then_some(creation)
    }

    /// Whether the labels go into the body.
    pub(crate) fn is_in_body(self) -> bool {
        matches!(self, Self::Container | Self::Labelled(_) | Self::Service)
    }

    /// The body with labels; none where it is nothing that an engine takes, which will say so.
    pub(crate) fn body(self, body: &[u8], labels: &Labels) -> Option<Vec<u8>> {
        let mut object = Object::read(body)?;
        match self {
            Self::Container => {
                object.label("Labels", labels.iter());
                object.change("HostConfig", |host| label_mounts(host, labels));
            }
            Self::Labelled(name) => object.label(name, labels.iter()),
            Self::Service => {
                object.label("Labels", labels.iter());
                object.change("TaskTemplate", |task| {
                    task.change("ContainerSpec", |container| {
                        container.label("Labels", labels.iter());
                        label_mounts(container, labels);
                    });
                });
            }
            Self::Build | Self::Commit | Self::Import => return None,
        }
        Some(object.write())
    }

    /// The query with labels.
    pub(crate) fn query(self, query: &str, labels: &Labels) -> String {
        match self {
            Self::Build => {
                let given = value(query, "labels").filter(|given| !given.is_empty());
                let given =
                    given.map_or_else(|| Some(Object::default()), |given| Object::read(given.as_bytes()));
                // What is no object the engine will refuse.
                let Some(given) = given else { return query.to_owned() };
                let mut holder = Object::default();
                holder.set("labels", &given);
                holder.label("labels", labels.iter());
                let all = holder.member("labels").map_or("{}", RawValue::get);
                // A container that a failed step leaves behind has no label, whatever the build is given.
                with(&with(query, "forcerm", "1"), "labels", all)
            }
            Self::Commit | Self::Import => before(query, "changes", labels.iter().map(change)),
            Self::Container | Self::Labelled(_) | Self::Service => query.to_owned(),
        }
    }
}

/// A volume that an engine makes for a container because it is not there, as it would have been asked for. To that of a bind
/// no engine gives labels then, and Podman 4.3 gives none to that of a mount either.
#[derive(Debug, Clone)]
pub(crate) struct NamedVolume(Object);

impl NamedVolume {
    /// Those of a container that is asked for by this body.
    pub(crate) fn of(body: &[u8]) -> Vec<Self> {
        let host = Object::read(body).and_then(|object| Object::of(object.member("HostConfig")?));
        let Some(host) = host else { return Vec::new() };
        let driver = host.text("VolumeDriver").unwrap_or_default();
        let binds = host.list("Binds");
        let binds = binds.iter().filter_map(|bind| serde_json::from_str::<String>(bind.get()).ok());
        let names = binds.filter_map(|bind| {
            let (source, _) = bind.split_once(':')?;
            // What has a separator in it is a path on the engine's host.
            (source.len() > 1 && !source.contains(['/', '\\', '~'])).then(|| source.to_owned())
        });
        let of_binds = names.map(|name| Self::named(&name, &driver));
        let mounts = host.list("Mounts");
        let of_mounts = mounts.iter().filter_map(|mount| Self::of_mount(&Object::of(mount)?));
        of_binds.chain(of_mounts).collect()
    }

    /// None for what has no name, or is no volume.
    fn of_mount(mount: &Object) -> Option<Self> {
        let name = mount.text("Source").filter(|name| !name.is_empty())?;
        if mount.text("Type").as_deref() != Some("volume") {
            return None;
        }
        let within = |object: &Object, name: &str| Object::of(object.member(name)?);
        let options = within(mount, "VolumeOptions").unwrap_or_default();
        let driver = within(&options, "DriverConfig").unwrap_or_default();
        let mut volume = Self::named(&name, &driver.text("Name").unwrap_or_default());
        for (given, name) in [(driver.member("Options"), "DriverOpts"), (options.member("Labels"), "Labels")]
        {
            if let Some(given) = given {
                volume.0.set(name, &given);
            }
        }
        Some(volume)
    }

    /// By a driver of this name, empty for the engine's own.
    fn named(name: &str, driver: &str) -> Self {
        let mut object = Object::default();
        object.set("Name", &name);
        if !driver.is_empty() {
            object.set("Driver", &driver);
        }
        Self(object)
    }

    /// The request for it.
    pub(crate) fn body(&self, labels: &Labels) -> Vec<u8> {
        let mut object = self.0.clone();
        object.label("Labels", labels.iter());
        object.write()
    }
}

/// Labels to be added, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Labels(Vec<(String, String)>);

impl Labels {
    /// Gives a label another value, or adds it.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value.to_owned()));
    }

    /// The same labels without those whose keys these have, written as an object.
    pub(super) fn without(mut self, known: &[u8]) -> Self {
        if let Some(known) = Object::read(known) {
            self.0.retain(|(key, _)| !known.has(key));
        }
        self
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(labels: I) -> Self {
        Self(labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }
}

/// A volume that a mount makes gets the labels that stand beside it; one that is there keeps its own.
fn label_mounts(holder: &mut Object, labels: &Labels) {
    let mut mounts = holder.list("Mounts");
    let mut changed = false;
    for mount in &mut mounts {
        let Some(mut object) = Object::of(mount) else { continue };
        if object.text("Type").as_deref() != Some("volume") {
            continue;
        }
        object.change_or_add("VolumeOptions", |options| options.label("Labels", labels.iter()));
        if let Ok(written) = serde_json::value::to_raw_value(&object) {
            (*mount, changed) = (written, true);
        }
    }
    if changed {
        holder.set("Mounts", &mounts);
    }
}

/// An instruction that adds a label to an image: quoted, and with nothing in it that would be replaced.
fn change((key, value): (&str, &str)) -> String {
    let quoted = |text: &str| {
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let escaped =
            plain.flat_map(|c| matches!(c, '"' | '\\' | '$').then_some('\\').into_iter().chain([c]));
        format!("\"{}\"", escaped.collect::<String>())
    };
    format!("LABEL {}={}", quoted(key), quoted(value))
}

/// A path as an engine reads it.
fn decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    // There is no space in a path that is written as a plus.
    let escaped = path.replace('+', "%2B");
    form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map_or(Cow::Borrowed(path), |(name, _)| name.into_owned().into())
}

/// A path without the version of the interface.
fn unversioned(path: &str) -> &str {
    let rest = path.strip_prefix("/v").and_then(|path| path.split_once('/'));
    match rest {
        Some((version, _)) if version.starts_with(|c: char| c.is_ascii_digit()) => &path[2 + version.len()..],
        _ => path,
    }
}

fn value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The query with another value for the first parameter of this name, which is the one that counts.
fn with(query: &str, name: &str, value: &str) -> String {
    let is_it =
        |pair: &&str| form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(known, _)| known == name);
    let others = query.split('&').filter(|pair| !pair.is_empty());
    let first = query.split('&').find(is_it);
    let mut once = first.is_some();
    let kept: Vec<_> =
        others.filter(|pair| !(is_it(pair) && std::mem::take(&mut once))).map(str::to_owned).collect();
    [vec![encoded(name, value)], kept].concat().join("&")
}

/// The query with further parameters before the others, so that the caller's have the last word.
fn before(query: &str, name: &str, values: impl Iterator<Item = String>) -> String {
    let mut all: Vec<_> = values.map(|value| encoded(name, &value)).collect();
    all.extend(Some(query.to_owned()).filter(|query| !query.is_empty()));
    all.join("&")
}

fn encoded(name: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

#[cfg(test)]
#[path = "creation_tests.rs"]
mod tests;
