//! Compiles the server in `ryuk/` into one static executable and packs it as an image to embed.
//!
//! With the `rustc` at hand and nothing else, so that there is nothing to download. Where that does not
//! work out, the build goes on with a warning, and the official image is pulled at run time instead.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

#[expect(dead_code, reason = "what is said is for the server and the library")]
#[path = "ryuk/hello.rs"]
mod hello;
#[path = "build/image.rs"]
mod image;

/// Ryuk never removes what has this label, and a client may rely on the image's: its container would inherit its label
/// from there.
const PROTECTED: &str = "org.testcontainers.ryuk";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=ryuk");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let wanted = env::var_os("CARGO_FEATURE_EMBEDDED").is_some() && env::var_os("DOCS_RS").is_none();
    let embedded = if wanted {
        embed(&out).unwrap_or_else(|problem| {
            println!("cargo::warning=the embedded reaper could not be built, the official image will be used: {problem}");
            "None".into()
        })
    } else {
        "None".into()
    };
    fs::write(
        out.join("embedded.rs"),
        format!("pub(crate) const EMBEDDED: Option<Embedded> = {embedded};\n"),
    )?;
    Ok(())
}

/// The expression for the embedded image.
fn embed(out: &Path) -> Result<String, Box<dyn Error>> {
    let executable = fs::read(image::compile(Path::new("ryuk/main.rs"), &out.join("reaper-ryuk"))?)?;
    let version = hello::VERSION.to_string();
    let labels = [(PROTECTED, "true"), (hello::LABEL, version.as_str())];
    // An engine that has an image of this name is not given another.
    let digest = image::hex(&[&executable[..], format!("{labels:?}").as_bytes()].concat());
    let reference = format!("reaper-ryuk:{}-{}", env::var("CARGO_PKG_VERSION")?, &digest[..12]);
    let architecture = image::architecture()?;
    let archive = image::pack(&executable, "reaper-ryuk", &reference, "8080/tcp", &labels)?;
    fs::write(out.join("image.tar"), archive)?;
    Ok(format!(
        "Some(Embedded {{ reference: {reference:?}, os: \"linux\", architecture: {architecture:?}, \
         archive: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/image.tar\")) }})"
    ))
}
