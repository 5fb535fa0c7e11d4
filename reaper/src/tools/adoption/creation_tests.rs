//! What is labelled, and what stays as it was.

use super::*;

fn labels() -> Labels {
    [("session", "s"), ("test", "a::b $x")].into_iter().collect()
}

fn body(path: &str, json: &str) -> String {
    let creation = Creation::of("POST", path, "").unwrap();
    assert!(creation.is_in_body(), "{path}");
    String::from_utf8(creation.body(json.as_bytes(), &labels()).unwrap()).unwrap()
}

#[test]
fn what_makes_something_is_told_by_method_and_path() {
    for (path, creation) in PATHS {
        let query = if creation == Creation::Import { "fromSrc=-" } else { "" };
        assert_eq!(Creation::of("POST", path, query), Some(creation), "{path}");
        assert_eq!(Creation::of("POST", &format!("/v1.41{path}"), query), Some(creation), "{path}");
        assert_eq!(Creation::of("GET", path, query), None, "{path}");
    }
    assert_eq!(Creation::of("POST", "/v1.41/%63ontainers%2Fcreate", ""), Some(Creation::Container));
    for path in [
        "/",
        "/create",
        "/containers/create/x",
        "/x/containers/create",
        "/volumes",
        "/containers/build/start",
        "/volumes/create/",
        "/v/containers/create",
    ] {
        assert_eq!(Creation::of("POST", path, ""), None, "{path}");
    }
    for query in ["fromImage=redis&tag=7", "", "fromSrc="] {
        assert_eq!(Creation::of("POST", "/images/create", query), None, "{query}");
    }
}

#[test]
fn a_container_and_the_volumes_of_its_mounts_are_labelled() {
    let json = r#"{"Image":"x","HostConfig":{"Mounts":[{"Type":"bind","Source":"/a"},{"Type":"volume","Source":"v"},{"Type":"volume","VolumeOptions":{"NoCopy":true,"Labels":{"session":"own"}}}],"Memory":9007199254740993}}"#;
    let expected = r#"{"Image":"x","HostConfig":{"Mounts":[{"Type":"bind","Source":"/a"},{"Type":"volume","Source":"v","VolumeOptions":{"Labels":{"session":"s","test":"a::b $x"}}},{"Type":"volume","VolumeOptions":{"NoCopy":true,"Labels":{"session":"own","test":"a::b $x"}}}],"Memory":9007199254740993},"Labels":{"session":"s","test":"a::b $x"}}"#;
    assert_eq!(body("/containers/create", json), expected);
    let bare = body("/containers/create", r#"{"Image":"x","Labels":{"session":"own"}}"#);
    assert_eq!(bare, r#"{"Image":"x","Labels":{"session":"own","test":"a::b $x"}}"#);
}

#[test]
fn a_service_and_its_tasks_are_labelled() {
    let json = r#"{"Name":"n","TaskTemplate":{"ContainerSpec":{"Image":"x","Labels":{"test":"own"}}}}"#;
    let expected = r#"{"Name":"n","TaskTemplate":{"ContainerSpec":{"Image":"x","Labels":{"test":"own","session":"s"}}},"Labels":{"session":"s","test":"a::b $x"}}"#;
    assert_eq!(body("/services/create", json), expected);
}

#[test]
fn volumes_that_come_with_a_container_are_known_by_their_names() {
    let asked = |body: &str| {
        let volumes = NamedVolume::of(body.as_bytes()).into_iter();
        volumes.map(|volume| String::from_utf8(volume.body(&labels())).unwrap()).collect::<Vec<_>>()
    };
    let named = |host: &str| asked(&format!(r#"{{"HostConfig":{host}}}"#));
    let found = named(
        r#"{"Binds":["data:/data","/host:/x","./y:/y","v2:/z:ro","C:\\d:/w","alone"],"VolumeDriver":"nfs"}"#,
    );
    let volume = |name: &str| {
        format!(r#"{{"Name":"{name}","Driver":"nfs","Labels":{{"session":"s","test":"a::b $x"}}}}"#)
    };
    assert_eq!(found, [volume("data"), volume("v2")]);
    let found = named(
        r#"{"Mounts":[{"Type":"bind","Source":"/a"},{"Type":"volume","Target":"/b"},{"Type":"volume","Source":"v"},{"Type":"volume","Source":"w","VolumeOptions":{"Labels":{"session":"own"},"DriverConfig":{"Name":"nfs","Options":{"o":"rw"}}}}]}"#,
    );
    assert_eq!(
        found,
        [
            r#"{"Name":"v","Labels":{"session":"s","test":"a::b $x"}}"#,
            r#"{"Name":"w","Driver":"nfs","DriverOpts":{"o":"rw"},"Labels":{"session":"own","test":"a::b $x"}}"#,
        ]
    );
    assert_eq!(named(r#"{"Binds":null}"#), Vec::<String>::new());
    assert_eq!(asked("{}"), Vec::<String>::new());
}

#[test]
fn a_build_keeps_its_query_and_its_labels() {
    let query = |query: &str| Creation::Build.query(query, &labels());
    let read = |query: &str| -> Vec<(String, String)> {
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    };
    let first = |query: String| read(&query).remove(0).1;
    assert_eq!(
        first(query("t=x&labels=%7B%22session%22%3A%22own%22%7D")),
        r#"{"session":"own","test":"a::b $x"}"#
    );
    assert_eq!(first(query("")), r#"{"session":"s","test":"a::b $x"}"#);
    assert_eq!(first(query("labels=")), r#"{"session":"s","test":"a::b $x"}"#);
    let rest = read(&query("t=x%2Fy&t=z&labels=%7B%7D&q"));
    assert_eq!(
        rest[1..],
        [("forcerm", "1"), ("t", "x/y"), ("t", "z"), ("q", "")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    // Not ours to mend.
    assert_eq!(query("labels=nonsense"), "labels=nonsense");
}

#[test]
fn changes_are_quoted_and_leave_the_last_word_to_the_caller() {
    let query = Creation::Commit.query("container=c&changes=CMD+x", &labels());
    let all: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let expected = [
        ("changes", r#"LABEL "session"="s""#),
        ("changes", r#"LABEL "test"="a::b \$x""#),
        ("container", "c"),
        ("changes", "CMD x"),
    ];
    assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(change(("k\n", "a\"b\\c")), r#"LABEL "k "="a\"b\\c""#);
}

#[test]
fn what_is_known_already_is_left_out() {
    let left = labels().without(br#"{"session":"own","other":""}"#);
    assert_eq!(left, [("test", "a::b $x")].into_iter().collect());
    assert_eq!(labels().without(b"null"), labels());
}
