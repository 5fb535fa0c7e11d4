//! The targets of the embedded server: those with musl, of both architectures that engines run on. Without them the
//! server is linked with glibc's static archive where that is there, is twice the size, and is for this machine's
//! architecture alone.

use std::process::Command;

const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// Installs what is missing, where rustup is there to do it: every command does without.
pub(crate) fn install() -> Result<(), String> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if Command::new("rustup").arg("--version").output().is_err() {
        println!(
            "==> {names} is missing, and so is rustup: the embedded server is linked with what is there"
        );
        return Ok(());
    }
    println!("==> {names} is missing: rustup adds it");
    let status = Command::new("rustup").args(["target", "add"]).args(missing).status();
    if status.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(format!("`rustup target add {names}` did not succeed, see above"))
    }
}

/// For the tests that look at what is embedded.
pub(crate) fn require() -> Result<(), String> {
    let missing = missing().join(" ");
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "some tests look at the embedded servers of both architectures, and {missing} is missing; install it with \
         --setup or `rustup target add {missing}`"
    ))
}

fn missing() -> Vec<&'static str> {
    TARGETS.into_iter().filter(|target| !is_installed(target)).collect()
}

fn is_installed(target: &str) -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let folder = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    folder.is_ok_and(|folder| !folder.is_empty() && std::path::Path::new(&folder).exists())
}
