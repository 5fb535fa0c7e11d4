//! A JSON reader for the engine's answers: all of RFC 8259, read from a stream and not kept.
//!
//! Its own, because the server is compiled without dependencies. The caller takes what it wants as it comes, and skips
//! the rest, which is checked all the same: the list of an engine with thousands of containers is larger than the
//! memory that the server's container has. Depth is bounded, since it recurses.

use std::io::{self, ErrorKind, Read};

/// Deeper than any answer of an engine, shallower than the stack.
const DEEPEST: usize = 128;
const LONGEST_NUMBER: usize = 4096;
/// Longer than any line of a client, so what is cut equals nothing that a filter names.
pub(crate) const LONGEST_STRING: usize = 128 << 10;

/// How a value begins, which tells what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Object,
    Array,
    String,
    /// `true`, `false`, `null`, or a number.
    Bare,
}

pub(crate) struct Reader<R> {
    source: R,
    buffer: Box<[u8]>,
    filled: usize,
    at: usize,
    before: u64,
    depth: usize,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: vec![0; 8192].into(), filled: 0, at: 0, before: 0, depth: 0 }
    }

    /// What comes next; it is not taken.
    pub(crate) fn start(&mut self) -> io::Result<Start> {
        self.blank()?;
        Ok(match self.peek()? {
            Some(b'{') => Start::Object,
            Some(b'[') => Start::Array,
            Some(b'"') => Start::String,
            _ => Start::Bare,
        })
    }

    /// Takes an object. Called for each member, with its name, and to take its value.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, String) -> io::Result<()>,
    ) -> io::Result<()> {
        self.sequence(b'{', b'}', |reader| {
            let name = reader.string()?;
            reader.blank()?;
            reader.expect(b':')?;
            member(reader, name)
        })
    }

    /// Takes an array. Called for each element, to take it.
    pub(crate) fn array(&mut self, element: impl FnMut(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.sequence(b'[', b']', element)
    }

    /// Takes a string, as much of it as is of use: what is longer is cut short.
    pub(crate) fn string(&mut self) -> io::Result<String> {
        let mut text = Vec::new();
        self.text(&mut text)?;
        String::from_utf8(text).or_else(|error| {
            let (valid, bytes) = (error.utf8_error(), error.into_bytes());
            // Cut within a character, it is cut before it.
            if bytes.len() >= LONGEST_STRING && valid.error_len().is_none() {
                Ok(String::from_utf8_lossy(&bytes[..valid.valid_up_to()]).into_owned())
            } else {
                Err(invalid("a JSON string is not UTF-8"))
            }
        })
    }

    /// Takes `true`, `false`, `null` or a number, as it is written.
    pub(crate) fn bare(&mut self) -> io::Result<String> {
        self.blank()?;
        match self.peek()? {
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number(),
        }
    }

    /// Takes whatever comes.
    pub(crate) fn skip(&mut self) -> io::Result<()> {
        match self.start()? {
            Start::Object => self.object(|reader, _| reader.skip()),
            Start::Array => self.array(Self::skip),
            Start::String => self.string().map(drop),
            Start::Bare => self.bare().map(drop),
        }
    }

    /// Takes a string, and skips what is none.
    pub(crate) fn string_or_skip(&mut self) -> io::Result<Option<String>> {
        match self.start()? {
            Start::String => self.string().map(Some),
            _ => self.skip().map(|()| None),
        }
    }

    /// Nothing may follow.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.blank()?;
        if self.peek()?.is_none() { Ok(()) } else { Err(self.unexpected()) }
    }

    fn sequence(
        &mut self,
        open: u8,
        close: u8,
        mut one: impl FnMut(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.blank()?;
        self.expect(open)?;
        if self.depth >= DEEPEST {
            return Err(invalid("the JSON is nested too deeply"));
        }
        self.depth += 1;
        self.blank()?;
        if !self.take(close)? {
            loop {
                self.blank()?;
                one(self)?;
                self.blank()?;
                if self.take(close)? {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        while self.at == self.filled {
            self.before += self.filled as u64;
            (self.at, self.filled) = (0, 0);
            match self.source.read(&mut self.buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.filled = count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(self.buffer[self.at]))
    }

    fn blank(&mut self) -> io::Result<()> {
        while matches!(self.peek()?, Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        Ok(())
    }

    fn take(&mut self, byte: u8) -> io::Result<bool> {
        let found = self.peek()? == Some(byte);
        self.at += usize::from(found);
        Ok(found)
    }

    fn expect(&mut self, byte: u8) -> io::Result<()> {
        if self.take(byte)? { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&mut self) -> io::Error {
        match self.peek() {
            Ok(Some(byte)) => {
                let at = self.before + self.at as u64;
                invalid(&format!("unexpected {:?} at byte {at} of JSON", char::from(byte)))
            }
            Ok(None) => invalid("the JSON ends too early"),
            Err(error) => error,
        }
    }

    fn word(&mut self, word: &str) -> io::Result<String> {
        word.bytes().try_for_each(|byte| self.expect(byte))?;
        Ok(word.to_owned())
    }

    fn text(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        let mut keep = |bytes: &[u8]| {
            if text.len() < LONGEST_STRING {
                text.extend_from_slice(bytes);
            }
        };
        self.blank()?;
        self.expect(b'"')?;
        loop {
            match self.peek()? {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escape()?;
                    keep(c.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                None | Some(0..=0x1f) => return Err(self.unexpected()),
                Some(byte) => keep(&[byte]),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> io::Result<char> {
        let c = match self.peek()? {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(c)
    }

    /// Four digits, or twice four where the first are half of a surrogate pair.
    fn unicode(&mut self) -> io::Result<char> {
        let lone = || invalid("a lone surrogate in JSON");
        let first = self.four_digits()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            self.expect(b'\\')?;
            self.expect(b'u')?;
            let second = self.four_digits()?;
            let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or_else(lone)?;
            0x10000 + ((first - 0xd800) << 10) + low
        } else {
            first
        };
        char::from_u32(code).ok_or_else(lone)
    }

    fn four_digits(&mut self) -> io::Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek()?.and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.unexpected())?;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> io::Result<String> {
        let mut text = String::new();
        self.keep_if(&mut text, |byte| byte == b'-')?;
        if !self.keep_if(&mut text, |byte| byte == b'0')? {
            self.digits(&mut text)?;
        }
        if self.keep_if(&mut text, |byte| byte == b'.')? {
            self.digits(&mut text)?;
        }
        if self.keep_if(&mut text, |byte| matches!(byte, b'e' | b'E'))? {
            self.keep_if(&mut text, |byte| matches!(byte, b'+' | b'-'))?;
            self.digits(&mut text)?;
        }
        if text.parse().is_ok_and(f64::is_finite) {
            Ok(text)
        } else {
            Err(invalid(&format!("{text:?} is not a number that can be held")))
        }
    }

    fn keep_if(&mut self, text: &mut String, wanted: impl Fn(u8) -> bool) -> io::Result<bool> {
        let found = self.peek()?.filter(|byte| wanted(*byte));
        self.at += usize::from(found.is_some());
        text.extend(found.map(char::from));
        Ok(found.is_some())
    }

    fn digits(&mut self, text: &mut String) -> io::Result<()> {
        let start = text.len();
        while self.keep_if(text, |byte| byte.is_ascii_digit())? {
            if text.len() > LONGEST_NUMBER {
                return Err(invalid("a number has no end"));
            }
        }
        if text.len() > start { Ok(()) } else { Err(self.unexpected()) }
    }
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Says a little at a time, so that values lie across what was read at once.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(into.len()).min(3);
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn value<R: Read>(reader: &mut Reader<R>) -> io::Result<Value> {
        Ok(match reader.start()? {
            Start::Object => {
                let mut members = serde_json::Map::new();
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
            Start::Bare => match reader.bare()?.as_str() {
                "null" => Value::Null,
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                number => serde_json::from_str(number).unwrap(),
            },
        })
    }

    fn parse(text: &str) -> io::Result<Value> {
        let mut reader = Reader::new(Drops(text.as_bytes()));
        let value = value(&mut reader)?;
        reader.end().map(|()| value)
    }

    fn skip(text: &str) -> io::Result<()> {
        let mut reader = Reader::new(text.as_bytes());
        reader.skip()?;
        reader.end()
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i32>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(value in json()) {
            prop_assert_eq!(parse(&value.to_string()).unwrap(), value.clone());
            prop_assert_eq!(parse(&serde_json::to_string_pretty(&value).unwrap()).unwrap(), value);
        }

        #[test]
        fn takes_and_refuses_what_serde_json_does(text in r#"[\[\]{},:"\\ntrufalse0-9.eE+ \-dDcCu/]{0,24}"#) {
            let theirs = serde_json::from_str::<Value>(&text);
            prop_assert_eq!(parse(&text).is_ok(), theirs.is_ok(), "{}", text);
            prop_assert_eq!(skip(&text).is_ok(), theirs.is_ok(), "{}", text);
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(skip(&"[".repeat(100_000)).is_err());
        assert!(skip(&format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST))).is_ok());
    }

    #[test]
    fn surrogates() {
        assert_eq!(parse(r#""\ud83d\ude00""#).unwrap(), Value::String("\u{1f600}".into()));
        for bad in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83d\u0041""#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn of_a_long_string_the_beginning_is_kept() {
        for (letter, kept) in [("x", LONGEST_STRING), ("\u{20ac}", LONGEST_STRING / 3 * 3)] {
            let text = letter.repeat(LONGEST_STRING);
            let read = parse(&serde_json::to_string(&text).unwrap()).unwrap();
            let read = read.as_str().unwrap();
            assert!(
                text.starts_with(read) && (kept..=LONGEST_STRING).contains(&read.len()),
                "{}",
                read.len()
            );
        }
    }
}
