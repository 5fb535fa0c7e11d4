//! A container's log while it is written, since a reaper's is removed together with the reaper.
//!
//! Asking for the log again and again was rejected: the last lines are the ones that matter, and they are
//! written just before the container is gone.

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::engine::Engine;
use crate::until;

/// Longer than any reaper's patience with the engine.
const LOGGED_WITHIN: Duration = Duration::from_secs(90);

/// What a container has written, from its start on. A clone reads the same.
#[derive(Clone)]
pub struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
    loses_its_end: bool,
}

impl Log {
    /// Follows a container's log to its end.
    ///
    /// # Panics
    ///
    /// When the engine does not answer.
    #[must_use]
    pub fn follow(engine: &Engine, container: &str) -> Self {
        let path = format!("/containers/{container}/logs?follow=1&stdout=1&stderr=1");
        let mut stream =
            engine.ask(&path).and_then(|answer| answer.stream(true)).expect("the log can be had");
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut chunk) {
                written.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..count]);
            }
        });
        Self { bytes, loses_its_end: engine.is_podman() }
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The line that says what is left behind, and why. Podman may lose the last lines of a container that goes, so there it is
    /// what was said whenever the removal was refused.
    ///
    /// # Panics
    ///
    /// When it does not come.
    #[track_caller]
    #[must_use]
    pub fn until_left_behind(&self, thing: &str) -> String {
        self.until_says(&[if self.loses_its_end { "not removed" } else { "left behind" }, thing])
    }

    /// The line that says how much was removed of containers, networks, volumes and images. Podman may lose it, so there as many
    /// lines as that, one for each, are enough.
    ///
    /// # Panics
    ///
    /// When it does not come.
    #[track_caller]
    pub fn until_removed(&self, counts: [usize; 4]) {
        let [containers, networks, volumes, images] = counts;
        let sum =
            format!("removed containers={containers} networks={networks} volumes={volumes} images={images}");
        until(&format!("{sum:?} in the log"), LOGGED_WITHIN, || {
            let text = self.text();
            let removed = |kind: &str| {
                text.lines()
                    .filter(|line| line.contains(&format!(" {kind}=")) && line.ends_with(" removed"))
                    .count()
            };
            let each = || ["container", "network", "volume", "image"].map(removed) == counts;
            if text.contains(&sum) || (self.loses_its_end && each()) { Ok(()) } else { Err(text) }
        });
    }

    /// The first line with all of these in it, once it is there.
    ///
    /// # Panics
    ///
    /// When it does not come.
    #[track_caller]
    #[must_use]
    pub fn until_says(&self, parts: &[&str]) -> String {
        until(&format!("{parts:?} in the log"), LOGGED_WITHIN, || {
            let text = self.text();
            let found = text.lines().find(|line| parts.iter().all(|part| line.contains(part)));
            found.map(str::to_owned).ok_or(text)
        })
    }
}

/// The lines in the engine's answer: each piece has eight bytes with stream and length before it.
pub(crate) fn text(mut answer: &[u8]) -> String {
    let mut text = Vec::new();
    while let Some((frame, after)) = answer.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]) as usize;
        let (piece, next) = after.split_at(length.min(after.len()));
        text.extend_from_slice(piece);
        answer = next;
    }
    String::from_utf8_lossy(&text).into_owned()
}
