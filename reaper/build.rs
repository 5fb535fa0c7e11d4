//! Compiles the server in `ryuk/` into a static executable for each architecture that engines run on, and packs each
//! as an image to embed.
//!
//! With the `rustc` at hand and nothing else, so that there is nothing to download. Where that does not
//! work out, the build goes on, and the official image is pulled at run time instead. Why is compiled in, to be said
//! then: cargo shows the warnings of path dependencies alone.
//!
//! Both architectures, since an engine may be elsewhere; compressed, since engines take that, and both are then smaller
//! than one as it is. They cost four seconds of one core each, at the same time.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use miniz_oxide::deflate::compress_to_vec_zlib;

#[path = "build/compile.rs"]
mod compile;
#[expect(dead_code, reason = "what is said is for the server and the library")]
#[path = "ryuk/connect_words.rs"]
mod connect_words;
#[expect(dead_code, reason = "what is said is for the server and the library")]
#[path = "ryuk/hello.rs"]
mod hello;
#[path = "build/image.rs"]
mod image;

/// The level of compression that takes longest.
const SMALLEST: u8 = 10;

const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// What the server is called in its image.
const PROGRAM: &str = "reaper-ryuk";

/// Ryuk never removes what has this label, and a client may rely on the image's: its container would inherit its label
/// from there.
const PROTECTED: &str = "org.testcontainers.ryuk";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=ryuk");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-env-changed=DOCS_RS");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let built_for = env::var("CARGO_CFG_TARGET_ARCH")?;
    // The first is the one that is tried without asking the engine: mostly it is on the machine that is built for.
    let mut architectures = ARCHITECTURES;
    architectures.sort_by_key(|architecture| *architecture != built_for);
    let unwanted = if env::var_os("CARGO_FEATURE_EMBEDDED").is_none() {
        Some("feature `embedded` of test-reaper is not enabled")
    } else if env::var_os("DOCS_RS").is_some() {
        Some("this was built for its documentation")
    } else {
        None
    };
    if unwanted.is_none() {
        compile::depends_on(&architectures);
    }
    let outcomes: Vec<Result<String, String>> = thread::scope(|scope| {
        let embed = |architecture| match unwanted {
            Some(reason) => Err(reason.to_owned()),
            None => embed(&out, architecture).map_err(|problem| problem.to_string()),
        };
        let threads = architectures.map(|architecture| scope.spawn(move || embed(architecture)));
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err("it panicked".to_owned()))).collect()
    });
    let (mut embedded, mut missing) = (String::new(), String::new());
    for (architecture, outcome) in architectures.iter().zip(outcomes) {
        match outcome {
            Ok(expression) => embedded += &expression,
            Err(reason) => {
                if unwanted.is_none() && *architecture == built_for {
                    println!(
                        "cargo::warning=the embedded reaper could not be built, the official image will be used: \
                         {reason}"
                    );
                }
                write!(missing, "({:?}, {reason:?}), ", image::architecture(architecture)?)?;
            }
        }
    }
    fs::write(
        out.join("embedded.rs"),
        format!(
            "pub(super) const EMBEDDED: &[Embedded] = &[{embedded}];\n\
             pub(super) const MISSING: &[(&str, &str)] = &[{missing}];\n"
        ),
    )?;
    Ok(())
}

/// The expression for an embedded image.
fn embed(out: &Path, architecture: &str) -> Result<String, Box<dyn Error>> {
    let file = out.join(format!("{PROGRAM}-{architecture}"));
    let executable = compile::compile(Path::new("ryuk/main.rs"), &file, architecture)?;
    let version = hello::VERSION.to_string();
    let path = format!("/{PROGRAM}");
    let labels =
        [(PROTECTED, "true"), (hello::LABEL, version.as_str()), (connect_words::LABEL, path.as_str())];
    // An engine that has an image of this name is not given another.
    let digest = image::hex(&[&executable[..], format!("{labels:?}").as_bytes()].concat());
    let reference = format!("{PROGRAM}:{}-{}", env::var("CARGO_PKG_VERSION")?, &digest[..12]);
    let engines = image::architecture(architecture)?;
    let archive = image::pack(&executable, PROGRAM, &reference, "8080/tcp", engines, &labels)?;
    fs::write(out.join(format!("{architecture}.tar.zlib")), compress_to_vec_zlib(&archive, SMALLEST))?;
    Ok(format!(
        "Embedded {{ reference: {reference:?}, os: \"linux\", architecture: {engines:?}, \
         archive: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{architecture}.tar.zlib\")) }}, "
    ))
}
