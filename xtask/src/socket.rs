//! What it costs that a command's creations are adopted: requests, streams, many clients, memory, each through the socket of
//! `reaper run --adopt` and beside it straight to the engine, in turns.
//!
//! The program is built as `cargo install` builds it.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use reaper_tests_engine::{Body, Client};
use serde_json::json;

use crate::bench::executables;
use crate::figures::{Table, median, milliseconds};
use crate::progress::{done, progress};
use crate::step::cargo;

const REQUESTS: usize = 500;
const STREAMS: usize = 5;
/// Of the image that is archive and loaded.
const IMAGE: u64 = 500 << 20;
/// Of the build's context.
const CONTEXT: u64 = 2 << 30;
const CLIENTS: usize = 256;
const REQUESTS_EACH: usize = 10;

pub(crate) fn run() -> Result<(), String> {
    println!("==> building the command line");
    let arguments = ["build", "--release", "-p", "test-reaper", "--features", "cli", "--bin", "reaper"];
    let built = executables(&mut cargo(
        &[&arguments[..], &["--message-format", "json-render-diagnostics"]].concat(),
    ))?;
    let program = built.get("reaper").ok_or("cargo has not told where the program is")?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let adopting = Adopting::begin(program)?;
    let bench = Bench {
        direct: Client::system(),
        through: adopting.client.clone(),
        folder: folder.path().to_owned(),
    };
    let mut table = Table::default();
    bench.requests(&mut table)?;
    bench.clients(&mut table)?;
    bench.streams(&mut table)?;
    bench.memory(&adopting, &mut table)?;
    done();
    adopting.end()?;
    table.finish()
}

/// `reaper run --adopt` around a command that waits.
struct Adopting {
    process: Child,
    input: Option<ChildStdin>,
    client: Client,
}

impl Adopting {
    fn begin(program: &str) -> Result<Self, String> {
        let script = "printf '%s\\n' \"$DOCKER_HOST\"; exec cat";
        let mut command = Command::new(program);
        command
            .args(["run", "--adopt", "--", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("failed to start {program}: {error}"))?;
        let input = process.stdin.take();
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            io::BufRead::read_line(&mut io::BufReader::new(output), &mut line)
                .map_err(|error| error.to_string())?;
        }
        let socket = line.trim().strip_prefix("unix://").ok_or_else(|| format!("it says {line:?}"))?;
        Ok(Self { client: Client::at(socket), process, input })
    }

    /// The most memory that it has had so far, in MiB.
    fn memory(&self) -> Result<f64, String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.map_err(|error| error.to_string())?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(kibibytes.ok_or("the system does not tell its memory")? / 1024.0)
    }

    fn end(mut self) -> Result<(), String> {
        drop(self.input.take());
        let status = self.process.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("`reaper run` ended with {status}")) }
    }
}

struct Bench {
    direct: Client,
    through: Client,
    folder: PathBuf,
}

impl Bench {
    fn requests(&self, table: &mut Table) -> Result<(), String> {
        let (mut through, mut direct) = (vec![], vec![]);
        for round in 0..REQUESTS {
            progress(&format!("requests: {round} of {REQUESTS}"));
            for (client, samples) in [(&self.through, &mut through), (&self.direct, &mut direct)] {
                samples.push(timed(|| client.inspect("/version").map(drop))?);
            }
        }
        let (ours, floor) = (milliseconds(median(&through)), milliseconds(median(&direct)));
        let detail = format!(
            "median of {REQUESTS}: {ours:.2} ms through the socket, {floor:.2} ms straight to the engine"
        );
        table.limit("a request, more than without", ours - floor, 0.5, "ms", &detail);
        let (mut through, mut direct) = (vec![], vec![]);
        for round in 0..REQUESTS / 5 {
            progress(&format!("creations: {round} of {}", REQUESTS / 5));
            for (client, samples) in [(&self.through, &mut through), (&self.direct, &mut direct)] {
                let name = format!("bench-adopt-{}-{round}", std::process::id());
                let volume = json!({ "Name": name });
                samples.push(timed(|| {
                    client.request("POST", "/volumes/create", Body::Json(&volume)).map(drop)
                })?);
                let _ = self.direct.request("DELETE", &format!("/volumes/{name}"), Body::Nothing)?;
            }
        }
        let (ours, floor) = (milliseconds(median(&through)), milliseconds(median(&direct)));
        let detail =
            format!("a volume: {ours:.2} ms through the socket, {floor:.2} ms straight to the engine");
        table.limit("a creation, more than without", ours - floor, 0.5, "ms", &detail);
        Ok(())
    }

    fn clients(&self, table: &mut Table) -> Result<(), String> {
        let all_at_once = |client: &Client| {
            timed(|| {
                std::thread::scope(|scope| {
                    let asking: Vec<_> = (0..CLIENTS)
                        .map(|_| {
                            scope.spawn(|| {
                                (0..REQUESTS_EACH).try_for_each(|_| client.inspect("/version").map(drop))
                            })
                        })
                        .collect();
                    asking
                        .into_iter()
                        .try_for_each(|asking| asking.join().unwrap_or_else(|_| Err("it panicked".into())))
                })
            })
        };
        let (mut through, mut direct) = (vec![], vec![]);
        for round in 0..STREAMS {
            progress(&format!("{CLIENTS} clients: {round} of {STREAMS}"));
            through.push(all_at_once(&self.through)?);
            direct.push(all_at_once(&self.direct)?);
        }
        let each = |samples: &[Duration]| milliseconds(median(samples)) / 256.0 / 10.0;
        let detail = format!(
            "{} requests, none lost: {:.0} ms in all through the socket, {:.0} ms straight to the engine",
            CLIENTS * REQUESTS_EACH,
            milliseconds(median(&through)),
            milliseconds(median(&direct))
        );
        table.limit("the same, of 256 clients at once", each(&through) - each(&direct), 0.5, "ms", &detail);
        Ok(())
    }

    fn streams(&self, table: &mut Table) -> Result<(), String> {
        let (tag, archive) = (format!("bench-adopt-{}", std::process::id()), self.folder.join("saved.tar"));
        progress("building an image");
        let context = self.folder.join("context.tar");
        write_context(&context, IMAGE).map_err(|error| format!("failed to write a context: {error}"))?;
        let build = self.direct.follow(&format!("/build?t={tag}"), Body::File(&context), |_| {});
        let outcome = build.and_then(|_| self.save_and_load(&tag, &archive, table));
        let _ = self.direct.request("DELETE", &format!("/images/{tag}"), Body::Nothing);
        outcome
    }

    fn save_and_load(&self, tag: &str, archive: &Path, table: &mut Table) -> Result<(), String> {
        let (mut saves, mut loads) = ([vec![], vec![]], [vec![], vec![]]);
        let _ = self.direct.download(&format!("/images/{tag}/get"), archive)?;
        for round in 0..STREAMS {
            for (index, client) in [&self.through, &self.direct].into_iter().enumerate() {
                progress(&format!("save and load: {round} of {STREAMS}"));
                saves[index].push(timed(|| drain(client, &format!("/images/{tag}/get")))?);
                loads[index]
                    .push(timed(|| client.follow("/images/load", Body::File(archive), |_| {}).map(drop))?);
            }
        }
        for (name, [through, direct]) in
            [("image save, 500 MB: its throughput", saves), ("image load, the same", loads)]
        {
            let share = 100.0 * milliseconds(median(&direct)) / milliseconds(median(&through));
            let rate = |samples: &[Duration]| 500.0 / median(samples).as_secs_f64();
            let detail = format!(
                "{:.0} MB/s through the socket, {:.0} MB/s straight to the engine",
                rate(&through),
                rate(&direct)
            );
            table.at_least(name, share, 80.0, "%", &detail);
        }
        Ok(())
    }

    fn memory(&self, adopting: &Adopting, table: &mut Table) -> Result<(), String> {
        let context = self.folder.join("context.tar");
        progress("a build with a context of 2 GB");
        write_context(&context, CONTEXT).map_err(|error| format!("failed to write a context: {error}"))?;
        let before = adopting.memory()?;
        let _ = self.through.follow("/build?t=bench-adopt-context", Body::File(&context), |_| {})?;
        let after = adopting.memory()?;
        let detail = format!("{before:.1} MiB before, {after:.1} MiB at most since");
        table.limit("memory, for a context of 2 GB", after - before, 8.0, "Mi", &detail);
        Ok(())
    }
}

fn timed(work: impl FnOnce() -> Result<(), String>) -> Result<Duration, String> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}

/// Reads an answer to its end.
fn drain(client: &Client, path: &str) -> Result<(), String> {
    let mut answer = client.send("GET", path, Body::Nothing)?.successful()?.stream(false)?;
    let mut buffer = vec![0; 1 << 18];
    while answer.read(&mut buffer).map_err(|error| error.to_string())? > 0 {}
    Ok(())
}

/// A build's context: an image of one file of this size, which compresses to nothing nowhere on the way.
fn write_context(path: &Path, size: u64) -> io::Result<()> {
    let mut archive = tar::Builder::new(File::create(path)?);
    let dockerfile = b"FROM scratch\nCOPY ballast /ballast\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(dockerfile.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "Dockerfile", &dockerfile[..])?;
    header.set_size(size);
    archive.append_data(&mut header, "ballast", io::repeat(7).take(size))?;
    archive.into_inner()?.flush()
}
