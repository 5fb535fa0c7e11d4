//! An engine that gives the answers it was told, one for each connection, over a socket.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use crate::engine::place::Place;

/// What becomes of asking where these are the answers, each a status and a body; and what was asked, as far as it was read.
pub(crate) async fn scripted<T>(
    answers: &[(&str, &str)],
    ask: impl AsyncFnOnce(Place) -> T,
) -> (T, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut requests = Vec::new();
    let engine = async {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = ask(Place::Socket(socket)) => outcome,
        () = engine => unreachable!("it never returns"),
    };
    (outcome, requests)
}
