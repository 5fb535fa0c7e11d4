//! An engine behind `ssh`: its host's own docker command passes a stream on, as Docker's command does it.
//!
//! ```text
//! request ── socket pair ── ssh ══▶ sshd ── docker system dial-stdio ── the engine's socket
//! ```
//!
//! With the user's `ssh`, whose keys, agent, jump hosts and shared connections are set up already; a library for the
//! protocol would know none of them. A process for each stream, which is ended with it: an engine that has more to say would
//! keep it. A thread waits for it, so that none is left defunct. tokio's own processes were rejected: they put a handler for a signal into the user's test.

use std::fmt;

use crate::settings;

/// Whom `ssh` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    user: Option<String>,
    pub(super) host: String,
    port: Option<u16>,
    /// The engine's socket on that host, where it is not the one its docker command would take.
    pub(super) socket: Option<String>,
}

impl Destination {
    /// What stands behind `ssh://`.
    pub(super) fn parse(address: &str) -> Option<Self> {
        let (address, path) = address.find('/').map_or((address, ""), |slash| address.split_at(slash));
        let path = path.trim_end_matches('/');
        let (user, address) = match address.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, address),
        };
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, Some(port.parse().ok().filter(|port| *port > 0)?))
            }
            _ => (address, None),
        };
        let is_word = |word: &str| {
            // What begins so is an option to some programs.
            !word.is_empty()
                && !word.starts_with('-')
                && word
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || "-._+\\@".contains(character))
        };
        // The host's shell reads it once more.
        let is_plain = |path: &str| path.chars().all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c));
        let host = settings::host(host).filter(|host| !host.starts_with('-'))?;
        if !user.is_none_or(is_word) || !is_plain(path) {
            return None;
        }
        let socket = (!path.is_empty()).then(|| path.to_owned());
        Some(Self { user: user.map(str::to_owned), host: host.to_owned(), port, socket })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(formatter, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(formatter, "[{}]", self.host)?;
        } else {
            formatter.write_str(&self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(formatter, ":{port}"))?;
        formatter.write_str(self.socket.as_deref().unwrap_or_default())
    }
}

#[cfg(unix)]
pub(super) use self::unix::{connect, probe};

#[cfg(not(unix))]
pub(super) fn connect(_: &Destination) -> std::io::Result<super::stream::Stream> {
    Err(unsupported())
}

#[cfg(not(unix))]
pub(super) fn probe(_: &Destination, _: std::time::Duration) -> std::io::Result<()> {
    Err(unsupported())
}

#[cfg(not(unix))]
fn unsupported() -> std::io::Error {
    let problem = "engines over ssh are for systems with Unix sockets: forward its socket with `ssh -L`";
    std::io::Error::new(std::io::ErrorKind::Unsupported, problem)
}

#[cfg(unix)]
mod unix {
    use std::io::{self, Read as _, Write as _};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream as Pair;
    use std::process::{Child, Command, Stdio};
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    use tokio::net::UnixStream;
    use tokio::sync::oneshot;

    use super::Destination;
    use crate::engine::stream::{Explain, Explained, Stream};
    use crate::engine::verdict::Hopeless;
    use crate::engine::worker::wait;

    /// Of what it says, as much as a person reads.
    const MOST_SAID: u64 = 4 << 10;

    const ADVICE: &str = "try `ssh` with the same host by hand: it must log in without a question, and find the docker \
                          command there; or name another engine with DOCKER_HOST";

    /// Words of what the next attempt would meet, too.
    const STAYS: [&str; 9] = [
        "Permission denied",
        "Host key verification failed",
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "Could not resolve hostname",
        "not found",
        "No such identity",
        "Bad configuration option",
        "Too many authentication failures",
        "permission denied while trying to connect",
    ];

    pub(in super::super) fn connect(destination: &Destination) -> io::Result<Stream> {
        let (stream, process, ended) = start(destination)?;
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        Ok(Box::new(Explained { stream, known: Channel { ended: Some(ended), process } }))
    }

    /// Whether an engine answers there.
    pub(in super::super) fn probe(destination: &Destination, within: Duration) -> io::Result<()> {
        let (mut stream, _process, ended) = start(destination)?;
        stream.set_read_timeout(Some(within))?;
        // It may have ended already; what it said then is told below.
        let _ = stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
        match stream.read(&mut [0; 64]) {
            Ok(1..) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no engine has answered within {within:?}"),
            )),
            // It has ended, and says why.
            unread => {
                let unread = unread.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
                Err(wait(ended).unwrap_or(unread))
            }
        }
    }

    /// Starts `ssh`; its end is told with what it said.
    fn start(destination: &Destination) -> io::Result<(Pair, Process, oneshot::Receiver<io::Error>)> {
        let (ours, theirs) = Pair::pair()?;
        let mut command = command(destination);
        let ends = [theirs.try_clone()?, theirs].map(|end| Stdio::from(OwnedFd::from(end)));
        let [input, output] = ends;
        let spawned = command.stdin(input).stdout(output).stderr(Stdio::piped()).spawn();
        // The other end is open in this process until then.
        drop(command);
        let process = spawned.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Hopeless {
                problem: "there is no command `ssh`".to_owned(),
                advice: "install OpenSSH's client, or name another engine with DOCKER_HOST",
            }
            .into(),
            _ => error,
        })?;
        let id = Pid::from_child(&process);
        let process = Process { running: Arc::new(Mutex::new(Some(process))), is_let_go: false };
        let (tell, ended) = oneshot::channel();
        let waited = Arc::clone(&process.running);
        let end = move || {
            // Not yet taken from the system's list, so that its number is nobody else's while it may be ended.
            let _ = waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let Some(process) = lock(&waited).take() else { return };
            // Whoever has let go does not want to know.
            let _ = tell.send(last_words(process));
        };
        std::thread::Builder::new().name("reaper-ssh".into()).spawn(end)?;
        Ok((ours, process, ended))
    }

    /// A process that ends when this is dropped; none once it has ended by itself.
    struct Process {
        running: Arc<Mutex<Option<Child>>>,
        /// Its input has ended, and so it will.
        is_let_go: bool,
    }

    impl Drop for Process {
        fn drop(&mut self) {
            if let Some(process) = lock(&self.running).as_mut().filter(|_| !self.is_let_go) {
                // One that has ended meanwhile does not mind.
                let _ = process.kill();
            }
        }
    }

    fn lock(process: &Mutex<Option<Child>>) -> MutexGuard<'_, Option<Child>> {
        process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a process that has ended has left to say.
    fn last_words(mut process: Child) -> io::Error {
        let mut said = Vec::new();
        if let Some(stderr) = process.stderr.take() {
            // A connection that several share goes on in the background, and holds it open.
            let _ = rustix::io::ioctl_fionbio(&stderr, true);
            let _ = stderr.take(MOST_SAID).read_to_end(&mut said);
        }
        let status = process.wait().ok().and_then(|status| status.code());
        failure(&String::from_utf8_lossy(&said), status)
    }

    fn command(destination: &Destination) -> Command {
        let mut command = Command::new("ssh");
        // Nobody is there to answer a question; and an end that is gone is to be seen as on TCP.
        let options =
            ["BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=4"];
        command.args(options.iter().flat_map(|option| ["-o", option]));
        command.arg("-T");
        if let Some(user) = &destination.user {
            command.args(["-l", user]);
        }
        if let Some(port) = destination.port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(["--", &destination.host, "docker"]);
        if let Some(socket) = &destination.socket {
            command.args(["--host", &format!("unix://{socket}")]);
        }
        command.args(["system", "dial-stdio"]);
        command
    }

    /// What it means that it ended before the engine said anything.
    fn failure(said: &str, status: Option<i32>) -> io::Error {
        let lines =
            said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Warning:"));
        let said = lines.collect::<Vec<_>>().join("; ");
        let problem = match (said.is_empty(), status) {
            (false, _) if said.starts_with("ssh: ") => said,
            (false, _) => format!("ssh: {said}"),
            (true, Some(status)) => format!("ssh ended with status {status} and said nothing"),
            (true, None) => "ssh was ended by a signal".to_owned(),
        };
        if STAYS.iter().any(|words| problem.contains(words)) {
            return Hopeless { problem, advice: ADVICE }.into();
        }
        io::Error::new(io::ErrorKind::ConnectionRefused, problem)
    }

    /// The process that a stream goes through. Where it ends without a word from the engine, that is an error with what it
    /// said.
    struct Channel {
        /// Taken once the engine has said something.
        ended: Option<oneshot::Receiver<io::Error>>,
        process: Process,
    }

    impl Explain for Channel {
        fn explain(&mut self, context: &mut Context<'_>, read: io::Result<usize>) -> Poll<io::Result<()>> {
            if matches!(read, Ok(1..)) {
                self.ended = None;
            }
            let read = read.map(drop);
            let Some(ended) = &mut self.ended else { return Poll::Ready(read) };
            let told = ready!(ended.poll_unpin(context));
            self.ended = None;
            Poll::Ready(told.map_or(read, Err))
        }

        fn shut(&mut self) {
            // What was written last is still on its way; the engine ends the rest then.
            self.process.is_let_go = true;
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn ssh_is_asked_as_dockers_command_asks_it() {
            for (address, expected) in [
                ("build.example", "-- build.example docker system dial-stdio"),
                ("me@10.0.0.1:2222", "-l me -p 2222 -- 10.0.0.1 docker system dial-stdio"),
                (
                    "me@[::1]:22/run/user/1000/docker.sock",
                    "-l me -p 22 -- ::1 docker --host unix:///run/user/1000/docker.sock system dial-stdio",
                ),
            ] {
                let destination = Destination::parse(address).unwrap();
                assert_eq!(destination.to_string(), format!("ssh://{address}"));
                let command = command(&destination);
                let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
                let arguments = arguments.join(" ");
                assert_eq!(arguments.split_once(" -T ").map(|(_, rest)| rest), Some(expected));
            }
        }

        #[test]
        fn what_ssh_says_is_told_and_decides() {
            let stays = "me@h: Permission denied (publickey).\r\n";
            let error = failure(stays, Some(255));
            assert!(Hopeless::found_in(&error).is_some(), "{error}");
            assert_eq!(error.to_string(), "ssh: me@h: Permission denied (publickey).");
            let passes =
                failure("Warning: added\nssh: connect to host h port 22: Connection refused\n", Some(255));
            assert!(Hopeless::found_in(&passes).is_none());
            assert_eq!(passes.to_string(), "ssh: connect to host h port 22: Connection refused");
            assert_eq!(failure("", Some(1)).to_string(), "ssh ended with status 1 and said nothing");
        }
    }
}
