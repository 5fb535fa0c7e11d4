//! What attaching to a session's reaper asks of the engine: counted by a proxy in between.

use std::process::Command;
use std::time::Duration;

use reaper_tests::proxy::{Decision, Proxy};
use reaper_tests::suite::{Run, text};
use reaper_tests::{engine, until};

#[test]
fn an_attach_is_one_look_at_the_engine_and_one_filter() {
    let run = Run::new();
    let proxy = Proxy::new(|_| Decision::Pass);
    let session = format!("attach-{}", std::process::id());
    let attach = || {
        let mut command = run.binary("attribute");
        command.args(["--exact", "attaches", "--include-ignored"]);
        command.env("TESTCONTAINERS_SESSION_ID", &session);
        command
    };
    let attached = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    };
    attached(&mut attach());
    let container = run.records()[0].reaper.clone();
    let registered = |expected: usize| {
        // What a container writes reaches its log a moment later.
        until("the reaper's log has the filter", Duration::from_secs(30), || {
            let log = engine::log(&container);
            let count = log.matches("registered").count();
            if count == expected { Ok(()) } else { Err(log) }
        });
    };
    registered(1);

    attached(proxy.serve(&mut attach()));
    assert_eq!(run.records()[1].reaper, container);
    let requests: Vec<_> = proxy.seen().into_iter().map(|request| request.line).collect();
    assert_eq!(requests, [format!("GET /containers/reaper_{session}/json HTTP/1.1")]);
    registered(2);
    engine::until_gone(&session, Duration::from_secs(60));
}
