//! A socket of the engine's interface, for who knows nothing of sessions.
//!
//! It lies in this user's own folder among the temporary files, which nobody else may enter. Not in the session's folder below
//! that: a socket's path may have a hundred bytes, of which a session's id takes 64. One that a killed process has left is
//! removed by whoever opens the next, once nobody listens at it.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream as Probe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use super::creation::Labels;
use super::pass::{Engine, pass};
use crate::engine::Endpoint;
use crate::platform;
use crate::session::folder;

/// What a socket's path may have, with the byte that ends it, on the platform that allows least.
const PATH_AT_MOST: usize = 104;

/// When there is no descriptor for another connection, for one that is there to end.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// Serves the engine's interface until it is dropped.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Socket {
    /// Opens one in front of an engine, with these labels for what is made.
    pub(super) fn open(engine: &Endpoint, labels: Labels) -> io::Result<Self> {
        let folder = folder::folder()?;
        sweep(&folder);
        let path = folder.join(format!("{}.sock", &platform::random()[..8]));
        if path.as_os_str().len() >= PATH_AT_MOST {
            let problem = format!(
                "the path {} is too long for a socket, which may have {PATH_AT_MOST} bytes; name a shorter folder for temporary \
                 files with TMPDIR",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // It has its name once somebody listens, or the next process would take it for a killed one's.
        let unnamed = path.with_extension("new");
        let listener = {
            let _entered = runtime.enter();
            UnixListener::bind(&unnamed)?
        };
        fs::rename(&unnamed, &path)?;
        let engine = Arc::new(Engine { place: engine.place.clone(), labels });
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(&listener, &engine) => {}
                    _ = stopped => {}
                }
            });
            // What is under way ends here; a copy that waits for an engine must not hold up the end.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("reaper-adoption".into()).spawn(serve)?;
        Ok(Self { path, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Where it is gone already, there is nothing left to do.
        let _ = fs::remove_file(&self.path);
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: &UnixListener, engine: &Arc<Engine>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, Arc::clone(engine)))),
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn serve(stream: UnixStream, engine: Arc<Engine>) {
    let peer = stream.peer_cred().ok().and_then(|peer| peer.pid()).and_then(|pid| u32::try_from(pid).ok());
    let service = service_fn(move |request| {
        let engine = Arc::clone(&engine);
        async move { Ok::<_, std::convert::Infallible>(pass(engine, peer, request).await) }
    });
    let mut server = http1::Builder::new();
    let connection = server.preserve_header_case(true).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.with_upgrades().await {
        tracing::debug!(%error, "a client's connection broke off");
    }
}

/// Removes the sockets at which nobody listens any more.
fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let sockets =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "sock"));
    for socket in sockets {
        if Probe::connect(&socket).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            // Another may be at it, too.
            let _ = fs::remove_file(socket);
        }
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
