//! What a container has written, as an engine hands it on: in pieces, with a head of eight bytes before each, which tells
//! from which stream it is, and how long; or as it is where the container has a terminal.

/// The lines of it.
pub(super) fn lines(mut bytes: &[u8]) -> Vec<String> {
    let mut text = Vec::new();
    let mut is_in_pieces = false;
    while let [0..=2, 0, 0, 0, a, b, c, d, rest @ ..] = bytes {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (piece, next) = rest.split_at(length.min(rest.len()));
        text.extend_from_slice(piece);
        (bytes, is_in_pieces) = (next, true);
    }
    // A head that was cut off is nothing that anybody wrote.
    if !(is_in_pieces && bytes.len() < 8) {
        text.extend_from_slice(bytes);
    }
    String::from_utf8_lossy(&text).lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_put_together_again() {
        let pieces = b"\x02\0\0\0\0\0\0\x05exec \x02\0\0\0\0\0\0\x0dformat error\n\x01\0\0\0\0\0\0\x02ok";
        assert_eq!(lines(pieces), ["exec format error", "ok"]);
        // A character in two pieces.
        assert_eq!(lines(b"\x01\0\0\0\0\0\0\x01\xc3\x01\0\0\0\0\0\0\x01\xa4"), ["ä"]);
        assert_eq!(lines(b"plain\r\ntext"), ["plain", "text"]);
        assert_eq!(lines(b""), Vec::<String>::new());
    }

    #[test]
    fn of_a_log_that_was_cut_off_there_is_what_came() {
        let pieces = b"\x01\0\0\0\0\0\0\x03one\x01\0\0\0\0\0\0\x03two";
        for (cut, expected) in [(9, "o"), (11, "one"), (15, "one"), (19, "one"), (20, "onet"), (22, "onetwo")]
        {
            assert_eq!(lines(&pieces[..cut]), [expected], "{cut}");
        }
    }
}
