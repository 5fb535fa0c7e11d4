//! Projects as their users have them, before and after they adopt the library: what they start, and what is left of it,
//! however a run ends. `cargo xtask bench --adoption` makes a table of it.

use std::io::Write as _;

use reaper_tests::adoption::{self, End, Form, Seen};

/// Of a form other than shared: a container for each test, at least.
const TESTS: usize = 6;

#[track_caller]
fn leaves_nothing(package: &'static str, form: Form, end: End) {
    let seen = adoption::run(package, form, end);
    let started = seen.containers;
    tell(package, form, end, &seen);
    assert_eq!(seen.left, [""; 0]);
    if form == Form::Shared {
        assert_eq!(started, 1, "{}", seen.said);
    } else {
        assert!(started >= TESTS, "{started} containers: {}", seen.said);
    }
}

/// That the others are tests at all. In a static, containers stay even when all is well.
#[track_caller]
fn leaves_containers(package: &'static str, end: End) {
    let seen = adoption::run(package, Form::Unchanged, end);
    adoption::remove(&seen.left);
    tell(package, Form::Unchanged, end, &seen);
    let is_left_to_drop = end == End::Green && package != "adopted-static";
    assert_eq!(seen.containers_left() == 0, is_left_to_drop, "{seen:#?}");
}

/// A line for whoever makes a table of all.
fn tell(package: &str, form: Form, end: End, seen: &Seen) {
    let (started, left, took) = (seen.containers, seen.containers_left(), seen.took.as_secs_f64());
    let line = format!("{package}\t{form:?}\t{end:?}\t{started}\t{took:.1}\t{left}\n");
    print!("{line}");
    if let Some(path) = std::env::var_os("ADOPTION_TABLE") {
        let mut table = std::fs::File::options().append(true).create(true).open(path).unwrap();
        table.write_all(line.as_bytes()).unwrap();
    }
}

/// A test for each end of a form.
macro_rules! ends {
    ($module:ident, $judge:ident($package:literal $(, $form:expr)?) $(, $ignored:meta)?) => {
        mod $module {
            #[allow(unused_imports, reason = "one of the judges needs no form")]
            use crate::adoption::{End, Form, $judge};

            #[test]
            $(#[$ignored])?
            fn green() {
                $judge($package, $($form,)? End::Green);
            }

            #[test]
            $(#[$ignored])?
            fn kill_9_of_the_tests() {
                $judge($package, $($form,)? End::TestsKilled);
            }

            #[test]
            $(#[$ignored])?
            fn kill_9_of_everything() {
                $judge($package, $($form,)? End::AllKilled);
            }

            #[test]
            $(#[$ignored])?
            fn ctrl_c() {
                $judge($package, $($form,)? End::Interrupted);
            }

            #[test]
            $(#[$ignored])?
            fn timeout_of_nextest() {
                $judge($package, $($form,)? End::TimedOut);
            }
        }
    };
}

macro_rules! project {
    ($name:ident, $package:literal $(, $ignored:meta)?) => {
        mod $name {
            ends!(wrapped, leaves_nothing($package, Form::Wrapped) $(, $ignored)?);
            ends!(one_line, leaves_nothing($package, Form::OneLine), ignore = "run by `cargo xtask projects`");
            ends!(shared, leaves_nothing($package, Form::Shared), ignore = "run by `cargo xtask projects`");
            ends!(unchanged, leaves_containers($package), ignore = "run by `cargo xtask bench --adoption`");

            #[test]
            $(#[$ignored])?
            fn unchanged_it_leaves_containers() {
                super::leaves_containers($package, super::End::AllKilled);
            }
        }
    };
}

// As it was before it adopts anything, the last is run by `cargo xtask test`: all of them cost some five minutes of a core to
// build, and as much to run.
project!(helper, "adopted-helper", ignore = "run by `cargo xtask projects`");
project!(in_a_static, "adopted-static", ignore = "run by `cargo xtask projects`");
project!(library, "adopted-library", ignore = "run by `cargo xtask projects`");
project!(command, "adopted-command");

/// What the guide advises where a project has no helper.
mod recipes {
    mod below_sqlx {
        ends!(shared, leaves_nothing("adopted-sqlx", Form::Shared), ignore = "run by `cargo xtask projects`");
    }

    mod with_dockertest {
        ends!(
            wrapped,
            leaves_nothing("adopted-dockertest", Form::Wrapped),
            ignore = "run by `cargo xtask projects`"
        );
    }
}
