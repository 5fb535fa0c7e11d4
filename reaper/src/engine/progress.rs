//! What an engine tells while it loads or pulls an image: one JSON value after another, among which an error may be,
//! long after the status has said that all is well.

use std::io;

use serde::Deserialize;
use tokio::io::AsyncRead;

use super::answer::Incoming;
use super::verdict::invalid;

/// One of the values.
#[derive(Debug, Deserialize)]
pub(super) struct Step {
    /// The layer.
    pub(super) id: Option<String>,
    pub(super) status: Option<String>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    detail: Option<Detail>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    message: Option<String>,
}

impl Step {
    fn failure(&self) -> Option<&str> {
        self.detail.as_ref().and_then(|detail| detail.message.as_deref()).or(self.error.as_deref())
    }
}

/// Reads to the end, or to the first error.
pub(super) async fn follow<R: AsyncRead + Unpin>(
    mut answer: Incoming<R>,
    mut each: impl FnMut(&Step),
) -> io::Result<()> {
    // Values are told apart by where they end: not every engine puts each on a line of its own.
    let mut text = Vec::new();
    while let Some(piece) = answer.piece().await? {
        text.extend_from_slice(&piece);
        let mut steps = serde_json::Deserializer::from_slice(&text).into_iter::<Step>();
        for step in steps.by_ref() {
            match step {
                Ok(step) => match step.failure() {
                    Some(problem) => return Err(io::Error::other(problem.to_owned())),
                    None => each(&step),
                },
                // The rest of it is on its way.
                Err(error) if error.is_eof() => break,
                Err(error) => return Err(invalid(format!("the engine's answer has no use: {error}"))),
            }
        }
        let read = steps.byte_offset();
        text.drain(..read);
    }
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the engine's answer broke off"))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\n\r\n";

    async fn followed(body: &str) -> (Vec<String>, Result<(), String>) {
        let answer = format!("{HEAD}{body}");
        let mut all = Vec::new();
        // Wherever it is torn on its way.
        for cut in HEAD.len()..=answer.len() {
            let (first, second) = answer.as_bytes().split_at(cut);
            let mut seen = Vec::new();
            let answer = Incoming::read(first.chain(second)).await.unwrap();
            let outcome = follow(answer, |step| seen.extend(step.status.clone())).await;
            all.push((seen, outcome.map_err(|error| error.to_string())));
        }
        all.dedup();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[tokio::test]
    async fn a_pull_ends_with_its_last_value_or_its_first_error() {
        let (begins, goes_on) =
            ("{\"status\":\"Pulling\",\"id\":\"1\"}", "{\"status\":\"Waiting\",\"x\":[1]}");
        let both = Vec::from(["Pulling", "Waiting"].map(str::to_owned));
        for body in [format!("{begins}\r\n{goes_on}\r\n"), format!("{begins}{goes_on}")] {
            assert_eq!(followed(&body).await, (both.clone(), Ok(())));
        }
        for error in [
            "{\"errorDetail\":{\"message\":\"no space\"},\"error\":\"no space\"}",
            "{\"errorDetail\":{\"code\":1},\"error\":\"no space\"}",
            "{\"error\":\"no space\"}",
        ] {
            let body = format!("{begins}\n{error}\n{goes_on}\n");
            assert_eq!(followed(&body).await, (vec!["Pulling".to_owned()], Err("no space".to_owned())));
        }
        assert_eq!(followed("").await, (vec![], Ok(())));
    }

    #[tokio::test]
    async fn a_pull_that_breaks_off_or_is_no_pull_has_failed() {
        for (body, problem) in
            [("{\"status\":\"Pul", "broke off"), ("<html>", "has no use"), ("7", "has no use")]
        {
            let (seen, outcome) = followed(body).await;
            assert!(
                seen.is_empty() && outcome.as_ref().is_err_and(|said| said.contains(problem)),
                "{outcome:?}"
            );
        }
    }
}
