//! The build script that compiles and packs the embedded server, as cargo runs it: what it embeds does not hang on the
//! machine's environment, and where it embeds nothing it says why.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use reaper_tests::suite::{Run, succeeded};

/// The script of this machine's build.
struct Script {
    run: Run,
    executable: PathBuf,
    /// Where it is run.
    source: PathBuf,
}

impl Script {
    /// On the server itself.
    fn new() -> Self {
        let run = Run::new();
        let script = run.build_script("test-reaper");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("reaper");
        Self { run, executable: script, source }
    }

    /// On a server that does nothing, for this architecture alone, compiled in a moment.
    fn small() -> Self {
        let script = Self::new();
        let source = script.run.file("source");
        std::fs::create_dir_all(source.join("ryuk")).unwrap();
        std::fs::write(source.join("ryuk/main.rs"), "fn main() {}").unwrap();
        Self { source, ..script }
    }

    /// The compiler without what takes it seconds.
    fn quick(&self) -> String {
        let other = if std::env::consts::ARCH == "x86_64" { "aarch64" } else { "x86_64" };
        self.program(
            "quick",
            &format!(
                "case \"$*\" in *target-libdir*{other}*) echo /nowhere ;; *target-libdir*) exec rustc \"$@\" ;; \
                 *) exec rustc \"$@\" -C lto=off -C opt-level=0 ;; esac"
            ),
        )
    }

    /// Runs it; gives what it embeds, and what it has told cargo.
    #[track_caller]
    fn embeds(&self, name: &str, set: &[(&str, &str)]) -> (String, String) {
        let out = self.run.file(name);
        std::fs::create_dir(&out).unwrap();
        let mut command = self.run.command(self.executable.to_str().unwrap());
        let source = &self.source;
        command.current_dir(source).env("CARGO_MANIFEST_DIR", source).env("OUT_DIR", &out);
        command.env("CARGO_CFG_TARGET_ARCH", std::env::consts::ARCH).env("TARGET", target("gnu"));
        command
            .env("CARGO_PKG_VERSION", "0.0.0")
            .env("CARGO_FEATURE_EMBEDDED", "1")
            .envs(set.iter().copied());
        let told = succeeded(&command.output().unwrap());
        (std::fs::read_to_string(out.join("embedded.rs")).unwrap(), told)
    }

    /// A compiler or linker that does what this shell script says.
    fn program(&self, name: &str, script: &str) -> String {
        let path = self.run.file(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn target(libc: &str) -> String {
    format!("{}-unknown-linux-{libc}", std::env::consts::ARCH)
}

/// Cargo's variable for the linker of a target.
fn linker_of(libc: &str) -> String {
    format!("CARGO_TARGET_{}_LINKER", target(libc).replace('-', "_").to_ascii_uppercase())
}

/// With what `cargo xtask setup` installs.
#[test]
fn there_is_a_small_server_for_each_architecture_whatever_the_environment() {
    let script = Script::new();
    let (embedded, told) = script.embeds("plain", &[]);
    for architecture in ["amd64", "arm64"] {
        assert!(embedded.contains(&format!("architecture: {architecture:?}")), "{embedded}\n{told}");
    }
    let archives = ["x86_64", "aarch64"].map(|name| {
        std::fs::metadata(script.run.file("plain").join(format!("{name}.tar.zlib"))).unwrap().len()
    });
    assert!(archives.iter().all(|size| *size < 400 << 10), "{archives:?}");
    // A nightly feature for some other crate, and a linker for this machine's programs.
    let bootstrapped =
        [("RUSTC_BOOTSTRAP", "1"), ("RUSTC_LINKER", "cc"), ("CARGO_ENCODED_RUSTFLAGS", "-Copt-level=0")];
    let (again, _) = script.embeds("bootstrapped", &bootstrapped);
    assert_eq!(again, embedded);
}

#[test]
fn a_linker_that_is_configured_is_used_and_why_it_fails_is_compiled_in() {
    let script = Script::small();
    let without_libc = script.program("no-libc", "echo 'ld: cannot find -lc: no such archive' >&2; exit 1");
    let (quick, musl, gnu) = (script.quick(), linker_of("musl"), linker_of("gnu"));
    let (embedded, told) =
        script.embeds("out", &[("RUSTC", &quick), (&musl, &without_libc), (&gnu, &without_libc)]);
    let said =
        format!("linking with `{without_libc}` failed: exit status: 1: ld: cannot find -lc: no such archive");
    let reason = format!("{}: {said}; {}: {said}", target("musl"), target("gnu"));
    assert!(embedded.contains(&format!("{reason:?}")), "{embedded}");
    assert!(told.contains(&format!("official image will be used: {reason}\n")), "{told}");
    // Only where cargo's configuration is for the target that is built for.
    let (embedded, _) =
        script.embeds("again", &[("RUSTC", &quick), (&musl, &without_libc), ("RUSTC_LINKER", &without_libc)]);
    assert!(embedded.contains(&format!("{reason:?}")), "{embedded}");
}

#[test]
fn what_needs_a_loader_is_not_embedded() {
    let script = Script::small();
    let failing = script.program("failing", "exit 1");
    // As a wrapper may do that knows better.
    let dynamic = script.program(
        "dynamic",
        "for argument; do shift; case $argument in -static*|-no-pie) ;; *) set -- \"$@\" \"$argument\" ;; esac; done\n\
         exec cc \"$@\" -no-pie",
    );
    let (embedded, _) = script.embeds(
        "out",
        &[("RUSTC", &script.quick()), (&linker_of("musl"), &failing), (&linker_of("gnu"), &dynamic)],
    );
    let reason = format!("{}: what was linked is not static: it asks for a dynamic loader", target("gnu"));
    assert!(embedded.contains(&reason), "{embedded}");
}

#[test]
fn without_a_standard_library_the_way_to_it_is_said() {
    let script = Script::small();
    // A toolchain as rustup installs it, with nothing for other targets.
    let rustc = script.program(
        "rustc",
        "case \"$*\" in *target-libdir*) echo /nowhere ;; *) echo 'error: not asked for' >&2; exit 1 ;; esac",
    );
    let (embedded, _) = script.embeds("bare", &[("RUSTC", &rustc)]);
    let reason = ["musl", "gnu"].map(|libc| {
        let target = target(libc);
        format!("{target}: its standard library is not installed (`rustup target add {target}` does that)")
    });
    assert!(embedded.contains(&reason.join("; ")), "{embedded}");
}
