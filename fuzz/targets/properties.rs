//! The reader of Java's properties: takes and understands what another implementation of the format does.
//!
//! A file that is misread is a setting that is ignored; the usual crate, too big to depend upon, has to be of the same
//! opinion.

#![no_main]

use std::io::Cursor;

use java_properties::PropertiesIter;
use libfuzzer_sys::fuzz_target;

#[path = "../../reaper/src/settings/properties.rs"]
mod properties;

use properties::parse;

fuzz_target!(|bytes: &[u8]| {
    let ours = parse(bytes);
    if let Ok(entries) = &ours {
        // What was understood is the same when it is written with escapes alone.
        let written: String =
            entries.iter().map(|(key, value)| format!("{}={}\r\n", escaped(key), escaped(value))).collect();
        assert_eq!(parse(written.as_bytes()).as_ref(), Ok(entries), "{written:?}");
    }
    // The other takes its character set as told, keeps a byte order mark, reads halves of characters as they come,
    // drops a last line that would go on, and takes more for white space than the specification does.
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let ends_in_mid_line = text.trim_end_matches([' ', '\t', '\x0c', '\r', '\n']).ends_with('\\');
    let is_other_space = |c: char| c.is_whitespace() && !" \t\x0c\r\n".contains(c);
    // What follows a line that only goes on is read otherwise by each release of Java, too.
    let only_goes_on = text.split(['\r', '\n']).any(|line| line.trim() == "\\");
    if ends_in_mid_line
        || only_goes_on
        || text.contains(is_other_space)
        || text.contains(['\0', '\u{feff}'])
        || text.to_ascii_lowercase().contains("\\ud")
        // The other takes a sign for one of the four digits.
        || text.contains("\\u+")
    {
        return;
    }
    let mut theirs = Vec::new();
    let read = PropertiesIter::new_with_encoding(Cursor::new(bytes), encoding_rs::UTF_8)
        .read_into(|key, value| theirs.push((key, value)));
    match (ours, read) {
        (Ok(ours), Ok(())) => assert_eq!(ours, theirs, "{text:?}"),
        (Err(_), Err(_)) => {}
        // The other looks for escapes in comments, too.
        (Ok(_), Err(_)) if text.contains(['#', '!']) => {}
        (ours, read) => panic!("{text:?}: {ours:?} and {read:?}"),
    }
});

fn escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}
