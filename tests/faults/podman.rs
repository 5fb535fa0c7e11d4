//! Podman, which takes more for a match than Docker does, and more by force.

use std::time::{Duration, Instant};

use reaper_tests::bystander::Bystander;
use reaper_tests::engine::{Engine, SESSION};
use reaper_tests::holder::Holder;
use reaper_tests::machine;
use reaper_tests::podman::Podman;
use reaper_tests::process::{Process, mark_of_this};
use reaper_tests::suite::{Run, succeeded, until_no_keeper};
use reaper_tests::until;
use reaper_tests::world::{self, image, of_session};
use serde_json::{Value, json};

use crate::foreign::Foreigner;

/// Wider than every timeout that these tests set, and the removing.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// Of every kind one, all with these labels.
struct Things([String; 4]);

impl Things {
    fn create(engine: &Engine, name: &str, labels: &Value) -> Self {
        let container = world::container(engine, image(engine), labels, None);
        world::network(engine, name, labels);
        world::volume(engine, name, labels);
        let image = world::commit(engine, &container, name, labels);
        let things = [
            format!("/containers/{container}/json"),
            format!("/networks/{name}"),
            format!("/volumes/{name}"),
            format!("/images/{image}/json"),
        ];
        let things = Self(things);
        assert_eq!(things.there(engine).len(), 4, "not all were created: {:?}", things.0);
        things
    }

    /// What of it is there.
    fn there(&self, engine: &Engine) -> Vec<&str> {
        self.0.iter().map(String::as_str).filter(|path| engine.inspect(path).is_some()).collect()
    }

    #[track_caller]
    fn are_all_there(&self, engine: &Engine) {
        assert_eq!(self.there(engine), self.0);
    }

    #[track_caller]
    fn are_gone(&self, engine: &Engine) {
        assert_eq!(self.there(engine), Vec::<&str>::new());
    }
}

fn named(what: &str) -> String {
    format!("{what}-{}", std::process::id())
}

#[test]
fn the_podman_of_a_test_leaves_nothing_of_itself() {
    let podman = Podman::start();
    let container = world::container(podman.engine(), image(podman.engine()), &json!({}), None);
    world::start(podman.engine(), &container);
    let (folder, group) = (podman.folder(), format!("/libpod_parent/libpod-{container}"));
    let remains = || {
        let groups = machine::cgroups(&group).into_iter().map(|path| format!("cgroup {}", path.display()));
        machine::remains(&folder).into_iter().chain(groups).collect::<Vec<_>>()
    };
    assert!(remains().len() >= 4, "{:?}", remains());
    drop(podman);
    until("nothing is left of the Podman", GONE_WITHIN, || {
        let remains = remains();
        if remains.is_empty() { Ok(()) } else { Err(format!("{remains:?}")) }
    });
}

#[test]
fn tests_that_are_killed_leave_nothing_on_podman() {
    let podman = Podman::start();
    let engine = podman.engine();
    let bystander = Bystander::on(engine);
    let run = Run::new();
    let session = named("podman");
    let tests: Vec<_> = (0..4).map(|_| Process::start(&mut podman.test(&run, "waits", &session))).collect();
    until("all have made what they make", GONE_WITHIN, || {
        let records = run.records();
        if records.len() == tests.len() { Ok(()) } else { Err(format!("{records:?}")) }
    });
    let reapers: Vec<_> = run.records().into_iter().map(|record| record.reaper).collect();
    assert!(reapers.iter().all(|reaper| *reaper == reapers[0]), "{reapers:?}");
    // The reaper, and of each test a thing of each kind.
    assert_eq!(engine.resources(&session).len(), 1 + 4 * 4, "{:?}", engine.resources(&session));
    for test in tests {
        test.kill();
    }
    engine.until_gone(&session, GONE_WITHIN);
    until_no_keeper(&session);
    bystander.assert_untouched();
}

#[test]
fn a_run_with_a_keeper_leaves_nothing_on_podman() {
    let podman = Podman::start();
    let run = Run::new();
    let mut nextest = podman.with(&run.cargo(&["nextest", "run", "-E", "test(first) | test(second)"]));
    succeeded(&nextest.output().unwrap());
    let session = run.until_recorded("first").session;
    assert_eq!(run.until_recorded("second").session, session);
    podman.engine().until_gone(&session, GONE_WITHIN);
    until_no_keeper(&session);
}

/// What clients in Go and Java register: several labels, one of which says whose.
#[test]
fn what_shares_a_label_with_a_filter_of_several_stays_on_podman_and_what_has_them_all_goes() {
    let podman = Podman::start();
    let engine = podman.engine();
    let mut holder = podman.hold("several", &[]);
    let labels = |session: &str| json!({"org.testcontainers": "true", "org.testcontainers.lang": "go", SESSION: session});
    let (ended, living) = (named("ended"), named("living"));
    let (ours, theirs) =
        (Things::create(engine, &ended, &labels(&ended)), Things::create(engine, &living, &labels(&living)));
    let filter = format!(
        "label=org.testcontainers%3Dtrue&label=org.testcontainers.lang%3Dgo&label={SESSION}%3D{ended}"
    );
    assert_eq!(podman.tell(&holder.reaper, &filter), "ACK");
    holder.kill();
    let _ = holder.log.until_says(&["removed containers="]);
    theirs.are_all_there(engine);
    ours.are_gone(engine);
}

#[test]
fn an_asterisk_in_a_label_is_not_a_pattern_on_podman() {
    let podman = Podman::start();
    let engine = podman.engine();
    let mut holder = podman.hold("asterisk", &[]);
    let ours = Things::create(engine, &named("literal"), &json!({"org.example.own*": "yes"}));
    let theirs = Things::create(engine, &named("longer"), &json!({"org.example.owner": "yes"}));
    assert_eq!(podman.tell(&holder.reaper, "label=org.example.own*%3Dyes"), "ACK");
    holder.kill();
    let _ = holder.log.until_says(&["removed containers="]);
    theirs.are_all_there(engine);
    ours.are_gone(engine);
}

/// With `REAPER_KEEP` the filter that holds the connection has two labels, of which what is kept has one.
#[test]
fn what_is_kept_stays_on_podman() {
    let podman = Podman::start();
    let engine = podman.engine();
    let mut holder = podman.hold("kept", &[("REAPER_KEEP", "always")]);
    let kept = Things::create(engine, &named("kept"), &holder.labels());
    holder.kill();
    let _ = holder.log.until_says(&["removed containers="]);
    until_reaper_is_gone(engine, &holder.reaper);
    kept.are_all_there(engine);
}

/// By force, Podman removes the containers on an image with it.
#[test]
fn an_image_that_somebody_else_uses_stays_on_podman_with_what_uses_it() {
    let podman = Podman::start();
    let engine = podman.engine();
    let mut holder = podman.hold("images", &[("RYUK_REMOVE_RETRIES", "3")]);
    let labels = holder.labels();
    let base = world::container(engine, image(engine), &labels, None);
    let [used, idle, tagged, free] = ["used", "idle", "tagged", "free"]
        .map(|what| world::commit(engine, &base, &format!("{}-{what}", holder.session), &labels));
    let running = Foreigner::start(engine, &used, &json!({}));
    let sleeping = Foreigner::create(engine, &idle, &json!({}));
    let theirs = named("their-name");
    engine.done("POST", &format!("/images/{tagged}/tag?repo={theirs}&tag=latest"), &Value::Null);

    holder.kill();
    for id in [&used, &idle, &tagged] {
        let _ = holder.log.until_says(&["left behind", id]);
    }
    let mut left = [&used, &idle, &tagged].map(|id| format!("image {id}"));
    left.sort();
    holder.until_left(&left);
    assert_eq!(engine.inspect(&format!("/images/{free}/json")), None);
    running.is_untouched();
    // It can do what it could.
    world::start(engine, &sleeping.id);
    assert_eq!(engine.inspect(&format!("/images/{theirs}/json")).unwrap()["Id"], tagged.as_str());
}

/// Podman takes a container off a network that is removed under it, and one that does not run could not be started.
#[test]
fn a_network_that_a_foreign_container_uses_stays_on_podman_until_it_lets_go() {
    let podman = Podman::start();
    let engine = podman.engine();
    for lets_go in [false, true] {
        let retries = if lets_go { "60" } else { "3" };
        let mut holder = podman.hold(&format!("network-{lets_go}"), &[("RYUK_REMOVE_RETRIES", retries)]);
        let name = format!("{}-used", holder.session);
        world::network(engine, &name, &holder.labels());
        // One of our own is on it, too.
        let ours = world::container(engine, image(engine), &holder.labels(), Some(&name));
        world::start(engine, &ours);
        let foreigner = Foreigner::start(engine, image(engine), &json!({"NetworkMode": name}));
        let sleeping = Foreigner::create(engine, image(engine), &json!({"NetworkMode": name}));
        let id = engine.inspect(&format!("/networks/{name}")).unwrap()["Id"].as_str().unwrap().to_owned();

        holder.kill();
        if lets_go {
            let _ = holder.log.until_says(&[&id, "not removed"]);
            foreigner.is_untouched();
            drop(sleeping);
            let disconnect = json!({"Container": foreigner.id, "Force": false});
            engine.done("POST", &format!("/networks/{name}/disconnect"), &disconnect);
            holder.until_left(&[]);
            assert!(!holder.log.text().contains("left behind"), "{}", holder.log.text());
        } else {
            let _ = holder.log.until_says(&[&id, "left behind"]);
            holder.until_left(&[format!("network {name}")]);
            foreigner.is_untouched();
            world::start(engine, &sleeping.id);
        }
    }
}

/// A bind of a path that is not there makes a folder of that name, in place of a socket that comes later.
#[test]
fn a_socket_that_is_not_there_leaves_nothing_on_podmans_host() {
    let podman = Podman::start();
    let run = Run::new();
    let nowhere = podman.folder().join("nowhere/docker.sock");
    let session = named("nowhere");
    let mut attaches = podman.test(&run, "attaches", &session);
    attaches.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", &nowhere);
    let said = Process::start(&mut attaches).fail();
    assert!(!podman.folder().join("nowhere").exists(), "a folder was made for a socket; said was {said}");
    assert!(said.contains(&*nowhere.to_string_lossy()), "{said}");
    // And nothing that is in the way of the next.
    Process::start(&mut podman.test(&run, "attaches", &session)).succeed();
    podman.engine().until_gone(&session, GONE_WITHIN);
}

/// The workload handles no signal, and so a first process is not ended by any but SIGKILL.
#[test]
fn containers_that_ignore_sigterm_go_from_podman_at_the_first_asking() {
    let podman = Podman::start();
    let mut holder = podman.hold("deaf", &[]);
    create_deaf(podman.engine(), &holder.labels());
    go_at_the_first_asking(&mut holder);
}

#[test]
fn containers_that_ignore_sigterm_go_from_podman_when_a_test_reaps() {
    let podman = Podman::start();
    let reaping = Reaping::start(&podman, "reaps-deaf");
    create_deaf(podman.engine(), &of_session(&reaping.session));
    let told = Instant::now();
    reaping.reap();
    println!("{DEAF} containers that ignore SIGTERM, reaped by the test: {:?}", told.elapsed());
    let left = podman.engine().resources(&reaping.session);
    assert_eq!(left, [format!("container {}", reaping.reaper)]);
}

/// Podman 5 takes ten seconds for one of these, and answers when it has done it: here three, of which the reaper waits
/// for one.
#[test]
fn what_podman_is_slow_to_remove_counts_although_the_answer_comes_too_late() {
    let podman = Podman::start_with_slow_removals(3);
    let mut holder = podman.hold("slow", &[("RYUK_REQUEST_TIMEOUT", "1s")]);
    create_deaf(podman.engine(), &holder.labels());
    go_at_the_first_asking(&mut holder);
}

const DEAF: usize = 20;

fn create_deaf(engine: &Engine, labels: &Value) {
    for _ in 0..DEAF {
        let id = world::container(engine, image(engine), labels, None);
        world::start(engine, &id);
        engine.done("POST", &format!("/containers/{id}/kill?signal=TERM"), &Value::Null);
        let state = &engine.inspect(&format!("/containers/{id}/json")).unwrap()["State"];
        assert_eq!(state["Running"], true, "{state}");
    }
}

#[track_caller]
fn go_at_the_first_asking(holder: &mut Holder) {
    let killed = Instant::now();
    holder.kill();
    let _ = holder.log.until_says(&["removed containers="]);
    println!("{DEAF} containers that ignore SIGTERM: {:?}", killed.elapsed());
    holder.until_left(&[]);
    let log = holder.log.text();
    assert!(log.contains(&format!("removed containers={DEAF} ")) && !log.contains("left behind"), "{log}");
}

/// What a session removes itself, while its tests go on, is what its reaper would.
#[test]
fn reap_now_leaves_on_podman_what_others_use_or_own() {
    let podman = Podman::start();
    let engine = podman.engine();
    let reaping = Reaping::start(&podman, "reaps");
    let part = |part| json!({"org.example.project": "orders", "org.example.part": part});
    let ours = Things::create(engine, &named("web"), &part("web"));
    let theirs = Things::create(engine, &named("db"), &part("db"));
    let used = Used::create(engine, &of_session(&reaping.session));

    reaping.reap();
    theirs.are_all_there(engine);
    ours.are_gone(engine);
    used.is_untouched(engine);
    let reaper = reaping.end();
    until_reaper_is_gone(engine, &reaper);
    theirs.are_all_there(engine);
    used.is_untouched(engine);
    used.can_go_on(engine);
}

/// Nor does the next session's sweep, nor that session's reaper, which is told what the sweep has found.
#[test]
fn a_sweep_leaves_on_podman_what_others_use_or_own() {
    let podman = Podman::start();
    let engine = podman.engine();
    let alive = mark_of_this();
    let gone = format!("{}.1@{}", std::process::id(), alive.split_once('@').unwrap().1);
    let labels = |session: &str, runner: &str, process: &str| json!({SESSION: session, "test-reaper.runner": runner, "test-reaper.process": process});
    let (orphaned, living) = (named("orphaned"), named("living"));
    let orphans = Things::create(engine, &orphaned, &labels(&orphaned, &gone, &gone));
    // The session and the process are the labels of the filter: each with one of them.
    let theirs = [
        Things::create(engine, &named("process"), &labels(&orphaned, &alive, &alive)),
        Things::create(engine, &living, &labels(&living, &alive, &gone)),
    ];
    let used = Used::create(engine, &labels(&orphaned, &gone, &gone));

    let mut holder = podman.hold("sweeps", &[("RYUK_REMOVE_RETRIES", "3")]);
    until("the orphans are gone", GONE_WITHIN, || {
        let there = orphans.there(engine);
        if there.is_empty() { Ok(()) } else { Err(format!("{there:?}; the log: {}", holder.log.text())) }
    });
    let stay = || {
        for things in &theirs {
            things.are_all_there(engine);
        }
        used.is_untouched(engine);
    };
    stay();
    holder.kill();
    holder.until_left(&[]);
    stay();
    used.can_go_on(engine);
}

/// A test that removes what its session has when it is told to, and a filter of two labels besides.
struct Reaping {
    run: Run,
    session: String,
    reaper: String,
    test: Process,
}

impl Reaping {
    fn start(podman: &Podman, name: &str) -> Self {
        let (run, session) = (Run::new(), named(name));
        let mut command = podman.with(&run.binary("reaps"));
        command.args(["--exact", "when_told", "--include-ignored"]);
        command.env("TESTCONTAINERS_SESSION_ID", &session).env("RYUK_RECONNECTION_TIMEOUT", "1s");
        command.env("RYUK_REMOVE_RETRIES", "3");
        command.env("SUITE_ALSO", "org.example.project=orders,org.example.part=web");
        let test = Process::start(&mut command);
        let reaper = run.until_recorded("when_told").reaper;
        Self { run, session, reaper, test }
    }

    #[track_caller]
    fn reap(&self) {
        std::fs::write(self.run.file("go-on"), "").unwrap();
        let _ = self.run.until_recorded("reaped");
    }

    /// Gives the reaper.
    fn end(self) -> String {
        self.test.kill();
        self.reaper
    }
}

#[track_caller]
fn until_reaper_is_gone(engine: &Engine, reaper: &str) {
    until("the reaper is gone", GONE_WITHIN, || {
        let found = engine.inspect(&format!("/containers/{reaper}/json"));
        found.map_or(Ok(()), |found| Err(found["State"].to_string()))
    });
}

/// A network and images that somebody else uses.
struct Used {
    paths: [String; 3],
    running: Foreigner,
    sleeping: Foreigner,
}

impl Used {
    fn create(engine: &Engine, labels: &Value) -> Self {
        let network = named("used");
        world::network(engine, &network, labels);
        let base = world::container(engine, image(engine), &json!({}), None);
        let [used, idle] = ["used", "idle"].map(|what| world::commit(engine, &base, &named(what), labels));
        let running = Foreigner::start(engine, &used, &json!({"NetworkMode": network}));
        let sleeping = Foreigner::create(engine, &idle, &json!({"NetworkMode": network}));
        let images = [used, idle].map(|id| format!("/images/{id}/json"));
        let [used, idle] = images;
        Self { paths: [format!("/networks/{network}"), used, idle], running, sleeping }
    }

    #[track_caller]
    fn is_untouched(&self, engine: &Engine) {
        self.running.is_untouched();
        let sleeping = engine.inspect(&format!("/containers/{}/json", self.sleeping.id));
        assert!(sleeping.is_some(), "the container that does not run was removed");
        for path in &self.paths {
            assert!(engine.inspect(path).is_some(), "{path} was removed");
        }
    }

    /// What does not run can be started.
    #[track_caller]
    fn can_go_on(&self, engine: &Engine) {
        world::start(engine, &self.sleeping.id);
    }
}
