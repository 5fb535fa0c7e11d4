//! From a Rust source without dependencies to one static executable for Linux, for build scripts.
//!
//! With the `rustc` at hand and nothing else. The target with musl comes first wherever its standard library is
//! installed: it has all that a static executable is linked of, and the toolchain's own linker links it, so that the
//! bytes are the same on every machine, and for other architectures, too. Where it is not, glibc's static archive may
//! be. A linker that was configured is used in place of ours.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Part of rustup's toolchains; found by `rustc` itself.
const OWN_LINKER: &str = "rust-lld";

/// Compiles the source for an architecture of the compiler's into a file; gives what is in it.
pub(crate) fn compile(source: &Path, file: &Path, architecture: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut problems = Vec::new();
    for libc in ["musl", "gnu"] {
        let target = format!("{architecture}-unknown-linux-{libc}");
        if !is_installed(&target)? {
            problems.push(format!(
                "{target}: its standard library is not installed (`rustup target add {target}` does that)"
            ));
            continue;
        }
        for linker in linkers(&target) {
            match build(source, file, &target, linker.as_ref()) {
                Ok(executable) => match check(&executable, architecture) {
                    Ok(()) => return Ok(executable),
                    Err(problem) => problems.push(format!("{target}: {problem}")),
                },
                Err(problem) => problems.push(format!("{target}: {problem}")),
            }
        }
    }
    Err(problems.join("; ").into())
}

/// Where a change means that another outcome is to be had; for the script to say before it compiles.
pub(crate) fn depends_on(architectures: &[&str]) {
    for architecture in architectures {
        for libc in ["musl", "gnu"] {
            println!(
                "cargo::rerun-if-env-changed={}",
                variable(&format!("{architecture}-unknown-linux-{libc}"))
            );
        }
    }
    // rustup writes down there what is installed; one that is not there would have the script run in every build.
    let components = library_folder("").map(|folder| folder.join("../../components"));
    if let Some(components) = components.ok().filter(|components| components.exists()) {
        println!("cargo::rerun-if-changed={}", components.display());
    }
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

fn is_installed(target: &str) -> Result<bool, Box<dyn Error>> {
    let entries = fs::read_dir(library_folder(target)?);
    Ok(entries.is_ok_and(|mut entries| {
        entries
            .any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
    }))
}

/// Of a target, or of the compiler's own.
fn library_folder(target: &str) -> Result<PathBuf, Box<dyn Error>> {
    let mut asked = rustc();
    asked.args(["--print", "target-libdir"]);
    if !target.is_empty() {
        asked.args(["--target", target]);
    }
    let output = asked.output().map_err(|error| format!("rustc cannot be started: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?.trim().into())
    } else {
        Err(said(&output).into())
    }
}

/// The linkers to try, one after another; none stands for the target's default.
fn linkers(target: &str) -> Vec<Option<OsString>> {
    let is_built_for = env::var("TARGET").is_ok_and(|built| built == target);
    // Cargo says what its configuration has for the target that is built for, and of the others what is in the
    // environment.
    let configured =
        env::var_os(variable(target)).or_else(|| env::var_os("RUSTC_LINKER").filter(|_| is_built_for));
    match configured {
        Some(linker) => vec![Some(linker)],
        None if target.ends_with("musl") => vec![Some(OWN_LINKER.into()), None],
        None => vec![None],
    }
}

fn variable(target: &str) -> String {
    format!("CARGO_TARGET_{}_LINKER", target.replace('-', "_").to_ascii_uppercase())
}

fn build(
    source: &Path,
    file: &Path,
    target: &str,
    linker: Option<&OsString>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut command = rustc();
    command
        .args(["--crate-name", "embedded", "--edition", "2024", "--target", target])
        .args(["-C", "opt-level=z", "-C", "lto=fat", "-C", "codegen-units=1", "-C", "panic=abort"])
        .args(["-C", "strip=symbols", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"])
        // The same bytes from whichever folder, so that one version is loaded once per engine.
        .arg(format!("--remap-path-prefix={}=source", env::var("CARGO_MANIFEST_DIR")?))
        .args(["--cap-lints", "allow"])
        // The compiler takes itself for another with it, and orders what it writes otherwise.
        .env_remove("RUSTC_BOOTSTRAP")
        .env_remove("RUSTC_FORCE_RUSTC_VERSION")
        .arg(source)
        .arg("-o")
        .arg(file);
    if let Some(linker) = linker {
        let mut argument = OsString::from("linker=");
        argument.push(linker);
        command.arg("-C").arg(argument);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(said(&output).into());
    }
    Ok(fs::read(file)?)
}

/// The compiler's first error, and what its linker has said where it is that; else how it has ended.
fn said(output: &Output) -> String {
    let message = String::from_utf8_lossy(&output.stderr);
    let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.by_ref().find(|line| line.starts_with("error")) else {
        let last = message.lines().last().map_or_else(String::new, |last| format!(": {last}"));
        return format!("rustc ended with {}{last}", output.status);
    };
    let linkers = lines
        .filter(|line| !line.contains("arguments are omitted"))
        .map(|line| line.trim_start_matches("= note:").trim())
        .find(|line| {
            ["cannot find", "unable to find", "undefined", "No such file"]
                .iter()
                .any(|said| line.contains(said))
        });
    let first = first.trim_start_matches("error: ");
    linkers.map_or_else(|| first.to_owned(), |linkers| format!("{first}: {linkers}"))
}

/// Whether a file is an executable of this architecture that needs no other: the image has nothing else in it.
fn check(file: &[u8], architecture: &str) -> Result<(), String> {
    const INTERPRETER: u32 = 3;
    let refuse = |problem: &str| Err(format!("what was linked {problem}"));
    // 64 bits, and little-endian as both architectures are.
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return refuse("is no executable of Linux");
    }
    let number = |at: usize, length: usize| {
        let bytes = at.checked_add(length).and_then(|end| file.get(at..end))?;
        Some(bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    let machine = match architecture {
        "x86_64" => 62,
        _ => 183,
    };
    if number(18, 2) != Some(machine) {
        return refuse("is for another architecture");
    }
    let (Some(table), Some(length), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else {
        return refuse("is cut short");
    };
    for index in 0..count {
        let at = usize::try_from(table.saturating_add(index * length)).unwrap_or(usize::MAX);
        match number(at, 4) {
            Some(kind) if kind == u64::from(INTERPRETER) => {
                return refuse("is not static: it asks for a dynamic loader");
            }
            Some(_) => {}
            None => return refuse("is cut short"),
        }
    }
    Ok(())
}
