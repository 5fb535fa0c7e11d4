//! The embedded reaper as clients of other languages start it: on their own labels, by its image's name. It removes
//! what it was told to, and not itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reaper_tests::engine::{Engine, SESSION};
use reaper_tests::holder::Holder;
use reaper_tests::world::{self, Leftovers};
use reaper_tests::{until, world::of_session};
use serde_json::{Value, json};

const RYUK: &str = "org.testcontainers.ryuk";
const WITHIN: Duration = Duration::from_secs(60);

struct Started {
    engine: Engine,
    id: String,
    session: String,
    _removed: Leftovers,
}

impl Started {
    /// From the image of a reaper that the library has started, with all that it gave that one but the labels.
    fn new(name: &str, further_labels: &Value) -> Self {
        let engine = Engine::system();
        let mut holder = Holder::start(&format!("{name}-model"), &[]);
        let model = engine.inspect(&format!("/containers/{}/json", holder.reaper)).unwrap();
        let session = format!("{name}-{}", std::process::id());
        let mut labels = of_session(&session);
        labels.as_object_mut().unwrap().extend(further_labels.as_object().unwrap().clone());
        let mut host = model["HostConfig"].clone();
        // What it has become is looked at in the end.
        host["AutoRemove"] = false.into();
        // Podman's own, which it gives in words that it does not take.
        host["Ulimits"] = Value::Null;
        // Not the port of that one, which Podman writes in here once it is drawn.
        host["PortBindings"]["8080/tcp"][0]["HostPort"] = "".into();
        let body = json!({
            "Image": model["Image"], "Labels": labels, "HostConfig": host, "ExposedPorts": {"8080/tcp": {}},
            "Env": ["RYUK_RECONNECTION_TIMEOUT=100ms", "REAPER_SECRET=5eed"],
        });
        let id = engine.done("POST", "/containers/create", &body)["Id"].as_str().unwrap().to_owned();
        let removed = Leftovers::new(&engine, [format!("/containers/{id}")]);
        world::start(&engine, &id);
        holder.kill();
        Self { engine, id, session, _removed: removed }
    }

    fn look(&self) -> Value {
        self.engine.inspect(&format!("/containers/{}/json", self.id)).expect("the reaper is there")
    }

    /// Says these lines and gives back the answers; the connection ends with them.
    fn say(&self, lines: &[&str]) -> Vec<String> {
        let ports = self.look()["NetworkSettings"]["Ports"]["8080/tcp"].clone();
        let port = ports[0]["HostPort"].as_str().unwrap().parse::<u16>().unwrap();
        until("the reaper answers", WITHIN, || {
            let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
            stream.set_read_timeout(Some(WITHIN)).map_err(|error| error.to_string())?;
            let mut answers = BufReader::new(&stream).lines();
            let mut heard = Vec::new();
            for line in lines {
                (&stream).write_all(format!("{line}\n").as_bytes()).map_err(|error| error.to_string())?;
                // The engine accepts before anybody listens.
                let answer = answers.next().ok_or("it has closed")?;
                heard.push(answer.map_err(|error| error.to_string())?);
            }
            Ok(heard)
        })
    }

    /// It has ended by itself, all is gone, and it is there.
    #[track_caller]
    fn has_left_itself(&self) {
        until("the reaper has ended", WITHIN, || {
            let state = self.look()["State"].clone();
            if state["Status"] == "exited" { Ok(()) } else { Err(state.to_string()) }
        });
        assert_eq!(self.look()["State"]["ExitCode"], 0);
        assert_eq!(self.engine.resources(&self.session), [format!("container {}", self.id)]);
    }
}

#[test]
fn a_reaper_that_has_its_label_from_its_image_alone_does_not_remove_itself() {
    let started = Started::new("image-label", &json!({}));
    world::volume(&started.engine, &started.session, &of_session(&started.session));
    let labels = started.look()["Config"]["Labels"].clone();
    assert_eq!((&labels[RYUK], &labels["test-reaper.protocol"]), (&json!("true"), &json!("3")));
    let filter = format!("label={SESSION}={}", started.session);
    assert_eq!(started.say(&["%hello 1", &filter]), ["HELLO 1 5eed 0", "ACK"]);
    started.has_left_itself();
}

/// Without the label it is only the id that it has from the kernel.
#[test]
fn a_reaper_that_has_no_label_does_not_remove_itself() {
    let started = Started::new("own-id", &json!({ RYUK: "" }));
    world::volume(&started.engine, &started.session, &of_session(&started.session));
    let other =
        world::container(&started.engine, world::image(&started.engine), &of_session(&started.session), None);
    assert_eq!(started.say(&[&format!("label={SESSION}={}", started.session)]), ["ACK"]);
    started.has_left_itself();
    assert_eq!(started.engine.inspect(&format!("/containers/{other}/json")), None);
}
