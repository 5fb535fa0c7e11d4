//! A reaper that ends as soon as it is started: what it said, and what leads out.

use super::image::Image;
use super::patience::essence;
use crate::error::Error;

const SOCKET: &str =
    "say where the engine's own host has its socket with TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE";
const FORBIDDEN: &str =
    "let a container use the engine's socket, with TESTCONTAINERS_RYUK_CONTAINER_PRIVILEGED=true";
const ANOTHER_MACHINE: &str = "the image is for another kind of machine than the engine's: choose another with \
                               TESTCONTAINERS_RYUK_CONTAINER_IMAGE, or unset that";
const IMAGE: &str = "choose another image with TESTCONTAINERS_RYUK_CONTAINER_IMAGE, or unset that";

/// Last lines, for people.
const LINES: usize = 5;

/// The reapers of this attempt that have ended, as far as they matter: the last one.
#[derive(Debug, Default)]
pub(super) struct Endings {
    last: Option<Vec<String>>,
}

impl Endings {
    /// Takes one more in; gives the error if it is no accident. One that somebody kills has said nothing of why, and no
    /// second one says the same.
    pub(super) fn stay(&mut self, image: &Image, said: &[String]) -> Option<Error> {
        let log = said[said.len().saturating_sub(LINES)..].to_vec();
        let before = self.last.replace(log.clone());
        let text = log.join("\n").to_ascii_lowercase();
        let again = before.is_some_and(|before| essence(&before.join("\n")) == essence(&log.join("\n")));
        let never = text.contains("exec format error");
        (never || again).then(|| Error::Ended {
            image: image.reference().to_owned(),
            reason: image.reason().map(str::to_owned),
            log,
            advice: advice(&text).to_owned(),
        })
    }

    /// The last words of the one that ended last.
    pub(super) fn last_words(&self) -> &[String] {
        self.last.as_deref().unwrap_or_default()
    }
}

fn advice(text: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match () {
        () if has(&["exec format error"]) => ANOTHER_MACHINE,
        () if has(&["docker.sock", "docker daemon", "engine"]) && has(&["permission denied"]) => FORBIDDEN,
        () if has(&["docker.sock", "docker daemon", "engine"]) => SOCKET,
        () => IMAGE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stay(endings: &mut Endings, said: &[&str]) -> Option<Error> {
        let image = Image::Official { reference: "an/image:1".into(), reason: "there is no linker".into() };
        endings.stay(&image, &said.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    /// As official Ryuk 0.14 ends.
    #[test]
    fn the_second_that_says_the_same_is_no_accident() {
        let says = |at: &str| {
            format!("{at} panic: ping: Cannot connect to the Docker daemon at unix:///var/run/docker.sock")
        };
        let mut endings = Endings::default();
        assert!(stay(&mut endings, &[&says("10:00:01")]).is_none());
        let report = stay(&mut endings, &[&says("10:00:02")]).unwrap().report();
        assert!(report.contains("reaper says: 10:00:02 panic: ping") && report.contains(SOCKET), "{report}");
        assert!(report.contains("the embedded reaper is not used since there is no linker"), "{report}");
    }

    #[test]
    fn what_runs_nowhere_here_needs_no_second_time() {
        let mut endings = Endings::default();
        let report = stay(&mut endings, &["exec /bin/ryuk: exec format error"]).unwrap().report();
        assert!(report.contains("another kind of machine"), "{report}");
    }

    #[test]
    fn two_that_say_different_things_are_an_accident() {
        let mut endings = Endings::default();
        assert!(stay(&mut endings, &["started"]).is_none());
        assert!(stay(&mut endings, &["started", "signal received"]).is_none());
    }
}
