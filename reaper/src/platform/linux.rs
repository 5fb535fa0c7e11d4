//! Linux: `/proc`, see proc(5).

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::process::{Process, nobody_has};

/// The process with this pid, none if there provably is none, or why that cannot be told. What has ended and was
/// not waited for yet is none.
pub(crate) fn look_for(id: u32) -> io::Result<Option<Process>> {
    let stat = if shows_own_namespace() {
        fs::read_to_string(format!("/proc/{id}/stat"))
    } else {
        Err(io::Error::other("/proc shows another pid namespace"))
    };
    judge(id, stat)
}

/// Whether a pid means in `/proc` what it means to this process: `/proc` may be another namespace's, where a pid is
/// somebody else's, or may not be mounted at all.
fn shows_own_namespace() -> bool {
    fs::read_link("/proc/self").is_ok_and(|own| own == Path::new(&std::process::id().to_string()))
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
    match fs::read("/proc/self/environ") {
        Ok(variables) => find(&variables, names),
        Err(_) => names.map(|name| std::env::var(name).ok()),
    }
}

/// A variable that another process was started with; an error where that is not to be seen: of another user's
/// process, or where `/proc` is not ours.
pub(crate) fn variable_at_start_of(id: u32, name: &str) -> io::Result<Option<String>> {
    if !shows_own_namespace() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let [value] = find(&fs::read(format!("/proc/{id}/environ"))?, [name]);
    Ok(value)
}

fn find<const N: usize>(variables: &[u8], names: [&str; N]) -> [Option<String>; N] {
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

/// The arguments of this process, which the standard library does not know before `main` everywhere.
pub(crate) fn arguments() -> Vec<OsString> {
    let line = fs::read("/proc/self/cmdline").unwrap_or_default();
    let arguments = line.strip_suffix(b"\0").unwrap_or(&line).split(|byte| *byte == 0);
    arguments.map(|argument| OsString::from_vec(argument.to_vec())).collect()
}

/// What to execute to run the code at this address once more, also where the program's file was replaced or never had a
/// name; why not, where the code is not the program's own: another program, a loader or one that has loaded a library,
/// would run its own `main` instead.
pub(crate) fn program_with(address: usize) -> io::Result<PathBuf> {
    let program = fs::read_link("/proc/self/exe")?;
    let maps = fs::read("/proc/self/maps")?;
    let file = maps.split(|byte| *byte == b'\n').find_map(|line| mapped(line, address)).unwrap_or_default();
    if file == program.as_os_str().as_bytes() {
        return Ok("/proc/self/exe".into());
    }
    let file = String::from_utf8_lossy(file);
    Err(io::Error::other(format!("the process runs {}, and this code is in {file}", program.display())))
}

/// The file of a line of `/proc/self/maps`, if its range has this address: `from-to rights offset device inode  file`.
fn mapped(line: &[u8], address: usize) -> Option<&[u8]> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let (from, to) = std::str::from_utf8(fields.next()?).ok()?.split_once('-')?;
    let bound = |text| usize::from_str_radix(text, 16).ok();
    (bound(from)?..bound(to)?)
        .contains(&address)
        .then(|| fields.nth(4).unwrap_or_default().trim_ascii_start())
}

/// Names the current boot, within which pids and start times mean something.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Within what a pid and a start time mean one process: the boot, and the namespace of the pids.
pub(crate) fn host() -> Option<String> {
    if !shows_own_namespace() {
        return None;
    }
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
    fn the_file_of_an_address_is_the_one_that_is_mapped_there() {
        let line = b"1000-2000 r-xp 00000000 08:01 77                     /a folder/test (deleted)";
        assert_eq!(mapped(line, 0x1000), Some(&b"/a folder/test (deleted)"[..]));
        assert_eq!(mapped(line, 0x1fff), Some(&b"/a folder/test (deleted)"[..]));
        assert_eq!((mapped(line, 0xfff), mapped(line, 0x2000)), (None, None));
        assert_eq!(mapped(b"1000-2000 rw-p 00000000 00:00 0 ", 0x1000), Some(&b""[..]));
        assert_eq!(mapped(b"", 0), None);
    }

    #[test]
    fn a_program_is_run_again_for_its_own_code_alone() {
        let ours = a_program_is_run_again_for_its_own_code_alone as fn() as usize;
        assert_eq!(program_with(ours).unwrap(), Path::new("/proc/self/exe"));
        // The C library's.
        let text = program_with(libc_function()).unwrap_err().to_string();
        assert!(text.contains("this code is in ") && text.contains("libc"), "{text}");
    }

    /// An address in the file of the C library.
    fn libc_function() -> usize {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|line| line.contains("libc")).expect("the tests link it");
        usize::from_str_radix(line.split_once('-').unwrap().0, 16).unwrap()
    }

    #[test]
    fn a_process_that_cannot_be_looked_at_has_not_ended() {
        let refused = |kind: io::ErrorKind| judge(std::process::id(), Err(kind.into()));
        assert!(refused(io::ErrorKind::NotFound).is_err());
        assert!(refused(io::ErrorKind::Other).is_err());
        assert_eq!(judge(u32::MAX - 1, Err(io::ErrorKind::NotFound.into())).unwrap(), None);
    }
}
