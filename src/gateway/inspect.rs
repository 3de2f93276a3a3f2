//! Inspects the first bytes of answers that pass as harmless, before they are sent to the viewer.

use bytes::Bytes;

use crate::media::{self, Claim, HEAD, Kind};

/// An answer whose first bytes must confirm its claimed type.
pub(super) struct Inspection {
    claim: Claim,
    /// The first few KB. Empty for text and data, which pass at once because a client may wait for each line.
    held: Vec<u8>,
    seen: usize,
}

/// The result of an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// More bytes are needed.
    More,
    /// The claim is true.
    Harmless,
    /// The claim is false: the answer is of this kind.
    Belied(Kind),
}

impl Inspection {
    pub(super) fn new(claim: Claim) -> Self {
        Self { claim, held: Vec::new(), seen: 0 }
    }

    /// True if pieces pass as they arrive.
    pub(super) fn passes_at_once(&self) -> bool {
        matches!(self.claim, Claim::Text | Claim::Data)
    }

    /// Inspects the next piece of the body and replaces it with what may be sent.
    pub(super) fn look(&mut self, piece: &mut Option<Bytes>, end: bool) -> Look {
        let arrived = piece.as_ref().map_or(0, Bytes::len);
        self.seen = self.seen.saturating_add(arrived);
        if !self.passes_at_once() && (!self.held.is_empty() || arrived < HEAD && !end) {
            self.held.extend_from_slice(piece.take().as_deref().unwrap_or_default());
            if self.held.len() < HEAD && !end {
                return Look::More;
            }
            *piece = Some(std::mem::take(&mut self.held).into());
        }
        let head = piece.as_deref().unwrap_or_default();
        match media::belied(self.claim, head.get(..HEAD).unwrap_or(head)) {
            Some(kind) => Look::Belied(kind),
            None if self.seen >= HEAD || end => Look::Harmless,
            None => Look::More,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0\x2C";

    #[test]
    fn a_picture_waits_for_its_first_bytes_however_they_are_cut_and_text_does_not_wait() {
        let mut picture = Inspection::new(Claim::Image);
        for byte in GIF {
            let mut piece = Some(Bytes::copy_from_slice(&[*byte]));
            assert_eq!((picture.look(&mut piece, false), piece), (Look::More, None));
        }
        let mut piece = Some(Bytes::from(vec![0; HEAD]));
        assert_eq!(picture.look(&mut piece, false), Look::Harmless);
        assert_eq!(piece.map(|piece| piece.len()), Some(GIF.len() + HEAD));
        let mut text = Inspection::new(Claim::Text);
        for line in ["data: 1\n\n", "data: 2\n\n"] {
            let mut piece = Some(Bytes::from(line));
            assert_eq!(text.look(&mut piece, false), Look::More);
            assert_eq!(piece.as_deref(), Some(line.as_bytes()));
        }
        assert_eq!(text.look(&mut Some(Bytes::from_static(&[0x47, 0, 1])), false), Look::Belied(Kind::Segment));
    }

    #[test]
    fn an_answer_that_ends_early_is_judged_by_what_it_has() {
        let mut whole = Some(Bytes::from_static(GIF));
        assert_eq!(Inspection::new(Claim::Image).look(&mut whole, true), Look::Harmless);
        assert_eq!(Inspection::new(Claim::Image).look(&mut None, true), Look::Harmless);
        let mut film = Some(Bytes::from_static(b"\0\0\0\x18ftypiso5"));
        assert_eq!(Inspection::new(Claim::Image).look(&mut film, true), Look::Belied(Kind::Segment));
    }
}
