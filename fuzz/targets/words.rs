//! What clients and the server say to each other of what is made once: whatever is read is what was said.
//!
//! A line that is read as another key would hand out somebody else's value, and one that has another line in it would be an answer
//! to nobody's question.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "each side uses one half")]
#[path = "../../reaper/ryuk/key_words.rs"]
mod key_words;

use key_words::{Answer, Ask};

fuzz_target!(|line: &[u8]| {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if let Some(Ok(ask)) = Ask::read(line) {
        // Numbers have one spelling when they are said, and several when they are read.
        let again = ask.line();
        assert_eq!(Ask::read(whole(&again).as_bytes()), Some(Ok(ask)), "{again:?}");
    }
    if let Some(Ok(value)) = key_words::keep_in(line) {
        assert_eq!(whole(&key_words::keep(value)).as_bytes(), line);
    }
    if let Some(token) = key_words::forget_in(line) {
        assert_eq!(whole(&key_words::forget(token)).as_bytes(), line);
    }
    let Ok(text) = std::str::from_utf8(line) else { return };
    if let Some(answer) = Answer::read(text) {
        let again = answer.line();
        assert_eq!(Answer::read(whole(&again)), Some(answer), "{again:?}");
    }
});

/// A line of ours without its end, of which it has one.
fn whole(line: &str) -> &str {
    let line = line.strip_suffix('\n').expect("a line has an end");
    assert!(!line.contains('\n'), "{line:?}");
    line
}
