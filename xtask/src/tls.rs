//! An engine that is asked over TLS, for the benchmarks.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use reaper_tests_engine::Client;

/// One on a machine of its own; it ends when this is dropped.
pub(crate) struct SecuredEngine {
    child: Child,
    /// Over a socket, for what is not measured.
    pub(crate) client: Client,
    /// Where ports are published.
    pub(crate) host: String,
    /// What has everybody else ask over TLS.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl SecuredEngine {
    /// By the program that starts one.
    pub(crate) fn start(program: &str) -> Result<Self, String> {
        let mut command = Command::new(program);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("failed to start {program}: {error}"))?;
        let said = child.stdout.take().ok_or("the engine says nothing")?;
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        let mut next = || lines.next().ok_or_else(|| "the engine did not start".to_owned());
        let (socket, address, certificates) = (next()?, next()?, next()?);
        let host = address.strip_prefix("tcp://").and_then(|address| address.rsplit_once(':'));
        let host = host.ok_or_else(|| format!("{address} is no address"))?.0.to_owned();
        let settings = vec![
            ("DOCKER_HOST", address),
            ("DOCKER_TLS_VERIFY", "1".to_owned()),
            ("DOCKER_CERT_PATH", certificates),
        ];
        Ok(Self { child, client: Client::at(socket), host, settings })
    }
}

impl Drop for SecuredEngine {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has nothing to say any more, whatever it ends with.
        let _ = self.child.wait();
    }
}
