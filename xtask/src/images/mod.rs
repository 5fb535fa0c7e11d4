//! The services that the examples start, brought to the engine: pulled where that is possible, and otherwise
//! built from Debian's packages, once per recipe.
//!
//! Either way they are found under `reaper-examples/<name>`; and where nothing can be pulled, under the public names, for
//! projects whose tests ask for these. Committing a container that prepared itself was
//! preferred to preparing the files here: that would have to be root, and to bring its own libraries along.

mod debian;
mod service;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use reaper_tests_engine::{Body, Client, encoded};
use serde_json::{Value, json};

use crate::progress::{done, progress};
use service::{SERVICES, Service};

/// The label under which an image of ours says which recipe it was made by.
const RECIPE: &str = "reaper-examples.recipe";

/// Has every image on the engine; says where it came from, its size and how long it took.
pub(crate) fn run(install: bool) -> Result<(), String> {
    let cache = cache()?;
    // Two checkouts may ask at once, and the engine would be left with an image that nobody uses.
    let lock = File::create(cache.join("lock")).and_then(|lock| lock.lock().map(|()| lock));
    let _held = lock.map_err(|error| format!("failed to lock {}: {error}", cache.display()))?;
    for service in &SERVICES {
        let began = Instant::now();
        let origin = provide(service, &cache, install);
        done();
        let origin = origin?;
        answer_to_public_names(service)?;
        let size = inspect(service)?["Size"].as_f64().unwrap_or_default() / 1e6;
        let took = began.elapsed().as_secs_f64();
        println!("{:<26} {size:>6.1} MB  {took:>5.1} s  {origin}", service.tag());
    }
    Ok(())
}

/// Where the image came from.
fn provide(service: &Service, cache: &Path, install: bool) -> Result<String, String> {
    if inspect(service).is_ok_and(|image| is_current(service, &image)) {
        return Ok("was there".into());
    }
    let replaced = inspect(service).ok().and_then(|image| image["Id"].as_str().map(str::to_owned));
    let cached = cache.join(format!("{}-{}.tar", service.name, service.recipe()));
    let origin = if cached.exists() {
        progress(&format!("{}: loading from {}", service.name, cached.display()));
        load(&cached)?;
        format!("loaded from {}", cached.display())
    } else {
        match pull(service) {
            Ok(()) => format!("pulled {}", service.public),
            Err(reason) => {
                build(service, cache, &cached, install)
                    .map_err(|problem| no_way(service, &reason, &problem))?;
                format!("built from Debian's packages, since {} cannot be pulled", service.public)
            }
        }
    };
    if let Some(id) = replaced {
        answer_to_public_names(service)?;
        // Refused while a container uses it, and then it is not ours to remove.
        let _ = Client::system().request("DELETE", &format!("/images/{id}"), Body::Nothing);
    }
    Ok(origin)
}

/// Where nothing can be pulled, tests that name a public image find ours. One that somebody has brought stays what it
/// is, and where images can be pulled ours has no such name: it is of another release.
fn answer_to_public_names(service: &Service) -> Result<(), String> {
    let ours = inspect(service)?;
    if ours["Config"]["Labels"][RECIPE].is_null() {
        return Ok(());
    }
    for &name in service.answers_to {
        let found = Client::system().inspect(&format!("/images/{name}/json"));
        if found
            .as_ref()
            .is_ok_and(|found| found["Config"]["Labels"][RECIPE].is_null() || found["Id"] == ours["Id"])
        {
            continue;
        }
        let (repository, tag) = name.split_once(':').unwrap_or((name, "latest"));
        let path = format!("/images/{}/tag?repo={repository}&tag={tag}", encoded(&service.tag()));
        Client::system().request("POST", &path, Body::Nothing)?;
    }
    Ok(())
}

fn pull(service: &Service) -> Result<(), String> {
    let (name, version) = service.public.split_once(':').unwrap_or((service.public, "latest"));
    progress(&format!("{}: pulling {}", service.name, service.public));
    let path =
        format!("/images/create?fromImage={}&tag={version}", encoded(&format!("docker.io/library/{name}")));
    Client::system().follow(&path, Body::Nothing, |line| {
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        progress(&format!("{}: {} {} {}", service.name, text("id"), text("status"), text("progress")));
    })?;
    let path = format!("/images/{}/tag?repo={}&tag=latest", service.public, encoded(&service.tag()));
    Client::system().request("POST", &path, Body::Nothing).map(drop)
}

fn build(service: &Service, cache: &Path, cached: &Path, install: bool) -> Result<(), String> {
    if !debian::is_here() {
        return Err("this is no Debian or Ubuntu, there is no apt".into());
    }
    let folder = cache.join(format!("build-{}", service.name));
    let cleared = if folder.exists() { fs::remove_dir_all(&folder) } else { Ok(()) };
    cleared.map_err(|error| format!("failed to clear {}: {error}", folder.display()))?;
    let archive = debian::archive(service, &folder, install)?;
    progress(&format!("{}: bringing it to the engine", service.name));
    import(service, &archive)?;
    progress(&format!("{}: keeping it for the next engine", service.name));
    keep(service, cached)?;
    fs::remove_dir_all(&folder).map_err(|error| format!("failed to clear {}: {error}", folder.display()))
}

/// Makes an image of an archive of files, and has it prepare itself.
fn import(service: &Service, archive: &Path) -> Result<(), String> {
    let label = format!("LABEL {RECIPE}={}", service.recipe());
    let configuration = service.configuration.iter().copied().chain([label.as_str()]);
    let changes = |lines: &mut dyn Iterator<Item = &str>| -> String {
        lines.map(|line| format!("&changes={}", encoded(line))).collect()
    };
    let whole = changes(&mut configuration.clone());
    let name = format!("repo={}&tag=latest", encoded(&service.tag()));
    if service.prepare.is_empty() {
        return Client::system()
            .follow(&format!("/images/create?fromSrc=-&{name}{whole}"), Body::File(archive), |_| {})
            .map(drop);
    }
    // What is done to a folder that is a volume is no part of the container.
    let without_volumes = changes(&mut configuration.filter(|line| !line.starts_with("VOLUME")));
    let imported = Client::system().follow(
        &format!("/images/create?fromSrc=-{without_volumes}"),
        Body::File(archive),
        |_| {},
    )?;
    let image = imported["status"].as_str().ok_or("the engine gives the new image no name")?;
    progress(&format!("{}: preparing", service.name));
    let id = prepared(service, image)?;
    let committed =
        Client::system().request("POST", &format!("/commit?container={id}&{name}{whole}"), Body::Nothing);
    let removed = remove_container(&id);
    committed.and(removed).map(drop)
}

/// A container of the image in which the service's command has run.
fn prepared(service: &Service, image: &str) -> Result<String, String> {
    let name = format!("reaper-examples-{}", service.name);
    // Left by a call that was killed.
    let _ = remove_container(&name);
    let body = json!({ "Image": image, "Entrypoint": service.prepare, "Cmd": [] });
    let created =
        Client::system().request("POST", &format!("/containers/create?name={name}"), Body::Json(&body))?;
    let id = created["Id"].as_str().ok_or("the engine gives the new container no id")?.to_owned();
    Client::system().request("POST", &format!("/containers/{id}/start"), Body::Nothing)?;
    let ended = Client::system().request("POST", &format!("/containers/{id}/wait"), Body::Nothing)?;
    if ended["StatusCode"] == 0 {
        return Ok(id);
    }
    Err(format!("{:?} ended with {}: see `docker logs {name}`", service.prepare, ended["StatusCode"]))
}

fn remove_container(id: &str) -> Result<Value, String> {
    Client::system().request("DELETE", &format!("/containers/{id}?force=1&v=1"), Body::Nothing)
}

/// Saves the image, under another name first, so that one that is cut short is never taken for whole, and
/// lets go of those of older recipes.
fn keep(service: &Service, cached: &Path) -> Result<(), String> {
    let part = cached.with_extension("part");
    let start = format!("{}-", service.name);
    for file in cached.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten() {
        if file.file_name().to_string_lossy().starts_with(&start) {
            fs::remove_file(file.path()).map_err(|error| format!("failed to remove {file:?}: {error}"))?;
        }
    }
    Client::system().download(&format!("/images/{}/get", encoded(&service.tag())), &part)?;
    fs::rename(&part, cached).map_err(|error| format!("failed to keep {}: {error}", cached.display()))
}

/// All of them in one archive, with all their names, for an engine that is on no network.
pub(crate) fn save(archive: &Path) -> Result<(), String> {
    let mut names = Vec::new();
    for service in &SERVICES {
        let tags = inspect(service)?["RepoTags"].clone();
        names.extend(tags.as_array().into_iter().flatten().filter_map(Value::as_str).map(encoded));
    }
    Client::system().download(&format!("/images/get?names={}", names.join("&names=")), archive).map(drop)
}

fn load(archive: &Path) -> Result<(), String> {
    Client::system().follow("/images/load?quiet=1", Body::File(archive), |_| {}).map(drop)
}

fn inspect(service: &Service) -> Result<Value, String> {
    Client::system().inspect(&format!("/images/{}/json", service.tag()))
}

/// Made by this recipe; or by none, since then it was pulled, or somebody has chosen it.
fn is_current(service: &Service, image: &Value) -> bool {
    let recipe = &image["Config"]["Labels"][RECIPE];
    recipe.is_null() || *recipe == service.recipe()
}

fn no_way(service: &Service, reason: &str, problem: &str) -> String {
    format!(
        "there is no image for {name}:\n  \
         {public} cannot be pulled: {reason}\n  \
         it cannot be built from Debian's packages: {problem}\n\
         give the engine access to a registry, or run this on Debian or Ubuntu, or bring an image by other means \
         and name it: docker tag <image> {tag}",
        name = service.name,
        public = service.public,
        tag = service.tag(),
    )
}

/// The user's folder for what can be made again.
fn cache() -> Result<PathBuf, String> {
    let given = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::home_dir().map(|home| home.join(".cache"));
    let folder = given.or_else(home).ok_or("there is neither HOME nor XDG_CACHE_HOME to keep images in")?;
    let folder = folder.join("reaper-examples");
    fs::create_dir_all(&folder).map_err(|error| format!("failed to make {}: {error}", folder.display()))?;
    fs::canonicalize(&folder).map_err(|error| format!("failed to find {}: {error}", folder.display()))
}
