//! What of an engine's list is needed to decide what is removed, taken from it one item at a time.

use std::io::{self, ErrorKind, Read};

use crate::json::{LONGEST_STRING, Reader, Start};
use crate::kind::Kind;
use crate::quote::quote;

/// Ryuk never removes what has this label: the first would be itself.
const PROTECTED: &str = "org.testcontainers.ryuk";

/// One thing of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Item {
    /// What the engine removes it by: an id, for a volume its name.
    pub(crate) id: String,
    /// As people call it; an image has its names for that.
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    /// Of an image: its names.
    pub(crate) tags: Vec<String>,
    /// Of a container: the id of its image.
    pub(crate) image: String,
    /// Of a container: the ids of its networks, or their names where it has not been on them yet.
    pub(crate) networks: Vec<String>,
    /// Of a container.
    pub(crate) runs: bool,
    /// When it was made, as the engine writes it: a number or a string of JSON.
    pub(crate) made: Option<String>,
}

impl Item {
    pub(crate) fn is_protected(&self) -> bool {
        self.label(PROTECTED) == Some("true")
    }

    /// The value of a label. The last of a repeated name counts.
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().rev().find(|(own, _)| own == key).map(|(_, value)| value.as_str())
    }
}

/// Reads a whole list. Whoever is told of an item has to forget it where this fails: half a list is none.
pub(crate) fn read(kind: Kind, body: impl Read, mut each: impl FnMut(Item)) -> io::Result<()> {
    let mut reader = Reader::new(body);
    let mut is_there = true;
    if kind == Kind::Volume {
        is_there = false;
        reader.object(|reader, name| {
            if name != "Volumes" {
                return reader.skip();
            }
            is_there = true;
            items(kind, reader, &mut each)
        })?;
    } else {
        items(kind, &mut reader, &mut each)?;
    }
    reader.end()?;
    if is_there { Ok(()) } else { Err(useless("the engine's answer is not a list".into())) }
}

/// The ids of the containers that are on a network, of the answer to a look at it.
///
/// Docker has other endpoints among them, whose keys are no ids; whether those are in the way the engine knows.
pub(crate) fn attached(body: impl Read) -> io::Result<Vec<String>> {
    let mut reader = Reader::new(body);
    let mut ids = Vec::new();
    reader.object(|reader, name| {
        if name != "Containers" || reader.start()? != Start::Object {
            return reader.skip();
        }
        reader.object(|reader, id| {
            ids.extend(Some(id).filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit())));
            reader.skip()
        })
    })?;
    reader.end().map(|()| ids)
}

/// An id without the name of its hash, which not every engine writes everywhere.
pub(crate) fn bare(id: &str) -> &str {
    id.strip_prefix("sha256:").unwrap_or(id)
}

fn items<R: Read>(kind: Kind, reader: &mut Reader<R>, each: &mut impl FnMut(Item)) -> io::Result<()> {
    match reader.start()? {
        Start::Array => reader.array(|reader| {
            each(item(kind, reader)?);
            Ok(())
        }),
        // How Go writes an empty one.
        Start::Bare if reader.bare()? == "null" => Ok(()),
        _ => Err(useless("the engine's answer is not a list".into())),
    }
}

fn item<R: Read>(kind: Kind, reader: &mut Reader<R>) -> io::Result<Item> {
    let (mut item, mut mode) = (Item::default(), None);
    let text = |reader: &mut Reader<R>| reader.string_or_skip().map(Option::unwrap_or_default);
    reader.object(|reader, name| {
        match (kind, name.as_str()) {
            (Kind::Container | Kind::Network | Kind::Image, "Id") => item.id = text(reader)?,
            (kind, "ID") if kind.is_of_swarm() => item.id = text(reader)?,
            (kind, "Spec") if kind.is_of_swarm() => specification(reader, &mut item)?,
            (kind, "CreatedAt") if kind.is_of_swarm() => item.made = made(reader)?,
            (Kind::Network | Kind::Volume, "Name") => item.name = text(reader)?,
            (Kind::Container, "Names") => {
                let first = texts(reader)?.into_iter().next().unwrap_or_default();
                first.trim_start_matches('/').clone_into(&mut item.name);
            }
            (_, "Created") | (Kind::Volume, "CreatedAt") => item.made = made(reader)?,
            (_, "Labels") => item.labels = labels(reader)?,
            (Kind::Image, "RepoTags") => {
                item.tags = texts(reader)?;
                item.tags.retain(|tag| !tag.starts_with("<none>"));
            }
            (Kind::Container, "ImageID") => item.image = text(reader)?,
            (Kind::Container, "State") => {
                item.runs = matches!(text(reader)?.as_str(), "running" | "paused" | "restarting");
            }
            (Kind::Container, "NetworkSettings") => item.networks = networks(reader)?,
            (Kind::Container, "HostConfig") => mode = network_mode(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    if kind == Kind::Volume {
        item.id.clone_from(&item.name);
    }
    // What it would be put on if it was started. One that runs has been taken off that.
    if item.networks.is_empty() && !item.runs {
        item.networks.extend(mode);
    }
    if item.id.is_empty() || item.id.len() >= LONGEST_STRING {
        return Err(useless(format!("a {kind} without an id in the engine's list")));
    }
    Ok(item)
}

/// What a thing of a swarm was asked to be, which has its name and its labels.
fn specification<R: Read>(reader: &mut Reader<R>, item: &mut Item) -> io::Result<()> {
    if reader.start()? != Start::Object {
        return reader.skip();
    }
    reader.object(|reader, name| {
        match name.as_str() {
            "Name" => item.name = reader.string_or_skip()?.unwrap_or_default(),
            "Labels" => item.labels = labels(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    })
}

fn labels<R: Read>(reader: &mut Reader<R>) -> io::Result<Vec<(String, String)>> {
    let mut labels = Vec::new();
    if reader.start()? != Start::Object {
        return reader.skip().map(|()| labels);
    }
    reader.object(|reader, key| {
        let value = reader.string_or_skip()?;
        labels.extend(value.map(|value| (key, value)));
        Ok(())
    })?;
    Ok(labels)
}

fn texts<R: Read>(reader: &mut Reader<R>) -> io::Result<Vec<String>> {
    let mut texts = Vec::new();
    if reader.start()? != Start::Array {
        return reader.skip().map(|()| texts);
    }
    reader.array(|reader| {
        texts.extend(reader.string_or_skip()?);
        Ok(())
    })?;
    Ok(texts)
}

fn made<R: Read>(reader: &mut Reader<R>) -> io::Result<Option<String>> {
    let is_number = |text: &String| text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match reader.start()? {
        Start::String => reader.string().map(|text| Some(quote(&text))),
        Start::Bare => reader.bare().map(|text| Some(text).filter(is_number)),
        Start::Object | Start::Array => reader.skip().map(|()| None),
    }
}

fn networks<R: Read>(reader: &mut Reader<R>) -> io::Result<Vec<String>> {
    let mut networks = Vec::new();
    within(reader, "Networks", |reader| {
        if reader.start()? != Start::Object {
            return reader.skip();
        }
        reader.object(|reader, name| {
            let mut id = None;
            within(reader, "NetworkID", |reader| {
                id = reader.string_or_skip()?.filter(|id| !id.is_empty());
                Ok(())
            })?;
            networks.push(id.unwrap_or(name));
            Ok(())
        })
    })?;
    Ok(networks)
}

fn network_mode<R: Read>(reader: &mut Reader<R>) -> io::Result<Option<String>> {
    let mut mode = None;
    within(reader, "NetworkMode", |reader| {
        mode = reader.string_or_skip()?;
        Ok(())
    })?;
    Ok(mode)
}

/// Takes an object of which one member is wanted; what is no object is skipped.
fn within<R: Read>(
    reader: &mut Reader<R>,
    wanted: &str,
    mut take: impl FnMut(&mut Reader<R>) -> io::Result<()>,
) -> io::Result<()> {
    if reader.start()? != Start::Object {
        return reader.skip();
    }
    reader.object(|reader, name| if name == wanted { take(reader) } else { reader.skip() })
}

fn useless(problem: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(kind: Kind, body: &str) -> io::Result<Vec<Item>> {
        let mut items = Vec::new();
        read(kind, body.as_bytes(), |item| items.push(item)).map(|()| items)
    }

    fn only(kind: Kind, body: &str) -> Item {
        listed(kind, body).unwrap().pop().unwrap()
    }

    #[test]
    fn of_every_kind_what_decides() {
        let body = r#"[{"Id":"c","Names":["/x"],"ImageID":"sha256:i","State":"running","Labels":{"a":"b","n":null},
            "HostConfig":{"NetworkMode":"bridge"},"NetworkSettings":{"Networks":{"one":{"NetworkID":"n1"},
            "two":{"NetworkID":"","IPAddress":""}}}}]"#;
        let found = only(Kind::Container, body);
        assert_eq!((found.id.as_str(), found.image.as_str(), found.runs), ("c", "sha256:i", true));
        assert_eq!(
            (found.labels, found.networks),
            (vec![("a".into(), "b".into())], vec!["n1".into(), "two".into()])
        );
        let body = r#"[{"Id":"c","State":"created","Labels":null,"HostConfig":{"NetworkMode":"mine"},"NetworkSettings":null}]"#;
        let found = only(Kind::Container, body);
        assert_eq!((found.networks, found.runs), (vec!["mine".to_owned()], false));
        let body = body.replace("created", "running");
        assert_eq!(only(Kind::Container, &body).networks, Vec::<String>::new());
        let found = only(Kind::Network, r#"[{"Name":"x","Id":"n","Labels":{}}]"#);
        assert_eq!((found.id.as_str(), found.name.as_str()), ("n", "x"));
        let found =
            only(Kind::Volume, r#"{"Volumes":[{"Name":"v","Id":"no","Labels":null}],"Warnings":null}"#);
        assert_eq!(found.id, "v");
        for (tags, expected) in
            [(r#"["a:1","b:2"]"#, &["a:1", "b:2"][..]), (r#"["<none>:<none>"]"#, &[]), ("null", &[])]
        {
            assert_eq!(only(Kind::Image, &format!(r#"[{{"Id":"i","RepoTags":{tags}}}]"#)).tags, expected);
        }
        for none in [r#"{"Volumes":null}"#, r#"{"Warnings":[],"Volumes":[]}"#] {
            assert_eq!(listed(Kind::Volume, none).unwrap(), []);
        }
        assert_eq!(listed(Kind::Image, "null").unwrap(), []);
    }

    #[test]
    fn a_list_that_cannot_be_read_is_not_an_empty_one() {
        for body in [
            "",
            "[",
            r#"[{"Id":"c"}"#,
            r#"[{"Id":"c"}] x"#,
            "[{}]",
            r#"[{"Id":""}]"#,
            r#"[{"Id":7}]"#,
            "{}",
            "7",
        ] {
            assert!(listed(Kind::Container, body).is_err(), "{body}");
        }
        for body in ["{}", "[]", "null", r#"{"Volumes":{}}"#, r#"{"Volumes":[{"Id":"v"}]}"#] {
            assert!(listed(Kind::Volume, body).is_err(), "{body}");
        }
    }

    #[test]
    fn the_containers_on_a_network() {
        let body =
            r#"{"Name":"x","Containers":{"0a1f":{"Name":"c"},"lb-x":{"Name":"x-endpoint"}},"Labels":{}}"#;
        assert_eq!(attached(body.as_bytes()).unwrap(), ["0a1f"]);
        for none in ["{}", r#"{"Containers":null}"#, r#"{"Containers":{}}"#] {
            assert_eq!(attached(none.as_bytes()).unwrap(), Vec::<String>::new());
        }
        assert!(attached(&b"{\"Containers\":{\"0a\":"[..]).is_err());
    }

    #[test]
    fn what_reporters_are_told_of_each_is_as_the_engine_lists_it() {
        for (kind, body, name, made) in [
            (
                Kind::Container,
                r#"[{"Id":"c","Names":["/one","/other/alias"],"Created":1764434805}]"#,
                "one",
                Some("1764434805"),
            ),
            (Kind::Container, r#"[{"Id":"c","Names":null,"Created":null}]"#, "", None),
            (Kind::Container, r#"[{"Id":"c","Names":[],"Created":{"a":[]}}]"#, "", None),
            (
                Kind::Network,
                r#"[{"Id":"n","Name":"x","Created":"2025-11-29T16:46:45Z"}]"#,
                "x",
                Some(r#""2025-11-29T16:46:45Z""#),
            ),
            (Kind::Volume, r#"{"Volumes":[{"Name":"v","CreatedAt":"2025"}]}"#, "v", Some(r#""2025""#)),
            (Kind::Image, r#"[{"Id":"i","Created":-1,"RepoTags":["a:1"]}]"#, "", Some("-1")),
        ] {
            let found = only(kind, body);
            assert_eq!((found.name.as_str(), found.made.as_deref()), (name, made), "{body}");
        }
    }

    #[test]
    fn a_reaper_is_protected_by_its_label() {
        for (labels, expected) in [("\"true\"", true), ("\"false\"", false), ("true", false)] {
            let body = format!(r#"[{{"Id":"c","Labels":{{"org.testcontainers.ryuk":{labels}}}}}]"#);
            assert_eq!(only(Kind::Container, &body).is_protected(), expected, "{labels}");
        }
    }
}
