//! The mode in which the program is a connection: joined with a server, and ended by either side or by silence.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::process::{Ryuk, command};
use crate::world::World;

const DEADLINE: Duration = Duration::from_secs(30);

/// A process in this mode, and what it says, line by line.
struct Connected {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Connected {
    /// Joined with a server, for a client that may be silent for so long.
    fn start(port: u16, silence: &str) -> Self {
        let mut connected = Self::run(port, &["connect", silence]);
        assert_eq!(connected.line(), "OPEN");
        connected
    }

    fn run(port: u16, arguments: &[&str]) -> Self {
        let mut command = command("unix:///nowhere.sock");
        command.args(arguments).env("RYUK_PORT", port.to_string());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let lines = lines(child.stdout.take().unwrap());
        Self { child, input, lines }
    }

    fn send(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let line = self.lines.recv_timeout(DEADLINE);
        line.unwrap_or_else(|error| panic!("no line: {error}"))
    }

    fn say(&mut self, line: &str) -> String {
        self.send(&format!("{line}\n"));
        self.line()
    }

    /// Whether it has ended well, and what it complained of.
    #[track_caller]
    fn ended(&mut self) -> (bool, String) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut complaint = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
                return (status.success(), complaint);
            }
            assert!(began.elapsed() < DEADLINE, "it runs still");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        // It has ended by itself in a test that passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// A server that nobody has to come to.
fn server(engine: &Engine) -> Ryuk {
    Ryuk::start(&engine.host(), &[("RYUK_RECONNECTION_TIMEOUT", "60s")])
}

fn until_connected(ryuk: &Ryuk, count: usize) {
    ryuk.until("the clients are counted", || {
        let mut asking = ryuk.greeted();
        (asking.say("%clients") == format!("CLIENTS {count}")).then_some(())
    });
}

#[test]
fn what_is_said_goes_both_ways_and_the_beats_do_not() {
    let engine = Engine::start(World::default());
    let ryuk = server(&engine);
    let mut client = Connected::start(ryuk.port(), "20s");
    assert!(client.say("%here\n%hello 3").starts_with("HELLO 3 "));
    assert_eq!(client.say("label=a=b\n%here"), "ACK");
    until_connected(&ryuk, 1);
    // Half of a beat, and another word.
    client.send("%her");
    assert!(client.say("r").starts_with("ERROR "));
    assert_eq!(client.ended(), (true, String::new()), "the server has let it go");
}

/// What was said right before the end arrives, as the last word of a dropped guard.
#[test]
fn the_end_of_its_input_is_the_servers_and_so_is_all_that_was_said_before() {
    let engine = Engine::start(World::default());
    let ryuk = server(&engine);
    let mut client = Connected::start(ryuk.port(), "20s");
    assert!(client.say("%hello 3").starts_with("HELLO 3 "));
    assert_eq!(client.say("%scope label=a=b"), "ACK");
    client.send("%scope-end label=a=b\n");
    drop(client.input.take());
    assert_eq!(client.line(), "ACK");
    assert_eq!(client.ended(), (true, String::new()));
    let _ = ryuk.until_logged("scope={\"label\":[\"a=b\"]} ended");
    until_connected(&ryuk, 0);
}

#[test]
fn a_killed_one_is_a_client_that_is_gone() {
    let engine = Engine::start(World::default());
    let ryuk = server(&engine);
    let mut client = Connected::start(ryuk.port(), "20s");
    assert_eq!(client.say("label=a=b"), "ACK");
    until_connected(&ryuk, 1);
    client.child.kill().unwrap();
    until_connected(&ryuk, 0);
}

#[test]
fn a_server_that_is_gone_ends_it() {
    let engine = Engine::start(World::default());
    let ryuk = server(&engine);
    let mut client = Connected::start(ryuk.port(), "20s");
    assert_eq!(client.say("label=a=b"), "ACK");
    ryuk.signal("KILL");
    assert_eq!(client.ended(), (true, String::new()));
}

/// The engine may keep its input open although the client is gone.
#[test]
fn a_client_that_is_silent_is_gone_and_one_that_beats_is_not() {
    let engine = Engine::start(World::default());
    let ryuk = server(&engine);
    let mut beating = Connected::start(ryuk.port(), "1s");
    let mut silent = Connected::start(ryuk.port(), "1s");
    assert_eq!((beating.say("label=a=b"), silent.say("label=a=c")), ("ACK".into(), "ACK".into()));
    let heard_at = Instant::now();
    let ended = loop {
        beating.send("%here\n");
        if silent.child.try_wait().unwrap().is_some() {
            break silent.ended();
        }
        assert!(heard_at.elapsed() < DEADLINE, "it runs still");
        thread::sleep(Duration::from_millis(50));
    };
    assert!(heard_at.elapsed() >= Duration::from_millis(900), "after {:?}", heard_at.elapsed());
    assert_eq!(ended, (false, "the client was silent for 1s\n".to_owned()));
    until_connected(&ryuk, 1);
    assert_eq!(beating.say("label=a=d"), "ACK");
}

/// Nobody else ends it where its output is not read and its input stays open.
#[test]
fn nobody_who_takes_nothing_keeps_it() {
    let engine = Engine::start(World::default());
    let ryuk = server(&engine);
    let mut command: Command = command("unix:///nowhere.sock");
    command.args(["connect", "1s"]).env("RYUK_PORT", ryuk.port().to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let output = child.stdout.take();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"%hello 3\n").unwrap();
    ryuk.until("it has ended", || {
        // As many answers as no pipe takes, for as long as it hears them; then nothing.
        child.try_wait().unwrap()
    });
    drop((output, input));
    until_connected(&ryuk, 0);
}

#[test]
fn why_it_is_no_connection_is_said() {
    // A port at which nobody listens any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (ended_well, complaint) = Connected::run(port, &["connect"]).ended();
    assert!(!ended_well);
    assert!(complaint.starts_with(&format!("the reaper does not listen on port {port}: ")), "{complaint}");
    let (ended_well, complaint) = Connected::run(port, &["connect", "soon"]).ended();
    assert_eq!((ended_well, complaint.as_str()), (false, "\"soon\" is no duration such as 20s\n"));
}

/// An unread answer is kept up to a bound, and a client that beats meanwhile is not let go for it.
#[test]
fn what_a_client_does_not_read_yet_waits_for_it() {
    let engine = Engine::start(World::default());
    let ryuk = server(&engine);
    let mut command: Command = command("unix:///nowhere.sock");
    command.args(["connect", "20s"]).env("RYUK_PORT", ryuk.port().to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // Some 200 KB of answers, which neither the pipe nor the process keeps.
    let asked = 10_000;
    let writer = thread::spawn(move || {
        for _ in 0..asked {
            input.write_all(b"%hello 3\n").unwrap();
        }
    });
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "OPEN");
    for _ in 0..asked {
        assert_eq!(lines.next().unwrap().unwrap(), "HELLO 3 - 0");
    }
    writer.join().unwrap();
    assert!(lines.next().is_none(), "nothing follows");
    assert!(child.wait().unwrap().success());
}
