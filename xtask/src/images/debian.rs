//! From Debian's packages to a folder that holds a service and nothing else.
//!
//! apt downloads, its own tools unpack, and the packages' own loader says which libraries a program needs; no
//! step needs to be root. debootstrap was rejected: it takes a minute, and most of what it makes would have
//! to be taken away again.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::service::{GROUP, PASSWD, Service, WRITABLE};
use crate::progress::progress;

/// Whether this machine has what it takes.
pub(crate) fn is_here() -> bool {
    ["apt-get", "apt-cache", "dpkg-deb", "tar"].iter().all(|program| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// Makes the archive of an image's files. `folder` is empty, and the caller's to remove.
pub(crate) fn archive(service: &Service, folder: &Path, install: bool) -> Result<PathBuf, String> {
    let (packages, root) = (folder.join("packages"), folder.join("root"));
    let (image, archive) = (folder.join("image"), folder.join("image.tar"));
    let failed = |error: std::io::Error| format!("failed to lay out {}: {error}", service.name);
    fs::create_dir_all(&packages).map_err(failed)?;

    let mut wanted = closure(service);
    if wanted.is_err() && install {
        progress(&format!("{}: apt-get update", service.name));
        output(Command::new("apt-get").arg("update"))?;
        wanted = closure(service);
    }
    let wanted = wanted?;
    progress(&format!("{}: downloading {} packages", service.name, wanted.len()));
    let mut download = Command::new("apt-get");
    download.args(["download", "--quiet", "--option", "APT::Sandbox::User="]).args(&wanted);
    output(download.current_dir(&packages)).map_err(|error| {
        format!(
            "{error}\nthe lists may be too old: run `apt-get update`, or this command with --setup as root"
        )
    })?;
    progress(&format!("{}: unpacking", service.name));
    merged(&root).map_err(failed)?;
    for package in fs::read_dir(&packages).map_err(failed)? {
        unpack(&package.map_err(failed)?.path(), &root)?;
    }

    merged(&image).map_err(failed)?;
    take(service, &root, &image)?;
    fill(service, &image).map_err(failed)?;
    progress(&format!("{}: packing", service.name));
    let mut pack = Command::new("tar");
    pack.args(["--create", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]);
    output(pack.arg("--file").arg(&archive).arg("--directory").arg(&image).arg("."))?;
    Ok(archive)
}

/// The service's packages with all that they bring along and that it wants.
fn closure(service: &Service) -> Result<BTreeSet<String>, String> {
    let mut known = service.packages();
    let mut new = known.clone();
    while !new.is_empty() {
        let text = output(Command::new("apt-cache").arg("depends").args(&new)).map_err(|error| {
            format!("{error}\napt knows no such package: run `apt-get update`, or this command with --setup as root")
        })?;
        // `  Depends: name`, `  PreDepends: name`, and ` |Depends: name` where there is an alternative.
        let lines = text.lines().map(|line| line.trim_start_matches([' ', '|']));
        let names =
            lines.filter_map(|line| line.strip_prefix("Pre").unwrap_or(line).strip_prefix("Depends: "));
        let wanted: BTreeSet<_> = names.filter(|name| service.wants(name)).map(str::to_owned).collect();
        new = wanted.difference(&known).cloned().collect();
        known.extend(wanted);
    }
    Ok(known)
}

/// A root in which `/lib` and `/usr/lib` are the same, as in each release that is supported.
fn merged(root: &Path) -> std::io::Result<()> {
    for name in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(root.join("usr").join(name))?;
        symlink(Path::new("usr").join(name), root.join(name))?;
    }
    Ok(())
}

/// As `dpkg-deb --extract`, which would replace the links of a merged root by folders.
fn unpack(package: &Path, root: &Path) -> Result<(), String> {
    let mut reader = Command::new("dpkg-deb");
    let mut reader = reader.arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).spawn();
    let content = reader.as_mut().ok().and_then(|reader| reader.stdout.take());
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--keep-directory-symlink", "--no-same-owner", "--directory"]).arg(root);
    let unpacked = output(tar.stdin(content.map_or(Stdio::null(), Stdio::from)));
    match reader.and_then(|mut reader| reader.wait()) {
        Ok(status) if status.success() => unpacked.map(drop),
        other => Err(format!("failed to read {}: {other:?}", package.display())),
    }
}

/// Copies what the recipe names, and the libraries.
fn take(service: &Service, root: &Path, image: &Path) -> Result<(), String> {
    let mut libraries = BTreeSet::new();
    for pattern in service.programs {
        for program in matching(service, root, pattern)? {
            libraries.extend(needed(root, &program)?);
            // Without following links: a program finds its other files beside where it lies.
            let program = program.strip_prefix(root).unwrap_or(&program).to_owned();
            copy(root, &program, &image.join(&program))?;
            let name = program.file_name().unwrap_or_default();
            let link = image.join("usr/bin").join(name);
            if pattern.contains("/bin/") && !link.exists() {
                symlink(Path::new("/").join(&program), &link).map_err(|error| error.to_string())?;
            }
        }
    }
    for (from, to) in libraries {
        copy(root, from.strip_prefix(root).unwrap_or(&from), &image.join(to))?;
    }
    for pattern in service.data {
        for path in matching(service, root, pattern)? {
            let path = path.strip_prefix(root).unwrap_or(&path);
            tree(service, &root.join(path), &image.join(path)).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// What is in no package: users, folders to write to, the shell's commands, the entry.
fn fill(service: &Service, image: &Path) -> std::io::Result<()> {
    fs::create_dir_all(image.join("etc"))?;
    fs::write(image.join("etc/passwd"), PASSWD)?;
    fs::write(image.join("etc/group"), GROUP)?;
    for folder in WRITABLE {
        fs::create_dir_all(image.join(folder))?;
    }
    for folder in WRITABLE {
        fs::set_permissions(image.join(folder), fs::Permissions::from_mode(0o1777))?;
    }
    symlink("/run", image.join("var/run"))?;
    let commands = Command::new(image.join("usr/bin/busybox")).arg("--list").output()?;
    for command in String::from_utf8_lossy(&commands.stdout).lines() {
        let link = image.join("usr/bin").join(command);
        if !link.exists() && !link.is_symlink() {
            symlink("busybox", link)?;
        }
    }
    // Where the public images have it, and Dockerfiles name it.
    let entrypoint = image.join("usr/local/bin/docker-entrypoint.sh");
    fs::create_dir_all(image.join("usr/local/bin"))?;
    fs::write(&entrypoint, service.entrypoint)?;
    fs::set_permissions(&entrypoint, fs::Permissions::from_mode(0o755))
}

/// The libraries of a program, as they lie in the root, and where the image has them.
fn needed(root: &Path, program: &Path) -> Result<BTreeSet<(PathBuf, PathBuf)>, String> {
    let folder = glob(root, "usr/lib/*-linux-gnu*")?.into_iter().next().ok_or("no folder of libraries")?;
    let loader = glob(&folder, "ld-linux*")?.into_iter().next().ok_or("no loader among the libraries")?;
    let mut list = Command::new(&loader);
    list.args(["--inhibit-cache", "--library-path"]).arg(&folder).arg("--list").arg(program);
    let mut found = BTreeSet::new();
    for line in output(&mut list)?.lines() {
        let (name, place) = line.trim().split_once(" => ").unwrap_or((line.trim(), line.trim()));
        let (name, place) =
            (name.split(' ').next().unwrap_or(name), place.split(" (").next().unwrap_or(place));
        // The kernel brings the one; the other is what the loader says of a plug-in without libraries.
        if name.starts_with("linux-vdso") || line.trim() == "statically linked" {
            continue;
        }
        if name.contains("/ld-linux") {
            found.insert((loader.clone(), name.trim_start_matches('/').into()));
        } else if let Ok(inside) = Path::new(place).strip_prefix(root) {
            found.insert((place.into(), inside.into()));
        } else {
            return Err(format!("{} needs {name}, which is in none of the packages", program.display()));
        }
    }
    Ok(found)
}

/// What there is for a pattern of the recipe; something, or the recipe does not fit these packages.
fn matching(service: &Service, root: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = glob(root, pattern)?;
    found.retain(|path| !path.file_name().is_some_and(|name| service.leaves_out(&name.to_string_lossy())));
    if found.is_empty() { Err(format!("no package of {} has {pattern}", service.name)) } else { Ok(found) }
}

/// The paths that match a pattern with at most one `*` in each component.
fn glob(root: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![root.to_owned()];
    for part in pattern.split('/') {
        let mut next = Vec::new();
        for folder in found {
            match part.split_once('*') {
                None => next.extend(Some(folder.join(part)).filter(|path| path.exists())),
                Some((start, end)) => {
                    let end = end.trim_end_matches('*');
                    let entries = fs::read_dir(&folder).map_err(|error| error.to_string())?;
                    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
                    let fits = |name: &String| name.starts_with(start) && name[start.len()..].contains(end);
                    next.extend(names.filter(fits).map(|name| folder.join(name)));
                }
            }
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

/// One file with what it is linked to.
fn copy(root: &Path, from: &Path, to: &Path) -> Result<(), String> {
    let copied = fs::create_dir_all(to.parent().unwrap_or(to)).and_then(|()| fs::copy(root.join(from), to));
    copied.map(drop).map_err(|error| format!("failed to copy {}: {error}", from.display()))
}

/// A file, or a folder with all that is in it; links stay links.
fn tree(service: &Service, from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        if !service.leaves_out(&name.to_string_lossy()) {
            tree(service, &from.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("failed to start {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let name = command.get_program().display().to_string();
    Err(format!("`{name}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
