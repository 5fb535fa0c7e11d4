//! An address at which the session's reaper should be is somebody else's: behind a forwarded socket, `127.0.0.1` and the
//! addresses of containers are those of another engine. Nothing is registered there, and no such `ACK` counts.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use reaper_tests::proxy::{Decision, Proxy, Request};
use reaper_tests::scene::Scene;
use reaper_tests::suite::text;
use serde_json::Value;

/// Somebody else's Ryuk, which acknowledges whatever it is told.
struct Foreign {
    port: u16,
    told: Arc<Mutex<Vec<String>>>,
}

impl Foreign {
    fn listen(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || Self::serve(&client, &kept));
            }
        });
        Self { port, told }
    }

    fn serve(mut client: &TcpStream, told: &Mutex<Vec<String>>) {
        for line in BufReader::new(client).lines().map_while(Result::ok) {
            told.lock().unwrap().push(line);
            let _ = client.write_all(b"ACK\n");
        }
    }

    #[track_caller]
    fn was_only_greeted(&self) {
        let told = self.told.lock().unwrap();
        assert!(!told.is_empty() && told.iter().all(|line| line == "%hello 3"), "{told:?}");
    }
}

/// The look-up of the reaper, with its network settings as `change` makes them.
fn forwarded(change: impl Fn(&mut Value) + Send + Sync + Clone + 'static) -> Proxy {
    Proxy::new(move |request: &Request| {
        if !request.is("GET", "/containers/reaper_") {
            return Decision::Pass;
        }
        let change = change.clone();
        Decision::Change(Box::new(move |body| {
            let mut found: Value = serde_json::from_str(&body).unwrap_or_default();
            if found["State"]["Running"] == true {
                change(&mut found["NetworkSettings"]);
            }
            found.to_string()
        }))
    })
}

#[track_caller]
fn is_refused(scene: &Scene, proxy: &Proxy) {
    let mut attaches = scene.test("attaches");
    let output = proxy.serve(attaches.env("REAPER_ACQUIRE_TIMEOUT", "5s")).output().unwrap();
    let said = text(&output);
    assert!(!output.status.success(), "{said}");
    for word in ["not the reaper of this session", "TESTCONTAINERS_HOST_OVERRIDE"] {
        assert!(said.contains(word), "{word:?} is missing: {said}");
    }
}

#[test]
fn an_ack_of_a_foreign_reaper_at_the_published_port_counts_for_nothing() {
    let scene = Scene::new("foreign-port");
    let foreign = Foreign::listen("127.0.0.1:0");
    let port = foreign.port.to_string();
    let proxy = forwarded(move |network| network["Ports"]["8080/tcp"][0]["HostPort"] = port.clone().into());
    is_refused(&scene, &proxy);
    foreign.was_only_greeted();
    // The reaper that was made has nobody, and whoever reaches it has it.
    let _ = scene.attach();
    scene.end();
}

#[test]
fn an_ack_of_a_foreign_reaper_at_the_containers_address_counts_for_nothing() {
    let scene = Scene::new("foreign-address");
    let foreign = Foreign::listen("127.0.0.77:8080");
    // Free a moment ago, so nobody listens.
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let proxy = forwarded(move |network| {
        network["Ports"]["8080/tcp"][0]["HostPort"] = refused.clone().into();
        for (_, network) in network["Networks"].as_object_mut().into_iter().flatten() {
            network["IPAddress"] = "127.0.0.77".into();
        }
    });
    is_refused(&scene, &proxy);
    foreign.was_only_greeted();
    let _ = scene.attach();
    scene.end();
}

/// Where one family's port is taken, Docker publishes on two, and each is somebody else's in the other family.
#[test]
fn the_port_of_the_other_family_is_not_dialled() {
    let scene = Scene::new("other-family");
    let foreign = Foreign::listen("127.0.0.1:0");
    let port = foreign.port;
    let proxy = forwarded(move |network| {
        let bindings = network["Ports"]["8080/tcp"].as_array_mut();
        let other = serde_json::json!({"HostIp": "::", "HostPort": port.to_string()});
        if let Some(bindings) = bindings {
            bindings.insert(0, other);
        }
    });
    let mut test = scene.test("attaches");
    let output = proxy.serve(&mut test).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(*foreign.told.lock().unwrap(), Vec::<String>::new());
    scene.end();
}
