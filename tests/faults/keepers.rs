//! What the keeper changes, and what holds where there is none: without one, or once it was killed, a session lasts as long
//! as the reaper usually waits for another client.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reaper_tests::engine::Engine;
use reaper_tests::log::Log;
use reaper_tests::process::{Process, Runner, parent, with_parent};
use reaper_tests::scene::{Scene, WITHIN};
use reaper_tests::suite::{Record, keepers, signal, until_no_keeper};
use reaper_tests::{engine, until, until_later};

/// More than the reaper waits when the run is over, and less than it waits otherwise.
const GAP: Duration = Duration::from_secs(4);

/// Looks at a session in a gap between its tests, in which nothing may happen to it.
#[track_caller]
fn lasts(test: &Record) {
    // The gap is what is tested, and a gap is time.
    until_later(GAP);
    let resources = engine::resources(&test.session);
    assert!(resources.contains(&format!("container {}", test.container)), "{resources:?}");
}

/// What the shell's last command has written to standard error.
fn errors(scene: &Scene) -> String {
    std::fs::read_to_string(scene.run.file("errors")).unwrap_or_default()
}

/// Runs this line, in which `$test` is the suite's binary, under a runner with these variables: a test that creates
/// everything. The runner goes on.
fn run(scene: &Scene, variables: &[(&str, &str)], line: &str) -> (Runner, Record) {
    let mut runner = Runner::start(&scene.run, variables);
    let binary = scene.run.binary("attribute");
    let errors = scene.run.file("errors");
    runner.run(&format!("test='{}'", binary.get_program().to_string_lossy()));
    runner.run(&format!("{line} --exact first </dev/null 2>'{}'", errors.display()));
    let test = scene.run.until_recorded("first");
    until("the test is over", WITHIN, || {
        if Path::new(&format!("/proc/{}", test.pid)).exists() { Err(test.pid.clone()) } else { Ok(()) }
    });
    (runner, test)
}

/// No keeper is there, which is said once with the reason, and the session lasts all the same.
#[track_caller]
fn lasts_without_a_keeper(
    scene: Scene,
    variables: &[(&str, &str)],
    line: &str,
    why: &[&str],
    look: impl FnOnce(),
) {
    let (runner, test) = run(&scene, variables, line);
    look();
    lasts(&test);
    assert_eq!(keepers(&test.session), Vec::<String>::new());
    let errors = errors(&scene);
    let said: Vec<_> =
        errors.lines().filter(|line| line.starts_with("warning: no process keeps session")).collect();
    let [said] = said.as_slice() else { panic!("{errors}") };
    let end = "removed where none of them runs for 10s (RYUK_RECONNECTION_TIMEOUT)";
    for part in [&[test.session.as_str(), end], why].concat() {
        assert!(said.contains(part), "{part}: {said}");
    }
    runner.end();
    scene.end();
}

#[test]
fn a_session_whose_keeper_has_nowhere_to_put_its_lock_lasts_as_long_as_usual() {
    let scene = Scene::new("no-temporary-folder");
    let nowhere = scene.run.file("nowhere").display().to_string();
    lasts_without_a_keeper(scene, &[("TMPDIR", &nowhere)], "\"$test\"", &[&nowhere, "No such file"], || {});
}

/// What runs is the loader, so that running it again would not be the test.
#[test]
fn a_session_of_a_program_that_was_started_through_a_loader_lasts_as_long_as_usual() {
    let scene = Scene::new("loader");
    let binary = scene.run.binary("attribute");
    let libraries = Command::new("ldd").arg(binary.get_program()).output().expect("ldd");
    let libraries = String::from_utf8(libraries.stdout).expect("paths");
    let loader = libraries.split_whitespace().find(|word| word.starts_with('/') && word.contains("/ld-"));
    let line = format!("'{}' \"$test\"", loader.expect("a loader"));
    let test = Path::new(binary.get_program()).file_name().expect("a file").to_string_lossy();
    lasts_without_a_keeper(scene, &[], &line, &["the process runs /", "this code is in", &test], || {});
}

/// The program is another's, and to run it again would run its `main`.
#[test]
fn a_program_that_has_loaded_a_library_with_a_guard_is_not_run_twice() {
    let scene = Scene::new("loaded");
    let host = scene.run.binary("host");
    let host = Path::new(host.get_program());
    let library = host.with_file_name("libloaded.so");
    let mains = scene.run.file("mains");
    let line = format!("'{}' '{}'", host.display(), library.display());
    let why = ["the process runs /", "this code is in", "libloaded"];
    let variables = [("SUITE_MAINS", mains.to_str().expect("a path"))];
    lasts_without_a_keeper(scene, &variables, &line, &why, || {
        let ran = std::fs::read_to_string(&mains).unwrap();
        assert_eq!(ran.lines().count(), 1, "{ran}");
    });
}

/// As when somebody builds while the tests run; a program that never had a name is run in the same way.
#[test]
fn a_program_whose_file_is_gone_leaves_a_keeper() {
    let scene = Scene::new("rebuilt");
    let copy = scene.run.file("copy");
    let line = format!("cp \"$test\" '{0}'; exec 9<'{0}'; rm '{0}'; /proc/self/fd/9", copy.display());
    let (runner, test) = run(&scene, &[], &line);
    lasts(&test);
    assert_eq!(keepers(&test.session).len(), 1, "{}", errors(&scene));
    runner.end();
    scene.end();
}

#[test]
fn a_keeper_that_works_in_another_folder_removes_its_lock_all_the_same() {
    let scene = Scene::new("relative");
    let folder = scene.run.file("here");
    std::fs::create_dir(&folder).unwrap();
    let line = format!("cd '{}' && mkdir -p tmp && \"$test\"", folder.display());
    let (runner, test) = run(&scene, &[("TMPDIR", "tmp")], &line);
    let locks = || {
        let user = std::fs::read_dir(folder.join("tmp")).unwrap().flatten().map(|entry| entry.path());
        let locks: Vec<_> = user.flat_map(|user| std::fs::read_dir(user).unwrap().flatten()).collect();
        locks.into_iter().map(|lock| lock.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!((keepers(&test.session).len(), locks().len()), (1, 1), "{:?} {}", locks(), errors(&scene));
    runner.end();
    until_no_keeper(&test.session);
    assert_eq!(locks(), Vec::<String>::new());
    scene.end();
}

#[test]
fn a_keeper_that_saw_the_end_of_the_run_says_so_and_nobody_is_waited_for() {
    let scene = Scene::new("said");
    let (runner, test) = run(&scene, &[], "\"$test\"");
    let log = Log::follow(&Engine::system(), &test.reaper);
    lasts(&test);
    assert!(!log.text().contains("the run is over"), "{}", log.text());
    runner.end();
    let _ = log.until_says(&["the run is over, wait=1000 ms"]);
    scene.end();
}

/// It has not said that the run is over, and it is not.
#[test]
fn a_session_whose_keeper_was_killed_lasts_as_long_as_usual() {
    let scene = Scene::new("killed-keeper");
    let (runner, test) = run(&scene, &[], "\"$test\"");
    let log = Log::follow(&Engine::system(), &test.reaper);
    let keeper = keepers(&test.session).pop().expect("a keeper");
    signal("KILL", &keeper);
    until_no_keeper(&test.session);
    lasts(&test);
    assert!(!log.text().contains("the run is over"), "{}", log.text());
    runner.end();
    scene.end();
}

/// A test that waits until all its children have ended does not wait for the keeper.
#[test]
fn a_keeper_is_not_a_child_of_the_test_that_left_it() {
    let scene = Scene::new("nobodys-child");
    let mut runner = Runner::start(&scene.run, &[]);
    runner.test(&scene.run, "holds", "& wait");
    let test = scene.run.until_recorded("holds");
    let keeper = keepers(&test.session).pop().expect("a keeper");
    assert_ne!(parent(&keeper), Some(test.pid.clone()));
    assert_eq!(with_parent(&test.pid), Vec::<String>::new());
    signal("KILL", &test.pid);
    runner.end();
    scene.end();
}

/// What a test gives to those it starts does not make keepers of them.
#[test]
fn a_task_without_the_arguments_of_a_keeper_is_nobodys() {
    let scene = Scene::new("inherited");
    let (runner, test) = run(&scene, &[], "\"$test\"");
    let keeper = keepers(&test.session).pop().expect("a keeper");
    let task = std::fs::read(format!("/proc/{keeper}/environ")).unwrap();
    let task =
        task.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(b"REAPER_KEEPER_TASK="));
    let task = String::from_utf8(task.expect("its task").to_vec()).unwrap();
    let heir = Process::start(scene.test("attaches").env("REAPER_KEEPER_TASK", task));
    let heir_id = heir.id().to_string();
    heir.succeed();
    assert!(scene.run.records().iter().any(|record| record.pid == heir_id && record.test == "attaches"));
    assert_eq!(keepers(&test.session), [keeper]);
    runner.end();
    scene.end();
}
