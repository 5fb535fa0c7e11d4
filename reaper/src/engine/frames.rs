//! A connection to a process in a container, taken apart: its standard output and its errors come over one stream, in
//! pieces with a head of eight bytes before each.
//!
//! For what is alive, and however the pieces are cut on their way; what was written in the end is read by `log`.

use std::io;

use super::verdict::invalid;

const HEAD: usize = 8;
/// Of what a process complains of; it is for people.
const MOST_OF_COMPLAINT: usize = 4 << 10;

/// Where in the pieces a connection is.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// How much of the next head is there.
    known: usize,
    /// What is still to come of this piece.
    left: usize,
    is_complaint: bool,
    /// What the process has written to its standard error, and the engine of it.
    pub(super) complaint: Vec<u8>,
}

impl Frames {
    /// Adds to the output what is output of these bytes.
    pub(super) fn take_apart(&mut self, mut bytes: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let (of_head, rest) = bytes.split_at(bytes.len().min(HEAD - self.known));
                self.head[self.known..self.known + of_head.len()].copy_from_slice(of_head);
                (self.known, bytes) = (self.known + of_head.len(), rest);
                if self.known == HEAD {
                    self.begin()?;
                }
                continue;
            }
            let (piece, rest) = bytes.split_at(bytes.len().min(self.left));
            (self.left, bytes) = (self.left - piece.len(), rest);
            if self.is_complaint {
                let room = MOST_OF_COMPLAINT.saturating_sub(self.complaint.len());
                self.complaint.extend_from_slice(&piece[..piece.len().min(room)]);
            } else {
                output.extend_from_slice(piece);
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let [stream, zeros @ .., a, b, c, d] = self.head;
        // The last is the engine's own, about the others.
        if stream > 3 || zeros != [0; 3] {
            let head = self.head;
            return Err(invalid(format!("the engine's stream has {head:?} where a piece begins")));
        }
        self.left = u32::from_be_bytes([a, b, c, d]) as usize;
        (self.known, self.is_complaint) = (0, stream >= 2);
        Ok(())
    }
}

/// A piece as an engine sends one.
#[cfg(test)]
pub(super) fn piece(stream: u8, text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[stream, 0, 0, 0][..], &length, text].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apart<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<u8>) {
        let (mut frames, mut output) = (Frames::default(), Vec::new());
        for part in parts {
            frames.take_apart(part, &mut output).unwrap();
        }
        (output, frames.complaint)
    }

    #[test]
    fn pieces_are_told_apart_at_every_cut() {
        let all = [piece(1, b"OPEN\n"), piece(2, b"no"), piece(1, b""), piece(3, b" way"), piece(0, b"HE")]
            .concat();
        for cut in 0..=all.len() {
            let (first, second) = all.split_at(cut);
            assert_eq!(apart([first, second]), (b"OPEN\nHE".into(), b"no way".into()), "{cut}");
        }
        assert_eq!(apart(all.chunks(1)), (b"OPEN\nHE".into(), b"no way".into()));
    }

    #[test]
    fn what_is_in_no_pieces_is_an_error() {
        for bytes in [&b"OCI runtime exec failed"[..], &[4, 0, 0, 0, 0, 0, 0, 1], &[1, 0, 1, 0, 0, 0, 0, 1]] {
            assert!(Frames::default().take_apart(bytes, &mut Vec::new()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_complaint_without_an_end_is_not_kept() {
        let (output, complaint) = apart([&piece(2, &vec![b'x'; 1 << 20])[..], &piece(1, b"ok")]);
        assert_eq!((output, complaint.len()), (b"ok".into(), MOST_OF_COMPLAINT));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added_at_any_cuts(
            pieces in proptest::collection::vec((0_u8..=3, proptest::collection::vec(any::<u8>(), 0..40)), 0..12),
            cuts in proptest::collection::vec(0_usize..600, 0..12),
        ) {
            let all: Vec<_> = pieces.iter().flat_map(|(stream, text)| piece(*stream, text)).collect();
            let of = |complaint: bool| -> Vec<u8> {
                let of = pieces.iter().filter(|(stream, _)| (*stream >= 2) == complaint);
                of.flat_map(|(_, text)| text.clone()).collect()
            };
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(all.len())).collect();
            cuts.extend([0, all.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|ends| &all[ends[0]..ends[1]]);
            prop_assert_eq!(apart(parts), (of(false), of(true)));
        }
    }
}
