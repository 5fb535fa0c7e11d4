//! The floor of an attach: the same three steps with nothing around them. One inspect over the engine's
//! socket, one connection to the published port, one filter and its ACK.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = std::env::var("TESTCONTAINERS_SESSION_ID")?;
    let began = Instant::now();
    let mut engine = UnixStream::connect("/var/run/docker.sock")?;
    write!(engine, "GET /containers/reaper_{session}/json HTTP/1.0\r\nHost: engine\r\n\r\n")?;
    let mut answer = String::new();
    engine.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
    let container: serde_json::Value = serde_json::from_str(body)?;
    let port = container["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"].as_str().ok_or("no port")?;
    let mut reaper = TcpStream::connect(("127.0.0.1", port.parse()?))?;
    reaper.write_all(format!("label=org.testcontainers.sessionId={session}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(&reaper).read_line(&mut line)?;
    let took = began.elapsed();
    assert_eq!(line, "ACK\n");
    println!("{}", took.as_nanos());
    Ok(())
}
