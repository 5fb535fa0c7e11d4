//! From an executable to an image archive, for build scripts.
//!
//! A tar writer is all it takes. `docker build` would need an engine at build time, and a base image from somewhere.

use std::error::Error;

use hmac_sha256::Hash;

/// An architecture of the compiler's in an engine's words.
pub(crate) fn architecture(compilers: &str) -> Result<&'static str, Box<dyn Error>> {
    match compilers {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => Err(format!("no engine is known for {other}").into()),
    }
}

/// An archive as `docker save` writes it: one layer with one file. Containers made of it inherit the labels.
pub(crate) fn pack(
    executable: &[u8],
    name: &str,
    reference: &str,
    port: &str,
    architecture: &str,
    labels: &[(&str, &str)],
) -> Result<Vec<u8>, Box<dyn Error>> {
    let layer = archive(&[(name, 0o755, executable)])?;
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("\"{key}\":\"{value}\"")).collect();
    // A history of as many entries as there are layers: without it Podman 4.3 cannot commit a container of an image that was
    // itself committed from one of this.
    let config = format!(
        "{{\"architecture\":\"{architecture}\",\"os\":\"linux\",\"created\":\"1970-01-01T00:00:00Z\",\
         \"config\":{{\"Entrypoint\":[\"/{name}\"],\"ExposedPorts\":{{\"{port}\":{{}}}},\"Labels\":{{{}}}}},\
         \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"sha256:{}\"]}},\
         \"history\":[{{\"created\":\"1970-01-01T00:00:00Z\"}}]}}",
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
    Hash::hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
