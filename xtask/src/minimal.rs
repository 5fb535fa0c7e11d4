//! The library with the lowest release of everything that its manifest allows: what a project has that updates rarely.
//!
//! Looked at in what is packed, without the dependencies of tests, whose lowest releases nobody meets. `cargo update` on
//! the workspace was rejected for that reason, and because it would leave another lock file behind.

use std::path::Path;

use crate::check::WITHOUT_SERVER;
use crate::package;
use crate::step::{Steps, cargo};

/// testcontainers takes one bollard, the latest, so the lowest one cannot be looked at beside it.
const LEFT_OUT: &str = "testcontainers";
/// The code still asks for its name.
const EMPTY_FEATURE: &str = "testcontainers = []";
const FEATURES: &str = "bollard,cli,rstest,ryuk-server,tls";

/// Resolves and checks, in this folder for what is built; fails with what does not build.
pub(crate) fn check(steps: &mut Steps, root: &Path, built_in: &Path) -> Result<(), String> {
    let folder = built_in.join("minimal");
    package::pack(steps, root, built_in, &folder)?;
    for name in package::PACKAGES {
        let manifest = folder.join(name).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).map_err(|error| failed(&manifest, &error))?;
        std::fs::write(&manifest, stripped(&text)).map_err(|error| failed(&manifest, &error))?;
    }
    let manifest = folder.join("Cargo.toml");
    std::fs::write(&manifest, workspace()).map_err(|error| failed(&manifest, &error))?;
    // Of an earlier time.
    let _ = std::fs::remove_file(folder.join("Cargo.lock"));
    // The resolver's option is not stable; what it finds is checked by a compiler that is.
    let mut update = cargo(&["update", "--quiet", "-Z", "direct-minimal-versions"]);
    steps.run(update.current_dir(&folder).env("RUSTC_BOOTSTRAP", "1"))?;
    let mut check = cargo(&["check", "--package", package::PACKAGES[1], "--features", FEATURES]);
    check.env(WITHOUT_SERVER.0, WITHOUT_SERVER.1);
    steps.run(check.current_dir(&folder).env("CARGO_TARGET_DIR", built_in))
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Both packages, the one with the other from beside it.
fn workspace() -> String {
    let [macros, library] = package::PACKAGES;
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"{library}\", \"{macros}\"]\n\n[patch.crates-io]\n{macros} = {{ path = \
         \"{macros}\" }}\n\n[profile.dev.package.\"*\"]\ndebug = false\n"
    )
}

/// A packed manifest, in which each dependency is a table, without the tests' and without what is left out.
fn stripped(manifest: &str) -> String {
    let (mut kept, mut is_dropped) = (String::new(), false);
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_dropped =
                line.starts_with("[dev-dependencies") || line == format!("[dependencies.{LEFT_OUT}]");
        }
        if is_dropped {
            continue;
        }
        let is_feature = line.starts_with(&format!("{LEFT_OUT} = ["));
        kept.push_str(if is_feature { EMPTY_FEATURE } else { line });
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_do_not_meet_is_dropped_and_nothing_else() {
        let manifest = "[features]\ncli = []\ntestcontainers = [\"dep:testcontainers\"]\n\n[dependencies.testcontainers]\nversion = \
                        \"1\"\n\n[dependencies.tokio]\nversion = \"1\"\n\n[dev-dependencies.tokio]\nversion = \"2\"\n\n[lints]\n";
        assert_eq!(
            stripped(manifest),
            "[features]\ncli = []\ntestcontainers = []\n\n[dependencies.tokio]\nversion = \"1\"\n\n[lints]\n"
        );
    }
}
