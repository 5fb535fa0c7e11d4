//! Set-ups that are broken, each in its way: what is said of it, as a whole, in a file that people can read.
//!
//! `REAPER_SNAPSHOT=write` writes the file anew; look at what has changed in it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use reaper_tests::certificates::{Authority, Validity};
use reaper_tests::suite::{Run, text};
use reaper_tests::tls_port;

use crate::{reaper, stderr};

/// What is said of every one of them.
const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/command_line/broken.txt");

/// In its place stands what is another in every run.
type Placeholders<'a> = &'a [(&'a str, &'a str)];

struct Cases {
    run: Run,
    said: String,
}

impl Cases {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.run.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// The command with these variables: it has to end at once, and to run nothing.
    fn case(&mut self, name: &str, variables: &[(&str, &str)], placeholders: Placeholders<'_>) {
        let mut command = reaper(&self.run, &["run", "--", "echo", "it ran"]);
        // The engine of all tests, which would be obeyed before most of what is broken here.
        command.env_remove("DOCKER_HOST");
        self.broken(name, command.envs(variables.iter().copied()), placeholders);
    }

    fn broken(&mut self, name: &str, command: &mut Command, placeholders: Placeholders<'_>) {
        let began = Instant::now();
        let output = command.output().unwrap();
        println!("{:>6} ms  {name}", began.elapsed().as_millis());
        assert_eq!(output.status.code(), Some(125), "{name}: {}", text(&output));
        assert!(output.stdout.is_empty(), "{name}: {}", text(&output));
        let folder = self.run.file("");
        let mut said = stderr(&output);
        for (found, placeholder) in placeholders {
            said = said.replace(found, placeholder);
        }
        let said = said.replace(folder.to_str().unwrap().trim_end_matches('/'), "/home/me");
        self.said.extend(["## ", name, "\n\n", &said, "\n"]);
    }
}

/// A port at which every request gets this answer.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn what_is_broken_is_said_at_once_and_with_what_leads_out() {
    let mut cases = Cases { run: Run::unbuilt(), said: String::new() };
    sockets(&mut cases);
    addresses(&mut cases);
    certificates(&mut cases);
    contexts(&mut cases);
    hosts(&mut cases);
    if std::env::var("REAPER_SNAPSHOT").is_ok_and(|word| word == "write") {
        std::fs::write(SNAPSHOT, &cases.said).unwrap();
    }
    let expected = std::fs::read_to_string(SNAPSHOT).unwrap();
    for (said, expected) in cases.said.split("## ").zip(expected.split("## ")) {
        assert_eq!(said, expected);
    }
    assert_eq!(cases.said, expected);
}

fn sockets(cases: &mut Cases) {
    cases.case("no socket", &[("DOCKER_HOST", "unix:///nowhere.sock")], &[]);

    let left = cases.run.file("left.sock");
    drop(UnixListener::bind(&left).unwrap());
    let address = format!("unix://{}", left.display());
    cases.case("a socket that nobody listens on any more", &[("DOCKER_HOST", &address)], &[]);

    let closed = cases.run.file("closed.sock");
    let _listener = UnixListener::bind(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let folder = cases.run.file("");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = reaper(&cases.run, &["run", "--", "echo", "it ran"]);
    command.env("DOCKER_HOST", format!("unix://{}", closed.display()));
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    } else {
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    cases.broken("a socket of somebody else's", &mut command, &[]);
}

fn addresses(cases: &mut Cases) {
    cases.case("an address without a scheme", &[("DOCKER_HOST", "localhost:2375")], &[]);
    cases.case("a port that nobody listens on", &[("DOCKER_HOST", "tcp://127.0.0.1:1")], &[]);
    cases.case("a name that no host has", &[("DOCKER_HOST", "tcp://nowhere.invalid:2375")], &[]);
    let html = answering(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 28\r\n\r\n<html>Welcome to us!</html>\r\n",
    );
    cases.case("a web server", &[("DOCKER_HOST", &format!("tcp://{html}"))], &[(&html, "host:2375")]);
    let proxy = answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 22\r\n\r\n<html>Forbidden</html>");
    cases.case(
        "a proxy that forbids it",
        &[("DOCKER_HOST", &format!("tcp://{proxy}"))],
        &[(&proxy, "host:2375")],
    );
    let tls = answering("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    cases.case("a port that has TLS", &[("DOCKER_HOST", &format!("tcp://{tls}"))], &[(&tls, "host:2376")]);
    cases.file(".testcontainers.properties", "docker.host = localhost\n");
    cases.case("a properties file with half an address", &[], &[]);
    std::fs::remove_file(cases.run.file(".testcontainers.properties")).unwrap();
}

fn certificates(cases: &mut Cases) {
    let (authority, other) = (Authority::new(), Authority::new());
    let folder = |name: &str| cases.run.file(name);
    let write = |authority: &Authority, name: &str, host: &str, validity| {
        authority.write(&folder(name), &[host], validity);
        folder(name)
    };
    let client = write(&authority, "client", "client", Validity::Now);
    let [good, expired, foreign, elsewhere] = [
        write(&authority, "good", "127.0.0.1", Validity::Now),
        write(&authority, "expired", "127.0.0.1", Validity::Past),
        write(&other, "foreign", "127.0.0.1", Validity::Now),
        write(&authority, "elsewhere", "build.example", Validity::Now),
    ]
    .map(|folder| tls_port::listen(&folder).to_string());
    let old = write(&authority, "old", "client", Validity::Past);
    // It knows the engine, and the engine does not know it.
    let stranger = write(&other, "stranger", "client", Validity::Now);
    std::fs::copy(client.join("ca.pem"), stranger.join("ca.pem")).unwrap();
    let nobody = write(&authority, "nobody", "client", Validity::Now);
    for name in ["cert.pem", "key.pem"] {
        std::fs::remove_file(nobody.join(name)).unwrap();
    }
    let keyless = write(&authority, "keyless", "client", Validity::Now);
    std::fs::remove_file(keyless.join("key.pem")).unwrap();
    let garbled = write(&authority, "garbled", "client", Validity::Now);
    std::fs::write(garbled.join("ca.pem"), "no certificate\n").unwrap();
    let plain = answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let nowhere = folder("nowhere");
    let mut secured = |name: &str, address: &str, folder: &Path| {
        let variables = [
            ("DOCKER_HOST", &*format!("tcp://{address}")),
            ("DOCKER_TLS_VERIFY", "1"),
            ("DOCKER_CERT_PATH", folder.to_str().unwrap()),
        ];
        cases.case(name, &variables, &[(address, "host:2376")]);
    };
    secured("an engine whose certificate has expired", &expired, &client);
    secured("an engine of another authority", &foreign, &client);
    secured("an engine of another name", &elsewhere, &client);
    secured("a client whose certificate has expired", &good, &old);
    secured("a client of another authority", &good, &stranger);
    secured("a client without a certificate", &good, &nobody);
    secured("a client without its key", &good, &keyless);
    secured("no folder with certificates", &good, &nowhere);
    secured("an authority that is none", &good, &garbled);
    secured("a port that has no TLS", &plain, &client);
    cases.case(
        "neither yes nor no to TLS",
        &[("DOCKER_HOST", "tcp://127.0.0.1:1"), ("DOCKER_TLS_VERIFY", "perhaps")],
        &[],
    );
}

fn contexts(cases: &mut Cases) {
    cases.case("a context that is not there", &[("DOCKER_CONTEXT", "other")], &[]);
    cases.file(".docker/config.json", "{");
    cases.case("a file of the docker command's that is broken", &[], &[]);
    cases.file(".docker/config.json", "{}");
    let context = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";
    cases.file(&format!(".docker/contexts/meta/{context}/meta.json"), "{\"Endpoints\": 1}");
    cases.case("a context that cannot be read", &[("DOCKER_CONTEXT", "other")], &[]);
}

fn hosts(cases: &mut Cases) {
    cases.case("a system without ssh", &[("DOCKER_HOST", "ssh://me@127.0.0.1"), ("PATH", "/nowhere")], &[]);
    cases.case("a host that nobody can log in to", &[("DOCKER_HOST", "ssh://me@127.0.0.1:1")], &[]);
    cases.case("ssh to a name that no host has", &[("DOCKER_HOST", "ssh://me@nowhere.invalid")], &[]);
    cases.case("ssh with a password", &[("DOCKER_HOST", "ssh://me:secret@build.example")], &[]);
}
