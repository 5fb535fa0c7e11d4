//! The reader of the engine's answers: takes and understands exactly what `serde_json` does.
//!
//! The reader is the server's own, since that is compiled without dependencies; here, where dependencies
//! cost nothing, the usual one has to be of the same opinion. What is skipped is held against it, too: the server
//! skips most of what an engine lists.

#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

#[expect(dead_code, reason = "what reads lists is not used")]
#[path = "../../reaper/ryuk/json.rs"]
mod json;

use json::{Reader, Start};

/// Far beyond what any stack holds, were it followed.
const DEEP: usize = 50_000;

fuzz_target!(|text: &str| {
    let ours = whole(text.as_bytes());
    let skipped = skip(text.as_bytes());
    assert_eq!(ours.is_ok(), skipped.is_ok(), "what is skipped is checked less: {ours:?} {skipped:?}");
    match (&ours, serde_json::from_str::<Value>(text)) {
        // A repeated name's last value is the one that counts for both.
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, &theirs),
        (Err(_), Err(_)) => {}
        // Both bound the depth, and not at the same.
        (Ok(_), Err(error)) => {
            assert!(error.to_string().contains("recursion limit"), "only we take it: {error}")
        }
        (Err(problem), Ok(_)) => panic!("only serde_json takes it: {problem}"),
    }
    // In whichever pieces it comes.
    let in_pieces = whole(Drops(text.as_bytes()));
    assert_eq!(in_pieces.ok(), ours.ok());
    // What is only text is text again after quoting.
    let quoted = serde_json::to_string(text).expect("text is JSON");
    assert_eq!(whole(quoted.as_bytes()).ok(), Some(Value::String(text.to_owned())));
    // However deep, the stack holds.
    let deep = ["[", "{\"a\":", "[{\"b\":"][text.len() % 3].repeat(DEEP);
    assert!(skip(deep.as_bytes()).is_err());
});

fn whole(bytes: impl Read) -> io::Result<Value> {
    let mut reader = Reader::new(bytes);
    let value = value(&mut reader)?;
    reader.end().map(|()| value)
}

fn skip(bytes: &[u8]) -> io::Result<()> {
    let mut reader = Reader::new(bytes);
    reader.skip()?;
    reader.end()
}

fn value<R: Read>(reader: &mut Reader<R>) -> io::Result<Value> {
    Ok(match reader.start()? {
        Start::Object => {
            let mut members = Map::new();
            reader.object(|reader, name| {
                members.insert(name, value(reader)?);
                Ok(())
            })?;
            Value::Object(members)
        }
        Start::Array => {
            let mut elements = Vec::new();
            reader.array(|reader| {
                elements.push(value(reader)?);
                Ok(())
            })?;
            Value::Array(elements)
        }
        Start::String => Value::String(reader.string()?),
        Start::Bare => {
            let bare = reader.bare()?;
            serde_json::from_str(&bare).expect("what we took for a number or a word is one")
        }
    })
}

/// Three bytes at a time.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(into.len()).min(3);
        into[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}
