//! For testcontainers of the current release: images with the session's labels, and images that a session shares.
//!
//! Labels alone need none of this: any release takes `with_labels(reaper.labels())`. A container of testcontainers is
//! removed when it is dropped, so the one that is shared never is: it is forgotten once it is ready, and belongs to the
//! session then. Rejected: its `ReuseDirective`, by which every process asks the engine for a container of just these
//! labels, and makes one where there is none: one label is the process's own, and without it processes that ask at once
//! would still make one each, or meet a name that is taken. Who asks for both is told of `start_shared`.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::sync::Arc;

use hmac_sha256::Hash;
use serde_json::{Value, json};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerRequest, Image, ImageExt as _, ReuseDirective};

use super::client::{check, check_blocking};
use super::container::{SharedContainer, look_at, share};
use crate::engine::{wait, work};
use crate::error::{Error, Result};
use crate::guard::Reaper;
use crate::session::is_ours;

/// What this crate adds to the images of testcontainers, and to requests for them.
///
/// ```no_run
/// use reaper::testcontainers::WithReaper as _;
/// use reaper::{Reaper, with_reaper};
/// use testcontainers::{GenericImage, runners::AsyncRunner as _};
///
/// #[with_reaper]
/// async fn orders_are_cached(reaper: Reaper) -> Result<(), Box<dyn std::error::Error>> {
///     // One for this test, as ever:
///     let own = GenericImage::new("redis", "7").with_reaper(&reaper).start().await?;
///     // One for the whole run:
///     let shared = GenericImage::new("redis", "7").start_shared(&reaper, "redis").await?;
///     let address = shared.address(6379)?;
///     Ok(())
/// }
/// # fn main() {}
/// ```
pub trait WithReaper<I: Image>: Sized {
    /// The same with the labels of the session, for the sync runner and the async one.
    ///
    /// # Panics
    ///
    /// Where the request is to be reused (`with_reuse`): testcontainers looks for a container of the same labels, and one
    /// of a session's is different in each process, so each would make its own. [`WithReaper::start_shared`] is what all
    /// processes of a session share. (Asked for after this call, `with_reuse` is not seen.)
    ///
    /// Where testcontainers would create on another engine than the reaper's ([`Error::OtherEngine`]): what it created there
    /// would stay. That is asked where they may differ, as where a context of the docker command chose the engine.
    #[track_caller]
    fn with_reaper(self, reaper: &Reaper) -> ContainerRequest<I>;

    /// Starts a container that the whole session shares, unless it has one of this key already.
    ///
    /// As [`Reaper::shared`]: the first who asks starts it and waits as testcontainers does, all others get it. It is
    /// looked at on each attach and started again where it does not run any more. It stays until the session ends,
    /// whatever becomes of the process that started it; but for testcontainers' feature `watchdog`, which removes it when
    /// that process is told to end by a signal.
    ///
    /// Under one key there is one image with its settings; what testcontainers keeps to itself, ulimits and the like, is
    /// not compared. It needs no runtime. A network that it names should be one of [`Reaper::network`], and its name, if
    /// it is given one, is free only while no container of that name is left, not even one that has ended.
    ///
    /// # Errors
    ///
    /// [`Error::OtherEngine`] where testcontainers has another; [`Error::Engine`] with what it said; [`Error::SharedSpec`] with what two callers do not agree upon; and
    /// as for [`Reaper::shared`].
    fn start_shared(
        self,
        reaper: &Reaper,
        key: &str,
    ) -> impl Future<Output = Result<SharedContainer>> + Send + 'static
    where
        I: 'static;

    /// The same as [`WithReaper::start_shared`] for a caller who can wait.
    ///
    /// # Errors
    ///
    /// As for [`WithReaper::start_shared`].
    fn start_shared_blocking(self, reaper: &Reaper, key: &str) -> Result<SharedContainer>
    where
        I: 'static,
    {
        wait(self.start_shared(reaper, key))
    }
}

impl<T: Into<ContainerRequest<I>>, I: Image> WithReaper<I> for T {
    #[track_caller]
    fn with_reaper(self, reaper: &Reaper) -> ContainerRequest<I> {
        let request = self.into();
        if let Some(problem) = asks_for_reuse(&request) {
            panic!("{problem}");
        }
        if let Err(error) = check_blocking(reaper) {
            panic!("{}", error.report());
        }
        request.with_labels(reaper.labels())
    }

    fn start_shared(
        self,
        reaper: &Reaper,
        key: &str,
    ) -> impl Future<Output = Result<SharedContainer>> + Send + 'static
    where
        I: 'static,
    {
        let request = self.into();
        let problem = asks_for_reuse(&request);
        let start =
            start_shared(request.with_labels(reaper.session_labels()), reaper.for_session(), key.to_owned());
        let key = key.to_owned();
        async move {
            match problem {
                None => start.await,
                Some(problem) => Err(Error::Engine {
                    operation: format!("start the shared container {key:?}"),
                    source: Arc::new(io::Error::other(problem)),
                }),
            }
        }
    }
}

/// What is wrong with a request that testcontainers would reuse by its labels.
fn asks_for_reuse<I: Image>(request: &ContainerRequest<I>) -> Option<String> {
    let reuse = request.reuse();
    (reuse != ReuseDirective::Never).then(|| {
        format!(
            "`with_reuse` ({reuse}) finds a container by its labels, of which a session's are different in each process, \
             so each would make one: leave it out, and start what the session's processes share with \
             `image.start_shared(&reaper, \"name\")`"
        )
    })
}

async fn start_shared<I: Image + 'static>(
    request: ContainerRequest<I>,
    reaper: Reaper,
    key: String,
) -> Result<SharedContainer> {
    let spec = canonical(&request);
    let start = || {
        let (reaper, key) = (reaper.clone(), key.clone());
        work(async move || start(request, &reaper, &key).await)
    };
    share(&reaper, &key, spec, start).await
}

async fn start<I: Image>(
    request: ContainerRequest<I>,
    reaper: &Reaper,
    key: &str,
) -> Result<SharedContainer> {
    let failed = |error: Arc<dyn StdError + Send + Sync>| Error::Engine {
        operation: format!("start the shared container {key:?}"),
        source: error,
    };
    check(reaper).await?;
    let container = request.start().await.map_err(|error| failed(Arc::new(error)))?;
    let engine = reaper.engine()?;
    let Some(found) = look_at(&engine, container.id()).await? else {
        let problem = format!("it is ready and then does not run on {}, the reaper's engine", engine.place);
        return Err(failed(Arc::new(io::Error::other(problem))));
    };
    // Dropped it would be removed. It is the session's now.
    std::mem::forget(container);
    Ok(found)
}

/// What two callers have to agree upon.
fn canonical<I: Image>(request: &ContainerRequest<I>) -> Value {
    let environment: BTreeMap<_, _> = request.env_vars().collect();
    let hosts: BTreeMap<_, _> = request.hosts().map(|(name, host)| (name, host.to_string())).collect();
    let labels: BTreeMap<_, _> = request.labels().iter().filter(|(key, _)| !is_ours(key)).collect();
    let ports = request.ports().into_iter().flatten();
    let ports: Vec<_> = ports.map(|port| format!("{}:{}", port.host_port(), port.container_port())).collect();
    // Of files the whole content is part of it.
    let files: Vec<_> = request.copy_to_sources().map(|file| digest(&format!("{file:?}"))).collect();
    json!({
        "image": request.descriptor(),
        "platform": request.platform(),
        "container name": request.container_name(),
        "entrypoint": request.entrypoint(),
        "cmd": request.cmd().collect::<Vec<_>>(),
        "environment": environment,
        "labels": labels,
        "network": request.network(),
        "hostname": request.hostname(),
        "hosts": hosts,
        "exposed ports": request.expose_ports().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "published ports": ports,
        "mounts": request.mounts().map(|mount| format!("{mount:?}")).collect::<Vec<_>>(),
        "files": files,
        "privileged": request.privileged(),
        "capabilities": [request.cap_add(), request.cap_drop()],
        "security options": request.security_opts(),
        "read-only": request.readonly_rootfs(),
        "namespaces": [request.cgroupns_mode().map(|mode| format!("{mode:?}")), request.userns_mode().map(str::to_owned)],
        "shared memory": request.shm_size(),
        "working directory": request.working_dir(),
        "user": request.user(),
        "open stdin": request.open_stdin(),
        "health check": request.health_check().map(|check| format!("{check:?}")),
        "ready conditions": request.ready_conditions().iter().map(|wait| format!("{wait:?}")).collect::<Vec<_>>(),
        "modified host configuration": request.host_config_modifier().is_some(),
    })
}

fn digest(text: &str) -> String {
    Hash::hash(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use testcontainers::GenericImage;
    use testcontainers::core::IntoContainerPort as _;

    use super::*;
    use crate::session::PROCESS;

    fn redis() -> GenericImage {
        GenericImage::new("redis", "7").with_exposed_port(6379.tcp())
    }

    #[test]
    fn callers_have_to_agree_upon_the_image_and_its_settings_and_not_upon_our_labels() {
        let plain = canonical(&redis().into());
        // Of each process another.
        assert_eq!(plain, canonical(&redis().with_label(PROCESS, "1.2@here")));
        assert_ne!(plain, canonical(&redis().with_label("own", "x")));
        assert_ne!(plain, canonical(&redis().with_tag("8")));
        assert_ne!(plain, canonical(&redis().with_env_var("A", "1")));
        let file = |content: &str| redis().with_copy_to("/redis.conf", content.as_bytes().to_vec());
        assert_eq!(canonical(&file("a")), canonical(&file("a")));
        assert_ne!(canonical(&file("a")), canonical(&file("b")));
    }
}
