//! `reaper doctor`: the library's diagnosis, a line for each thing, and below what is bad what to do.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use reaper::diagnosis::{Finding, Told, Verdict, examine};

use crate::terminal::{Colour, printable, put};

pub(crate) async fn run() -> io::Result<ExitCode> {
    let mut written = Ok(());
    let all_good = examine(|told| match told {
        Told::Begins(what) => progress(&format!("… {what}")),
        Told::Found(finding) => {
            progress("");
            if written.is_ok() {
                written = put(&line(&finding));
            }
        }
        _ => {}
    })
    .await;
    written?;
    let (colour, verdict) = if all_good {
        (Colour::Green, "everything is as it should be")
    } else {
        (Colour::Red, "not everything is as it should be")
    };
    put(&format!("{}\n", colour.paint(verdict)))?;
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(finding: &Finding) -> String {
    let verdict = match finding.verdict {
        Verdict::Good => Colour::Green.paint("ok  "),
        Verdict::Bad => Colour::Red.paint("FAIL"),
        _ => "    ".to_owned(),
    };
    let text = printable(&finding.text).replace('\n', "\n                ");
    let advice = finding.advice.as_ref().map(|advice| format!("      {:<8}  {}\n", "do", printable(advice)));
    format!("{verdict}  {:<8}  {text}\n{}", finding.subject, advice.unwrap_or_default())
}

/// What goes on, in a line that the next one replaces; for who is there to see it.
fn progress(text: &str) {
    let mut output = io::stderr().lock();
    if output.is_terminal() && io::stdout().is_terminal() {
        // It is of no use to anybody that it failed.
        let _ = write!(output, "\r\x1b[K{text}");
        let _ = output.flush();
    }
}
