//! What of the end-to-end and fault tests is not run on Podman, and why: the one list of it, of which `cargo xtask test
//! --engine podman` makes its filter, and which it prints.
//!
//! A test that asks its engine who it is and returns was rejected: it would be counted among those that passed.

/// The test binaries that look at an engine from outside.
pub const BINARIES: [&str; 4] = ["e2e", "faults", "command_line", "composition"];

/// Tests that are not run on Podman, for one reason.
#[derive(Debug, Clone, Copy)]
pub struct Exception {
    /// As it fits behind the test's name.
    pub reason: &'static str,
    /// Whether only a user's Podman cannot hold it, and root's can.
    pub rootless_alone: bool,
    /// Each by its binary and its name; a whole module by its path with `::` behind it.
    pub tests: &'static [(&'static str, &'static str)],
}

/// All of them.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        reason: "it starts an engine of its own, and is the same whatever the engine of the others is",
        rootless_alone: false,
        tests: &[
            ("faults", "podman::"),
            ("faults", "rootless::"),
            ("faults", "swarm::"),
            ("faults", "engines::"),
            ("faults", "vanished::"),
            ("faults", "far::"),
            ("faults", "hosts::"),
            ("faults", "ends::hardening::an_engine_that_maps_users_is_used_with_full_hardening"),
            (
                "faults",
                "ends::waits::a_filter_for_a_reaper_that_nothing_reaches_is_registered_on_another_connection",
            ),
            ("command_line", "swarm::"),
            ("command_line", "clients::docker_does_the_same_on_podman"),
        ],
    },
    Exception {
        reason: "it compiles for minutes, and what it compiles asks the engine for a reaper and nothing else",
        rootless_alone: false,
        tests: &[("e2e", "attributes::"), ("e2e", "build::")],
    },
    Exception {
        reason: "Podman says where its socket is, so one that is elsewhere is refused before a reaper could meet it",
        rootless_alone: false,
        tests: &[
            ("e2e", "refusals::a_reaper_that_cannot_reach_the_engine_guards_nothing_and_says_so"),
            ("command_line", "doctor::a_reaper_that_cannot_reach_the_engine_is_found"),
        ],
    },
    Exception {
        reason: "the socket of a Podman is its user's alone, and this test is another's",
        rootless_alone: false,
        tests: &[("e2e", "refusals::the_home_of_somebody_else_is_no_home")],
    },
    Exception {
        reason: "no process of Podman's that could be stopped serves a port of a container's",
        rootless_alone: false,
        tests: &[
            (
                "faults",
                "reaper_container::a_reaper_whose_published_port_is_not_served_any_more_is_reached_all_the_same",
            ),
            ("faults", "scopes::a_scope_whose_connection_is_lost_and_had_again_loses_nothing"),
            ("faults", "scopes::a_test_that_comes_back_too_late_is_told_that_its_things_are_gone"),
        ],
    },
    Exception {
        reason: "Podman 4.3 removes an image upon which another stands, and that stays whole",
        rootless_alone: false,
        tests: &[("faults", "foreign::images_with_dependents_are_left_and_all_others_go")],
    },
    Exception {
        reason: "with an image Podman removes by force the containers that were made of it, and these are other tests' reapers",
        rootless_alone: false,
        tests: &[("faults", "engine_answers::an_image_removed_behind_our_back_is_brought_again")],
    },
    Exception {
        reason: "Podman 4.3 says nothing to who listens for events, not even that it will, before there is one",
        rootless_alone: false,
        tests: &[("command_line", "adopt_load::many_clients_at_once_see_everything_and_lose_nothing")],
    },
    Exception {
        reason: "Podman has no BuildKit",
        rootless_alone: false,
        tests: &[("command_line", "clients::docker_builds_with_buildkit")],
    },
    Exception {
        reason: "the machine of that Podman is on no network, and who cannot ask for a name says so in other words",
        rootless_alone: false,
        tests: &[("command_line", "broken::what_is_broken_is_said_at_once_and_with_what_leads_out")],
    },
    Exception {
        reason: "a user's Podman pauses a container by cgroups of the second version alone, and machines may have the first",
        rootless_alone: true,
        tests: &[
            ("e2e", "containers::a_container_that_was_killed_stopped_or_removed_is_made_again_once"),
            ("e2e", "refusals::a_paused_reaper_is_said_to_be_paused"),
            (
                "faults",
                "reaper_container::a_reaper_that_was_paused_for_longer_than_its_timeout_has_lost_nothing",
            ),
            (
                "faults",
                "scopes::a_test_does_not_wait_for_a_reaper_that_is_paused_and_its_things_go_when_that_goes_on",
            ),
            ("faults", "ends::waits::a_filter_for_a_paused_reaper_is_refused_with_the_way_to_wake_it"),
            ("command_line", "clients::the_sdk_for_python_does_what_it_can"),
            ("command_line", "listing::a_session_that_is_held_has_its_runner_and_a_reaper"),
        ],
    },
    Exception {
        reason: "a user's Podman bounds nothing by cgroups of the first version, and the bounds are what it is about",
        rootless_alone: true,
        tests: &[("faults", "slow_clients::slow_clients_neither_keep_others_out_nor_end_the_reaper")],
    },
    Exception {
        reason: "nothing in a user's container may use the socket of another user, whatever it is given",
        rootless_alone: true,
        tests: &[
            ("faults", "ends::hardening::a_socket_that_belongs_to_a_user_costs_one_capability"),
            ("faults", "ends::hardening::processes_that_meet_a_users_socket_at_once_have_one_reaper"),
        ],
    },
    Exception {
        reason: "it looks where engines usually are, and on the machine of that Podman none is there",
        rootless_alone: true,
        tests: &[("command_line", "doctor::an_engine_without_permission_is_told_from_one_that_is_absent")],
    },
];

/// Those of root's Podman, or of a user's.
pub fn exceptions(rootless: bool) -> impl Iterator<Item = &'static Exception> {
    EXCEPTIONS.iter().filter(move |exception| rootless || !exception.rootless_alone)
}

/// What is run, in nextest's words.
#[must_use]
pub fn filter(rootless: bool) -> String {
    let run: Vec<_> = BINARIES.iter().map(|binary| format!("binary(={binary})")).collect();
    let mut terms = vec![format!("({})", run.join(" | "))];
    for (binary, name) in exceptions(rootless).flat_map(|exception| exception.tests) {
        let test = if name.ends_with("::") { format!("/^{name}/") } else { format!("={name}") };
        terms.push(format!("(binary(={binary}) & test({test}))"));
    }
    terms.join(" - ")
}

/// What is not, a line for each.
#[must_use]
pub fn left_out(rootless: bool) -> Vec<String> {
    let line =
        |(binary, name): &(&str, &str), reason| format!("not run on Podman: {binary} {name}: {reason}");
    let lines = |exception: &Exception| {
        exception.tests.iter().map(|test| line(test, exception.reason)).collect::<Vec<_>>()
    };
    exceptions(rootless).flat_map(lines).collect()
}
