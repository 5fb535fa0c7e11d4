//! Targets of rustc's that these commands take besides the machine's own.

use std::fs::File;
use std::path::Path;
use std::process::Command;

/// Those of the embedded server: with musl, of both architectures that engines run on. Without them the server is linked
/// with glibc's static archive where that is there, is twice the size, and is for this machine's architecture alone.
pub(crate) const SERVER: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// Those on which nothing is run here, and for which the library is compiled all the same.
pub(crate) const FOREIGN: [&str; 2] = ["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];

/// Installs those that are missing, where rustup is there to do it.
pub(crate) fn install(targets: &[&'static str], root: &Path) -> Result<(), String> {
    if missing(targets).is_empty() {
        return Ok(());
    }
    // rustup does not mind another one that does the same at once.
    let _turn = turn(&root.join("target"))
        .map_err(|error| format!("failed to wait for another command's rustup: {error}"))?;
    // By now the other one may have added them.
    let missing = missing(targets);
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if Command::new("rustup").arg("--version").output().is_err() {
        println!("==> {names} is missing, and so is rustup, which would add it");
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

/// Waits for those before; it ends when this is dropped. What is built may be elsewhere, so the folder need not be there.
fn turn(folder: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let turn = File::create(folder.join("rustup.lock"))?;
    turn.lock()?;
    Ok(turn)
}

/// Fails with what is missing of them, and with what takes them.
pub(crate) fn require(targets: &[&'static str], what: &str) -> Result<(), String> {
    let missing = missing(targets).join(" ");
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("{what}, and {missing} is missing; install it with --setup or `rustup target add {missing}`"))
}

fn missing(targets: &[&'static str]) -> Vec<&'static str> {
    targets.iter().copied().filter(|target| !is_installed(target)).collect()
}

fn is_installed(target: &str) -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let folder = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    folder.is_ok_and(|folder| !folder.is_empty() && std::path::Path::new(&folder).exists())
}
