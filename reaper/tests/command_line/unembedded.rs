//! A program whose build had no static linker, as on a machine without glibc's static archive: what it says instead of
//! pulling another image in silence.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use reaper_tests::suite::{Run, text};
use reaper_tests::{engine, world};
use serde_json::Value;

use crate::{stderr, stdout};

/// Where nothing can be pulled from, as it is where a mirror is down.
const NO_REGISTRY: &str = "127.0.0.1:1";

/// The program, and why nothing is embedded in it.
struct Unembedded {
    run: Run,
    program: String,
    reason: String,
}

impl Unembedded {
    fn new() -> Self {
        let run = Run::unbuilt();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("");
        let target = root.join("target/unembedded");
        std::fs::create_dir_all(&target).unwrap();
        // Under a path that stays, so that a second run has nothing to build.
        let linker = target.join("linker-without-static-libc");
        script(
            &linker,
            "case \" $* \" in *' -static '*) echo '/usr/bin/ld: cannot find -lc' >&2; exit 1 ;; esac; exec cc \"$@\"",
        );
        let mut cargo = run.command("cargo");
        cargo
            .args(["build", "--locked", "--features", "cli", "--bin", "reaper", "--target-dir"])
            .arg(&target);
        cargo.arg("--manifest-path").arg(root.join("reaper/Cargo.toml")).env("CARGO_PROFILE_DEV_DEBUG", "0");
        let linker_of = |arch: &str, libc: &str| {
            format!("CARGO_TARGET_{}_UNKNOWN_LINUX_{libc}_LINKER", arch.to_ascii_uppercase())
        };
        for arch in ["x86_64", "aarch64"] {
            cargo.env(linker_of(arch, "MUSL"), &linker).env(linker_of(arch, "GNU"), &linker);
        }
        let built = cargo.output().unwrap();
        assert!(built.status.success(), "{}", text(&built));
        let program = target.join("debug/reaper").to_str().unwrap().to_owned();
        let arch = std::env::consts::ARCH;
        let failed = format!(
            "linking with `{}` failed: exit status: 1: /usr/bin/ld: cannot find -lc",
            linker.display()
        );
        let reason = format!(
            "the one of this program could not be built for linux/{}: {arch}-unknown-linux-musl: {failed}; \
             {arch}-unknown-linux-gnu: {failed}",
            if arch == "x86_64" { "amd64" } else { "arm64" }
        );
        Self { run, program, reason }
    }
}

fn script(path: &PathBuf, text: &str) {
    let text = format!("#!/bin/sh\n{text}\n");
    // Whoever builds with it meanwhile has the same.
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return;
    }
    let new = path.with_extension(std::process::id().to_string());
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[test]
#[ignore = "run by `cargo xtask projects`"]
fn why_nothing_is_embedded_is_said_where_another_image_is_pulled_and_where_that_fails() {
    let Unembedded { run, program, reason } = Unembedded::new();
    let image = format!("{NO_REGISTRY}/testcontainers/ryuk:0.14.0");
    let mut command = run.command(&program);
    command.args(["run", "--", "true"]).env("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", NO_REGISTRY);
    let output = command.output().unwrap();
    let said = stderr(&output);
    let (known, cause) = said.split_once("\n  caused by: ").unwrap_or((said.as_str(), ""));
    assert_eq!(
        known,
        format!(
            "note: pulling {image} in place of the embedded reaper, since {reason}\n\
             reaper: no session for the command, which was not started: failed to provide the reaper's image {image}\n  \
             it is needed since {reason}\n\
             bring it to the engine with `docker pull` or `docker load`, or choose another one with \
             TESTCONTAINERS_RYUK_CONTAINER_IMAGE; the credentials of `docker login` are used by `docker pull`, and not \
             read here"
        )
    );
    // The rest is the engine's.
    assert!(cause.contains("connection refused"), "{said}");
    assert_eq!(output.status.code(), Some(125), "{said}");
}

/// Here the image is on the engine, and is of something else that never answers.
#[test]
#[ignore = "run by `cargo xtask projects`"]
fn why_nothing_is_embedded_is_said_where_the_other_image_does_not_answer() {
    let Unembedded { run, program, reason } = Unembedded::new();
    let workload = world::image(&engine::Engine::system());
    let prefix = format!("reaper-tests.invalid/{}", std::process::id());
    let image = format!("{prefix}/testcontainers/ryuk");
    let tag = format!("/images/{workload}/tag?repo={image}&tag=0.14.0");
    assert_eq!(engine::request("POST", &tag, &Value::Null).0, 201);
    let mut command = run.command(&program);
    let session = format!("unanswered-{}", std::process::id());
    command.args(["run", "--session", &session, "--", "true"]);
    command.env("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", &prefix);
    let output = command.env("REAPER_ACQUIRE_TIMEOUT", "3s").output().unwrap();
    let said = stderr(&output);
    // The name alone: another test may use the image.
    assert_eq!(engine::request("DELETE", &format!("/images/{image}:0.14.0"), &Value::Null).0, 200, "{said}");
    assert_eq!(engine::inspect(&format!("/containers/reaper_{session}/json")), None);
    assert!(said.contains("no reaper of this session answered within 3s"), "{said}");
    assert!(said.contains(&format!("\n  the embedded reaper is not used since {reason}\n")), "{said}");
    assert_eq!(output.status.code(), Some(125), "{said}");
}

#[test]
#[ignore = "run by `cargo xtask projects`"]
fn the_diagnosis_says_why_nothing_is_embedded() {
    let Unembedded { run, program, reason } = Unembedded::new();
    let mut command = run.command(&program);
    let output =
        command.arg("doctor").env("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", NO_REGISTRY).output().unwrap();
    let all = stdout(&output);
    let image = format!("{NO_REGISTRY}/testcontainers/ryuk:0.14.0");
    assert!(all.contains(&format!("ok    image     {image}, since {reason}, to be pulled\n")), "{all}");
    assert!(
        all.contains(&format!("FAIL  image     failed to provide the reaper's image {image}\n")),
        "{all}"
    );
    assert!(all.contains(&format!("it is needed since {reason}\n")), "{all}");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}
