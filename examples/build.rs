//! Compiles the workload and packs it as an image, the way the embedded reaper is built.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "../reaper/build/image.rs"]
mod image;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=workload");
    println!("cargo::rerun-if-changed=../reaper/build");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let executable = fs::read(image::compile(Path::new("workload/main.rs"), &out.join("workload"))?)?;
    let reference = format!("reaper-workload:{}", &image::hex(&executable)[..12]);
    fs::write(out.join("image.tar"), image::pack(&executable, "workload", &reference, "6000/tcp", &[])?)?;
    println!("cargo::rustc-env=WORKLOAD={reference}");
    Ok(())
}
