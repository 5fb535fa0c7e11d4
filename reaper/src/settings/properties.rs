//! Java's format of properties, as `java.util.Properties.load` describes it, since testcontainers for Java writes its
//! file in it: `docker.host=unix\:///var/run/docker.sock`.
//!
//! Our own reader: the crates for it bring a regular expression engine and tables of encodings, and take what is no
//! character without a word. It knows nothing of the rest of the crate, so that it can be fuzzed alone
//! (`fuzz/targets/properties.rs`, with such a crate as the other opinion).

/// The keys and values in their order, or the first thing that cannot be understood, with its line.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text = decode(bytes)?;
    let mut entries = Vec::new();
    for Line { number, text } in logical_lines(&text) {
        let (key, value) = split(&text);
        let unescape = |part: &[char]| unescape(part).map_err(|problem| format!("line {number}: {problem}"));
        entries.push((unescape(key)?, unescape(value)?));
    }
    Ok(entries)
}

/// The format is ISO-8859-1 by its specification, and editors write UTF-8. What is valid UTF-8 and not ASCII is hardly
/// ever meant otherwise, so it is that where it can be.
fn decode(bytes: &[u8]) -> Result<String, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.contains(&0) || bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("it is no text in UTF-8 or ISO-8859-1, save it as one of these".to_owned());
    }
    Ok(match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // The first 256 characters of Unicode are that character set.
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    })
}

/// What is one entry: a line, together with those that a backslash at its end has it go on in.
struct Line {
    /// Of its first line in the file, from 1.
    number: usize,
    text: Vec<char>,
}

/// The lines without comments, blank ones and the white space before them.
fn logical_lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut unfinished: Option<Line> = None;
    for (index, natural) in natural_lines(text).enumerate() {
        let natural = natural.trim_start_matches(is_blank);
        let going_on = unfinished.as_ref().is_some_and(|line| !line.text.is_empty());
        // A line that goes on with nothing has ended; what looks like a comment there is none.
        if !going_on && (natural.is_empty() || natural.starts_with(['#', '!'])) {
            unfinished = None;
            continue;
        }
        let mut line = unfinished.take().unwrap_or(Line { number: index + 1, text: Vec::new() });
        let backslashes = natural.chars().rev().take_while(|character| *character == '\\').count();
        // An even number of them stands for half as many.
        let goes_on = backslashes % 2 == 1;
        line.text.extend(natural.chars());
        if goes_on {
            line.text.pop();
            unfinished = Some(line);
        } else {
            lines.push(line);
        }
    }
    lines.extend(unfinished.filter(|line| !line.text.is_empty()));
    lines
}

/// Ended by CR, LF or both.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            rest = None;
            return Some(text);
        };
        let (line, ending) = text.split_at(end);
        rest = Some(ending.strip_prefix("\r\n").unwrap_or(&ending[1..]));
        Some(line)
    })
}

/// The key ends at the first `=`, `:` or blank that has no backslash before it; the value begins behind one `=` or `:`
/// and all blanks around it.
fn split(line: &[char]) -> (&[char], &[char]) {
    let mut escaped = false;
    let end = line.iter().position(|character| {
        let ends = !escaped && (matches!(character, '=' | ':') || is_blank(*character));
        escaped = *character == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = without_blanks(rest);
    let rest = match rest {
        ['=' | ':', value @ ..] => without_blanks(value),
        value => value,
    };
    (key, rest)
}

fn without_blanks(text: &[char]) -> &[char] {
    let blanks = text.iter().take_while(|character| is_blank(**character)).count();
    &text[blanks..]
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\x0c')
}

/// Java's characters are units of UTF-16, so `\u` may give half of one.
fn unescape(text: &[char]) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut characters = text.iter();
    let push = |units: &mut Vec<u16>, character: char| {
        units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
    };
    while let Some(character) = characters.next() {
        if *character != '\\' {
            push(&mut units, *character);
            continue;
        }
        match characters.next() {
            Some('u') => {
                let digits: String = characters.as_slice().iter().take(4).collect();
                let digits_alone = digits.len() == 4 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
                let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| digits_alone);
                let problem =
                    "is not followed by four hexadecimal digits (a backslash is written twice: `\\\\u`)";
                units.push(unit.ok_or_else(|| format!("`\\u{digits}`: `\\u` {problem}"))?);
                characters = characters.as_slice()[4..].iter();
            }
            Some('t') => push(&mut units, '\t'),
            Some('n') => push(&mut units, '\n'),
            Some('r') => push(&mut units, '\r'),
            Some('f') => push(&mut units, '\x0c'),
            Some(other) => push(&mut units, *other),
            // At the end of a line it has had the line go on.
            None => {}
        }
    }
    String::from_utf16(&units)
        .map_err(|_| "a `\\u` gives half of a character, without its other half".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn reads(text: &[u8], expected: &[(&str, &str)]) {
        let read = parse(text).unwrap();
        let read: Vec<_> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(read, expected, "{}", String::from_utf8_lossy(text));
    }

    /// The examples in the documentation of `java.util.Properties.load`, in its words and order.
    #[test]
    fn the_examples_of_the_specification() {
        // "A natural line that contains only white space characters is considered blank and is ignored."
        reads(b" \t\x0c\n\n\r\n", &[]);
        // "A comment line has an ASCII '#' or '!' as its first non-white space character"
        reads(b"  # a=b\n\t! c=d\\\ne=f", &[("e", "f")]);
        // "a \
        //    b" is one logical line; leading white space of what goes on is dropped.
        for end in ["\n", "\r", "\r\n"] {
            let text =
                format!("targetCities=\\{end}        Detroit,\\{end}        Chicago,\\{end}\tLos Angeles");
            reads(text.as_bytes(), &[("targetCities", "Detroit,Chicago,Los Angeles")]);
        }
        // "Truth = Beauty", " Truth:Beauty" and "Truth                    :Beauty" are the same.
        for text in ["Truth = Beauty", "\tTruth:Beauty", "Truth                    :Beauty", "Truth Beauty"] {
            reads(text.as_bytes(), &[("Truth", "Beauty")]);
        }
        // "\:\=" would be the two-character key ":=".
        reads(br"\:\= x", &[(":=", "x")]);
        let fruits = "fruits                           apple, banana, pear, \\\n\
                      \x20                                 cantaloupe, watermelon, \\\n\
                      \x20                                 kiwi, mango";
        reads(fruits.as_bytes(), &[("fruits", "apple, banana, pear, cantaloupe, watermelon, kiwi, mango")]);
        // "cheeses" has the empty string as its value.
        reads(b"cheeses", &[("cheeses", "")]);
        // "The method does not treat a backslash character, \, before a non-valid escape character as an error"
        reads(br"a=\z\b\\", &[("a", r"zb\")]);
        // "the single quote and double quote characters do not need to be escaped"
        reads(br#"a="b'"#, &[("a", r#""b'"#)]);
        // An even number of backslashes at the end of a line stands for themselves.
        reads(b"a=b\\\\\nc=d\\\\\\\n  e", &[("a", "b\\"), ("c", "d\\e")]);
        // White space behind the value belongs to it.
        reads(b"a = b \t", &[("a", "b \t")]);
        reads(br"a=\u0041\u00e9\uD83D\uDE00\t", &[("a", "A\u{e9}\u{1f600}\t")]);
        // The last line needs no end, and a backslash there is none of the value's.
        reads(b"a=b\\", &[("a", "b")]);
        // What goes on with a blank line has ended, and a comment cannot stand in the middle.
        reads(b"a=b\\\n\n#c\nd=\\\n#e", &[("a", "b"), ("d", "#e")]);
        reads(b"a=1\na=2", &[("a", "1"), ("a", "2")]);
        reads(b"=v\n:w", &[("", "v"), ("", "w")]);
        reads(b"a==b\nc:=d\ne  =:f", &[("a", "=b"), ("c", "=d"), ("e", ":f")]);
    }

    #[test]
    fn what_testcontainers_for_java_writes() {
        let text = b"#Modified by Testcontainers\r\n#Tue Mar 04 10:11:12 CET 2025\r\n\
                     docker.client.strategy=org.testcontainers.dockerclient.UnixSocketClientProviderStrategy\r\n\
                     docker.host=unix\\:///var/run/docker.sock\r\n";
        let strategy = "org.testcontainers.dockerclient.UnixSocketClientProviderStrategy";
        reads(text, &[("docker.client.strategy", strategy), ("docker.host", "unix:///var/run/docker.sock")]);
    }

    #[test]
    fn the_character_sets() {
        reads("\u{feff}a=é".as_bytes(), &[("a", "é")]);
        reads("a=é€".as_bytes(), &[("a", "é€")]);
        reads(b"a=\xe9", &[("a", "é")]);
        for utf_16 in [&b"\xff\xfea\0=\0b\0"[..], b"\xfe\xff\0a\0=\0b", b"a\0=\0b\0"] {
            assert!(parse(utf_16).unwrap_err().contains("save it as"));
        }
    }

    #[test]
    fn what_cannot_be_understood_is_said_with_its_line() {
        for (text, problem) in [
            (&b"# c\n\na=C:\\users\\me"[..], "line 3: `\\users`: `\\u` is not followed by four"),
            (b"a=\\\n \\u00", "line 1: `\\u00`: `\\u` is not followed by four"),
            (br"a=\u+123", "line 1: `\\u+123`"),
            (br"\ud83d=a", "line 1: a `\\u` gives half of a character"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.starts_with(problem), "{said}");
        }
    }

    proptest! {
        /// As `java.util.Properties.store` writes.
        #[test]
        fn what_was_stored_is_loaded(key in any::<String>(), value in any::<String>()) {
            let mut stored = String::from("#comment\r\n");
            for (index, (text, is_key)) in [(&key, true), (&value, false)].into_iter().enumerate() {
                stored += ["", "="][index];
                for (at, unit) in text.encode_utf16().enumerate() {
                    match char::from_u32(unit.into()) {
                        Some(' ') if is_key || at == 0 => stored += "\\ ",
                        Some('\t') => stored += "\\t",
                        Some('\n') => stored += "\\n",
                        Some('\r') => stored += "\\r",
                        Some('\x0c') => stored += "\\f",
                        Some(special @ ('\\' | '=' | ':' | '#' | '!')) => { stored.push('\\'); stored.push(special); }
                        Some(plain @ ' '..='~') => stored.push(plain),
                        _ => write!(stored, "\\u{unit:04X}").unwrap(),
                    }
                }
            }
            stored += "\r\n";
            prop_assert_eq!(parse(stored.as_bytes()).unwrap(), [(key, value)]);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(prop_oneof![Just(b'\\'), Just(b'u'), Just(b'\n'), Just(b'='), any::<u8>()], 0..40)) {
            let _ = parse(&bytes);
        }
    }
}
