//! From a Rust source without dependencies to an image archive, for build scripts.
//!
//! The `rustc` at hand and a tar writer are all it takes. `docker build` would need an engine at build
//! time, and a base image from somewhere.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// The target's architecture in an engine's words.
pub(crate) fn architecture() -> Result<&'static str, Box<dyn Error>> {
    match env::var("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => Err(format!("no engine is known for {other}").into()),
    }
}

/// Compiles one source tree into one static executable for Linux; gives the executable's path back.
pub(crate) fn compile(source: &Path, executable: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    let mut problems = String::new();
    // musl links statically on its own; glibc where its static archive is installed.
    for target in [format!("{architecture}-unknown-linux-musl"), format!("{architecture}-unknown-linux-gnu")]
    {
        let output = Command::new(&rustc)
            .args(["--crate-name", "embedded", "--edition", "2024", "--target", &target])
            .args(["-C", "opt-level=z", "-C", "lto=fat", "-C", "codegen-units=1", "-C", "panic=abort"])
            .args([
                "-C",
                "strip=symbols",
                "-C",
                "target-feature=+crt-static",
                "-C",
                "relocation-model=static",
            ])
            // The same bytes from whichever folder, so that one version is loaded once per engine.
            .arg(format!("--remap-path-prefix={}=source", env::var("CARGO_MANIFEST_DIR")?))
            .args(["--cap-lints", "allow"])
            .arg(source)
            .arg("-o")
            .arg(executable)
            .output()?;
        if output.status.success() {
            return Ok(executable.to_owned());
        }
        let message = String::from_utf8_lossy(&output.stderr);
        let first = message.lines().find(|line| line.starts_with("error")).unwrap_or("rustc failed");
        write!(problems, "{target}: {first}; ")?;
    }
    Err(problems.trim_end_matches("; ").into())
}

/// An archive as `docker save` writes it: one layer with one file. Containers made of it inherit the labels.
pub(crate) fn pack(
    executable: &[u8],
    name: &str,
    reference: &str,
    port: &str,
    labels: &[(&str, &str)],
) -> Result<Vec<u8>, Box<dyn Error>> {
    let architecture = architecture()?;
    let layer = archive(&[(name, 0o755, executable)])?;
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("\"{key}\":\"{value}\"")).collect();
    let config = format!(
        "{{\"architecture\":\"{architecture}\",\"os\":\"linux\",\"created\":\"1970-01-01T00:00:00Z\",\
         \"config\":{{\"Entrypoint\":[\"/{name}\"],\"ExposedPorts\":{{\"{port}\":{{}}}},\"Labels\":{{{}}}}},\
         \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"sha256:{}\"]}}}}",
        labels.join(","),
        hex(&layer)
    );
    let config_name = format!("{}.json", hex(config.as_bytes()));
    let manifest = format!(
        "[{{\"Config\":\"{config_name}\",\"RepoTags\":[\"{reference}\"],\"Layers\":[\"layer.tar\"]}}]"
    );
    archive(&[
        (&config_name, 0o644, config.as_bytes()),
        ("layer.tar", 0o644, &layer),
        ("manifest.json", 0o644, manifest.as_bytes()),
    ])
}

fn archive(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        // No time and no owner: the archive depends on its content alone.
        header.set_mtime(0);
        archive.append_data(&mut header, name, *content)?;
    }
    Ok(archive.into_inner()?)
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
