//! Compiles the workload and packs it as an image, the way the embedded reaper is built.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "../reaper/build/compile.rs"]
mod compile;
#[path = "../reaper/build/image.rs"]
mod image;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=workload");
    println!("cargo::rerun-if-changed=../reaper/build");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    compile::depends_on(&[&architecture]);
    let executable = compile::compile(Path::new("workload/main.rs"), &out.join("workload"), &architecture)?;
    let reference = format!("reaper-workload:{}", &image::hex(&executable)[..12]);
    let engines = image::architecture(&architecture)?;
    let archive = image::pack(&executable, "workload", &reference, "6000/tcp", engines, &[])?;
    fs::write(out.join("image.tar"), archive)?;
    println!("cargo::rustc-env=WORKLOAD={reference}");
    Ok(())
}
