//! Linux: `/proc`, see proc(5).

use std::{fs, io};

use super::process::{Process, nobody_has};

/// The process with this pid, none if there provably is none, or why that cannot be told. What has ended and was
/// not waited for yet is none.
pub(crate) fn look_for(id: u32) -> io::Result<Option<Process>> {
    judge(id, fs::read_to_string(format!("/proc/{id}/stat")))
}

fn judge(id: u32, stat: io::Result<String>) -> io::Result<Option<Process>> {
    match stat {
        Ok(stat) => Ok(parse(id, &stat)),
        // `/proc` can be mounted so that it does not show what other users run.
        Err(_) if nobody_has(id) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) use std::os::unix::process::parent_id;

/// The kernel can be asked at any time for the variables that a process was started with.
pub(crate) const KEEPS_VARIABLES: bool = true;

/// Variables as they were when this process was started, whatever has been set since.
pub(crate) fn variables_at_start<const N: usize>(names: [&str; N]) -> [Option<String>; N] {
    // Not to be read by a process that the kernel protects from its own user.
    let Ok(variables) = fs::read("/proc/self/environ") else {
        return names.map(|name| std::env::var(name).ok());
    };
    let mut found = [const { None }; N];
    for variable in variables.split(|byte| *byte == 0) {
        let value = |name: &str| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=");
        for (name, found) in names.iter().zip(&mut found) {
            if found.is_none() {
                *found = value(name).and_then(|value| String::from_utf8(value.to_vec()).ok());
            }
        }
    }
    found
}

/// Names the current boot, within which pids and start times mean something.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Within what a pid and a start time mean one process: the boot, and the namespace of the pids.
pub(crate) fn host() -> Option<String> {
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let namespace: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    let boot = boot();
    (!boot.is_empty()).then(|| format!("{boot}.{namespace}"))
}

/// `pid (name) state ppid …`, the start time is field 22. The name may hold spaces and parentheses.
fn parse(id: u32, stat: &str) -> Option<Process> {
    let (front, fields) = stat.rsplit_once(") ")?;
    let (_, name) = front.split_once('(')?;
    let mut fields = fields.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok();
    let started = fields.nth(17)?.to_owned();
    Some(Process { id, parent, name: name.to_owned(), started })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) S 7 42 42 0 -1 4194304 1 0 0 0 1 2 3 4 20 0 1 0 98765 1024 10";
        let process = parse(42, stat).unwrap();
        assert_eq!((process.parent, process.name.as_str()), (Some(7), "a) b (c"));
        assert_eq!(process.started, "98765");
        assert_eq!(parse(42, &stat.replace(" S ", " Z ")), None);
    }

    #[test]
    fn a_process_that_cannot_be_looked_at_has_not_ended() {
        let refused = |kind: io::ErrorKind| judge(std::process::id(), Err(kind.into()));
        assert!(refused(io::ErrorKind::NotFound).is_err());
        assert!(refused(io::ErrorKind::Other).is_err());
        assert_eq!(judge(u32::MAX - 1, Err(io::ErrorKind::NotFound.into())).unwrap(), None);
    }
}
