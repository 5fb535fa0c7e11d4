//! The packages as a registry would have them, and a crate outside the workspace that depends on them.
//!
//! What is packed is what strangers get: a file that `include` leaves out, or a path that leads out of the package,
//! shows only here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reaper_tests_engine::Client;
use serde_json::Value;

use crate::step::{Steps, cargo, root};

pub(crate) const PACKAGES: [&str; 2] = ["test-reaper-macros", "test-reaper"];
const SESSION: &str = "TESTCONTAINERS_SESSION_ID";
const LABEL: &str = "org.testcontainers.sessionId";
const GONE_WITHIN: Duration = Duration::from_secs(60);

pub(crate) fn run() -> Result<(), String> {
    let root = root();
    let folder = root.join("target/packages");
    let mut steps = Steps::default();
    pack(&mut steps, &root, &root.join("target"), &folder)?;
    let consumer = folder.join("packaged");
    copy(&root.join("tests/fixtures/packaged"), &consumer)?;
    let session = format!("packaged-{}", std::process::id());
    let consumer = |arguments: &[&str]| {
        let mut command = cargo(arguments);
        command.current_dir(&consumer).env("CARGO_TARGET_DIR", root.join("target")).env(SESSION, &session);
        command
    };
    steps.run(&mut consumer(&["nextest", "run"]))?;
    println!("==> one more of its tests, which kills itself");
    let killed = consumer(&["nextest", "run", "--run-ignored", "only"]).output();
    let killed = killed.map_err(|error| format!("failed to start cargo nextest: {error}"))?;
    let output = String::from_utf8_lossy(&killed.stderr).into_owned();
    if killed.status.success() || !output.contains("SIGKILL") {
        return Err(format!("the test that kills itself did not:\n{output}"));
    }
    let image = image_of_reaper(&session)?;
    if !image.starts_with("reaper-ryuk:") {
        return Err(format!("the reaper ran on {image}, and not on the image that the package embeds"));
    }
    let took = until_gone(&session)?;
    steps.report();
    println!(
        "\nthe packages build where a stranger has them; their reaper ran on {image}, and {:.1} s after the killed \
         test nothing is left",
        took.as_secs_f64()
    );
    Ok(())
}

/// Both packages, packed where things are built, and unpacked in a folder under their names without the version.
pub(crate) fn pack(steps: &mut Steps, root: &Path, built_in: &Path, folder: &Path) -> Result<(), String> {
    let failed = |what: &str, error: std::io::Error| format!("failed to {what}: {error}");
    if folder.exists() {
        for name in PACKAGES.into_iter().chain(["packaged"]) {
            let old = folder.join(name);
            if old.exists() {
                std::fs::remove_dir_all(&old)
                    .map_err(|error| failed("remove what was unpacked before", error))?;
            }
        }
    }
    std::fs::create_dir_all(folder).map_err(|error| failed("make the folder for the packages", error))?;
    // Not verified here: the consumer builds them, and runs.
    let mut arguments = vec!["package", "--no-verify", "--allow-dirty"];
    arguments.extend(PACKAGES.iter().flat_map(|name| ["-p", name]));
    steps.run(cargo(&arguments).current_dir(root).env("CARGO_TARGET_DIR", built_in))?;
    for name in PACKAGES {
        let packed = packed(built_in, name)?;
        steps.run(Command::new("tar").arg("-xzf").arg(&packed).arg("-C").arg(folder))?;
        let unpacked = folder.join(packed.file_stem().unwrap_or_default());
        for licence in ["LICENSE-MIT", "LICENSE-APACHE", "README.md"] {
            let text = std::fs::read_to_string(unpacked.join(licence)).unwrap_or_default();
            if text.trim().is_empty() {
                return Err(format!("the package {name} has no {licence}"));
            }
        }
        std::fs::rename(unpacked, folder.join(name)).map_err(|error| failed("rename a package", error))?;
    }
    Ok(())
}

/// The package's file, whatever its version: the youngest, since those of earlier versions stay there.
fn packed(built_in: &Path, name: &str) -> Result<PathBuf, String> {
    let folder = built_in.join("package");
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| format!("failed to read {}: {error}", folder.display()))?;
    let is_it = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let version = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".crate"));
        version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
    };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_it);
    let youngest = files.max_by_key(|file| file.metadata().and_then(|metadata| metadata.modified()).ok());
    youngest.ok_or_else(|| format!("{name} was not packed into {}", folder.display()))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("failed to copy {}: {error}", from.display());
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target).map_err(failed)?;
        }
    }
    Ok(())
}

/// The reaper is there for some seconds after the last test: it looks once more.
fn image_of_reaper(session: &str) -> Result<String, String> {
    let name = format!("/reaper_{session}");
    let containers = Client::system().containers(&format!("{LABEL}={session}"))?;
    let is_reaper = |container: &&Value| {
        container["Names"].as_array().is_some_and(|names| names.contains(&name.as_str().into()))
    };
    let reaper = containers.iter().find(is_reaper).ok_or("no reaper ran for the tests of the packages")?;
    Ok(reaper["Image"].as_str().unwrap_or_default().to_owned())
}

fn until_gone(session: &str) -> Result<Duration, String> {
    let began = Instant::now();
    loop {
        let left = left(session)?;
        if left.is_empty() {
            return Ok(began.elapsed());
        }
        if began.elapsed() > GONE_WITHIN {
            return Err(format!("left after {GONE_WITHIN:?}: {}", left.join(", ")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn left(session: &str) -> Result<Vec<String>, String> {
    let label = format!("{LABEL}={session}");
    let mut left = Vec::new();
    for (kind, path, name) in [("container", "/containers/json?all=1", "Id"), ("volume", "/volumes", "Name")]
    {
        let named = |found: &Value| format!("{kind} {}", found[name].as_str().unwrap_or_default());
        left.extend(Client::system().list(path, &label)?.iter().map(named));
    }
    Ok(left)
}
