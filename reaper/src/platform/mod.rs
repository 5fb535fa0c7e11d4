//! What only the operating system knows and does: which processes there are, signals, sockets. Knows nothing of the
//! library.
//!
//! One small file per platform behind one interface. Linux reads `/proc`, since a hook that runs before
//! `main` must not start a process; other Unixes ask `ps`, which needs no `unsafe` and is everywhere.
//! A crate such as `sysinfo` would read all processes to answer for three.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(all(unix, not(target_os = "linux")), path = "unix.rs")]
#[cfg_attr(not(unix), path = "other.rs")]
mod imp;

#[cfg(unix)]
mod detach;
mod exit;
mod keepalive;
mod look;
#[cfg(all(unix, feature = "cli"))]
mod open_files;
mod own_container;
mod process;
mod random;
#[cfg(all(unix, feature = "cli"))]
mod signals;

#[cfg(unix)]
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::detach::{Ending, leave_terminal};
#[cfg(unix)]
pub(crate) use self::detach::{detach, let_go_of_output, until_either_ends};
pub(crate) use self::exit::at_exit;
pub(crate) use self::imp::{KEEPS_VARIABLES, boot, host, look_for, parent_id};
#[cfg(unix)]
pub(crate) use self::imp::{arguments, program_with};
pub(crate) use self::imp::{variable_at_start_of, variables_at_start};
pub(crate) use self::keepalive::keep_alive;
pub(crate) use self::look::process;
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::open_files::raise_open_files;
pub(crate) use self::own_container::own_container;
pub(crate) use self::process::Process;
pub(crate) use self::random::random;
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::signals::Watch;
