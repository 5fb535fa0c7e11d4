//! A very small database: keeps one value, over TCP on port 6000. `SET x` keeps it, `GET` gives it back.
//!
//! Stands in for a real service, since it needs no registry to come from.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:6000")?;
    println!("ready to accept connections");
    let mut kept = String::new();
    for client in listener.incoming() {
        // A client that goes away in the middle is no reason to stop.
        let _ = serve(client?, &mut kept);
    }
    Ok(())
}

fn serve(mut client: TcpStream, kept: &mut String) -> std::io::Result<()> {
    for line in BufReader::new(client.try_clone()?).lines() {
        match line?.split_once(' ') {
            Some(("SET", value)) => value.clone_into(kept),
            _ => writeln!(client, "{kept}")?,
        }
    }
    Ok(())
}
