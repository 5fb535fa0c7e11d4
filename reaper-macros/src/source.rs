//! What stands around an attribute in the source file.
//!
//! A macro sees the attributes below its own. Those above have been expanded by then and left nothing behind:
//! `#[test]` over `#[with_reaper]` and no test attribute at all look the same, yet the first is registered
//! with the test harness and the second has to be. The same for `#[rstest]`, which hands an attribute that
//! precedes a `#[case]` to that case alone. So the source is read where the compiler says the attribute
//! stands. What cannot be decided that way is an error that asks for the one order that needs no looking
//! (`#[with_reaper]` above the test attribute), so that no test is registered twice or lost in silence.
//!
//! Rejected: parsing the whole file, which would see nothing of what is written inside a macro's braces, and
//! asking that a test attribute always be written out, which would take away the shortest form.

use std::ops::Range;

/// The attributes that stand with `#[with_reaper]` on one item, as source text, nearest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    pub(crate) above: Vec<String>,
    pub(crate) below: Vec<String>,
    /// What follows them, up to the item's body.
    pub(crate) signature: String,
    /// Inside the braces of a macro call or definition, where the text is not all that is compiled.
    pub(crate) in_macro: bool,
}

/// What stands around the attribute at `line` and `column` (both from 1, in characters), or `None` where the
/// attribute is not the one that the compiler has: this text was changed since, or is not what was compiled. Its name
/// says nothing, since an import may give it another.
pub(crate) fn surroundings(text: &str, line: usize, column: usize, compiled: &str) -> Option<Surroundings> {
    let bare = blank(text);
    let position = offset(text, line, column)?;
    let own = attribute_around(&bare, position)?;
    if !text[position..].starts_with(compiled) {
        return None;
    }
    let mut found = Surroundings { in_macro: in_macro(&bare, own.start), ..Surroundings::default() };
    let mut start = own.start;
    while let Some(range) = attribute_before(&bare, start) {
        start = range.start;
        found.above.push(text[range].to_owned());
    }
    if !begins_item(&bare, start) {
        found.in_macro = true;
    }
    let mut end = own.end;
    while let Some(range) = attribute_after(&bare, end) {
        end = range.end;
        found.below.push(text[range].to_owned());
    }
    let body = bare[end..].iter().position(|byte| *byte == b'{').map_or(bare.len(), |length| end + length);
    text[end..body].clone_into(&mut found.signature);
    if position != own.start {
        // `#[cfg_attr(condition, test, with_reaper)]`: what precedes ours in the same list is above it.
        found.above.insert(0, format!("{})]", text[own.start..position].trim_end().trim_end_matches(',')));
    }
    Some(found)
}

/// The text with all that a reader of code skips turned into blanks, byte for byte: comments, and what is
/// inside quotes. What is left has its brackets in pairs.
fn blank(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut bare = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(bytes, at);
        if let Some(end) = end {
            bare[at..end].fill(b' ');
        }
        at = end.unwrap_or(at + 1);
    }
    bare
}

/// Where the comment or literal ends that begins here, if one does.
fn skipped(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let end = match rest {
        [b'/', b'/', ..] => find(rest, b"\n", 2),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !follows_word(bytes, at) => raw_string(rest)?,
        [b'\'', ..] => character(rest)?,
        _ => return None,
    };
    Some(at + end)
}

/// Whether the `r` at this place ends a word, as in `for"`. The prefixes `br` and `cr` are words of their own.
fn follows_word(bytes: &[u8], at: usize) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
    let word = bytes[..at].iter().rev().take_while(|byte| is_word(**byte)).count();
    !matches!(&bytes[at - word..at], [] | [b'b' | b'c'])
}

fn find(rest: &[u8], end: &[u8], from: usize) -> usize {
    let found = rest[from..].windows(end.len()).position(|window| window == end);
    found.map_or(rest.len(), |found| from + found + end.len())
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let step = match &rest[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None; // a raw identifier
    }
    let mut end = vec![b'"'];
    end.resize(1 + hashes, b'#');
    Some(find(rest, &end, 2 + hashes))
}

/// A character literal, and not a lifetime: `'x'` closes right after one character or is an escape.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(quoted(rest, b'\''));
    }
    let width = match rest.get(1)? {
        0x00..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
    };
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    // The compiler takes a byte order mark away before it counts.
    let start = if line == 1 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { start };
    let rest = text.get(start..)?;
    let (skip, _) = rest.char_indices().nth(column.checked_sub(1)?)?;
    Some(start + skip)
}

/// The whole `#[…]` that begins at the position or has it inside.
fn attribute_around(bare: &[u8], position: usize) -> Option<Range<usize>> {
    if bare.get(position) == Some(&b'#') {
        return attribute_after(bare, position);
    }
    let mut inner = position;
    while let Some(opener) = opener_before(bare, inner) {
        if bare[opener] == b'[' {
            let hash = last_code(bare, opener).filter(|&at| bare[at] == b'#')?;
            return attribute_after(bare, hash);
        }
        inner = opener;
    }
    None
}

fn attribute_after(bare: &[u8], from: usize) -> Option<Range<usize>> {
    let next = |from: usize| (from..bare.len()).find(|&at| !bare[at].is_ascii_whitespace());
    let start = next(from).filter(|&at| bare[at] == b'#')?;
    let open = next(start + 1).filter(|&at| bare[at] == b'[')?;
    let mut depth = 0_usize;
    for (at, byte) in bare.iter().enumerate().skip(open) {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(start..at + 1);
        }
    }
    None
}

fn attribute_before(bare: &[u8], start: usize) -> Option<Range<usize>> {
    let close = last_code(bare, start).filter(|&at| bare[at] == b']')?;
    let open = opener_before(bare, close)?;
    let hash = last_code(bare, open).filter(|&at| bare[at] == b'#')?;
    Some(hash..close + 1)
}

/// Whether the item can begin here: nothing precedes it that a macro could turn into an attribute.
fn begins_item(bare: &[u8], start: usize) -> bool {
    match last_code(bare, start) {
        None => true,
        // The last: `#![inner]`.
        Some(at) => matches!(bare[at], b'{' | b'}' | b';' | b']'),
    }
}

fn in_macro(bare: &[u8], position: usize) -> bool {
    let mut inner = position;
    while let Some(opener) = opener_before(bare, inner) {
        let word_start = |mut at: usize| {
            while at > 0
                && (bare[at - 1].is_ascii_alphanumeric() || bare[at - 1] == b'_' || !bare[at - 1].is_ascii())
            {
                at -= 1;
            }
            at
        };
        // `name! {` or `macro_rules! name {`
        let end = last_code(bare, opener).map_or(0, |at| at + 1);
        let before_word = last_code(bare, word_start(end));
        let is_call = end > 0 && bare[end - 1] == b'!';
        let is_definition = before_word.is_some_and(|at| bare[at] == b'!' && word_start(end) < end);
        if is_call || is_definition {
            return true;
        }
        inner = opener;
    }
    false
}

/// The place of the bracket that is open at the position.
fn opener_before(bare: &[u8], position: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for at in (0..position).rev() {
        match bare[at] {
            b')' | b']' | b'}' => depth += 1,
            b'(' | b'[' | b'{' if depth == 0 => return Some(at),
            b'(' | b'[' | b'{' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn last_code(bare: &[u8], before: usize) -> Option<usize> {
    (0..before).rev().find(|&at| !bare[at].is_ascii_whitespace())
}
