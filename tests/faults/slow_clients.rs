//! Clients that never finish, on the reaper's real container with its real limits.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::holder::Holder;
use reaper_tests::suite::{Run, text};
use reaper_tests::{until, world};

const CLIENTS: usize = 400;
/// Of these, such as begin with nearly as long a line as there may be: more than the server keeps of all.
const LONG: usize = 150;

/// Clients that send a byte each in turn and never a line's end; who is sent away comes again.
struct SlowClients {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl SlowClients {
    fn start(port: u16) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let connect = move |number: usize| {
            let mut client = TcpStream::connect(("127.0.0.1", port)).ok()?;
            client.set_write_timeout(Some(Duration::from_secs(5))).ok()?;
            let beginning = vec![b'l'; if number < LONG { 60 << 10 } else { 1 }];
            client.write_all(&beginning).ok().map(|()| client)
        };
        let mut clients: Vec<_> = (0..CLIENTS).map(connect).collect();
        assert!(clients.iter().flatten().count() >= CLIENTS / 2, "most could not even connect");
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for (number, slot) in clients.iter_mut().enumerate() {
                    match slot {
                        Some(client) if (&*client).write_all(b"a").is_ok() => {
                            counted.fetch_add(1, Ordering::Relaxed);
                        }
                        // In vain once the reaper has ended.
                        _ => *slot = connect(number),
                    }
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        Self { stop, sent, thread: Some(thread) }
    }

    /// Waits until each has sent a few bytes more, on the average.
    fn until_sent_more(&self) {
        let before = self.sent.load(Ordering::Relaxed);
        until("the slow clients have sent more", Duration::from_secs(60), || {
            let sent = self.sent.load(Ordering::Relaxed) - before;
            if sent > 10 * CLIENTS { Ok(()) } else { Err(format!("{sent} bytes")) }
        });
    }
}

impl Drop for SlowClients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn slow_clients_neither_keep_others_out_nor_end_the_reaper() {
    let engine = Engine::system();
    let mut holder = Holder::start("slow", &[]);
    world::fill(&engine, &holder.session, 2, 2);
    let state =
        || engine.inspect(&format!("/containers/{}/json", holder.reaper)).expect("the reaper is there");
    let before = state();
    // Those limits are what this is about.
    assert_eq!(
        (before["HostConfig"]["Memory"].as_i64(), before["HostConfig"]["PidsLimit"].as_i64()),
        (Some(64 << 20), Some(2048))
    );
    let port =
        before["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"].as_str().unwrap().parse().unwrap();

    let slow = SlowClients::start(port);
    slow.until_sent_more();
    let run = Run::new();
    for _ in 0..8 {
        let mut attaches = run.binary("attribute");
        attaches.args(["--exact", "attaches", "--include-ignored"]);
        let output = attaches.env("TESTCONTAINERS_SESSION_ID", &holder.session).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    slow.until_sent_more();
    assert!(run.records().iter().all(|record| record.reaper == holder.reaper), "{:?}", run.records());
    assert_eq!(state()["State"], before["State"]);

    // Whoever never registered does not keep it.
    holder.kill();
    holder.until_left(&[]);
    holder.log.until_removed([2, 2, 2, 0]);
}
