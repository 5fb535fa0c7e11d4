//! The floor of an attach: the same three steps with nothing around them. One inspect over the engine's
//! socket, or over TLS where `DOCKER_HOST` names a port; one connection to the published port; one filter and its ACK.
//!
//! With the word `exec` the connection is an exec session in place of one to the port.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// The same as the engine of `cargo xtask bench` that has no name.
const USUAL: &str = "/var/run/docker.sock";

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

fn main() -> Result<(), Box<dyn Error>> {
    let session = std::env::var("TESTCONTAINERS_SESSION_ID")?;
    let filter = format!("label=org.testcontainers.sessionId={session}\n");
    let began = Instant::now();
    let container = asked("GET", &format!("/containers/reaper_{session}/json"), "")?;
    if std::env::args().nth(1).as_deref() == Some("exec") {
        over_exec(&container, &filter)?;
    } else {
        let port = container["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"].as_str();
        let mut reaper = TcpStream::connect((host()?.as_str(), port.ok_or("no port")?.parse()?))?;
        reaper.write_all(filter.as_bytes())?;
        let mut line = String::new();
        BufReader::new(&reaper).read_line(&mut line)?;
        assert_eq!(line, "ACK\n");
    }
    println!("{}", began.elapsed().as_nanos());
    Ok(())
}

fn over_exec(container: &Value, filter: &str) -> Result<(), Box<dyn Error>> {
    let id = container["Id"].as_str().ok_or("no id")?;
    let program = container["Config"]["Labels"]["test-reaper.connect"].as_str().ok_or("no program")?;
    let process = serde_json::json!({
        "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Cmd": [program, "connect"],
    });
    let created = asked("POST", &format!("/containers/{id}/exec"), &process.to_string())?;
    let path = format!("/exec/{}/start", created["Id"].as_str().ok_or("no exec session")?);
    let mut stream = engine()?;
    let head = format!("POST {path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n");
    let rest = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    stream.write_all(format!("{head}{rest}").as_bytes())?;
    until(&mut *stream, b"OPEN\n")?;
    stream.write_all(filter.as_bytes())?;
    until(&mut *stream, b"ACK\n")
}

/// Reads until what was read ends like this.
fn until(stream: &mut dyn Stream, end: &[u8]) -> Result<(), Box<dyn Error>> {
    let (mut read, mut bytes) = (Vec::new(), [0; 1024]);
    while !read.ends_with(end) {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Err(String::from_utf8_lossy(&read).into());
        }
        read.extend_from_slice(&bytes[..count]);
    }
    Ok(())
}

fn asked(method: &str, path: &str, body: &str) -> Result<Value, Box<dyn Error>> {
    let mut engine = engine()?;
    let head = format!("{method} {path} HTTP/1.0\r\nHost: engine\r\n");
    let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    engine.write_all(format!("{head}{rest}").as_bytes())?;
    let mut answer = String::new();
    engine.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
    Ok(serde_json::from_str(body)?)
}

/// The engine's address where it is asked over TLS.
fn remote() -> Option<String> {
    std::env::var("DOCKER_HOST").ok()?.strip_prefix("tcp://").map(str::to_owned)
}

/// Where ports are published.
fn host() -> Result<String, Box<dyn Error>> {
    let Some(address) = remote() else { return Ok("127.0.0.1".to_owned()) };
    Ok(address.rsplit_once(':').ok_or("no port")?.0.to_owned())
}

fn engine() -> Result<Box<dyn Stream>, Box<dyn Error>> {
    let Some(address) = remote() else { return Ok(Box::new(UnixStream::connect(USUAL)?)) };
    let folder = std::env::var("DOCKER_CERT_PATH")?;
    let file = |name: &str| Path::new(&folder).join(name);
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_file(file("ca.pem"))?)?;
    let certificate = vec![CertificateDer::from_pem_file(file("cert.pem"))?];
    let key = PrivateKeyDer::from_pem_file(file("key.pem"))?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities)
        .with_client_auth_cert(certificate, key)?;
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(host()?)?)?;
    Ok(Box::new(StreamOwned::new(connection, TcpStream::connect(address)?)))
}
