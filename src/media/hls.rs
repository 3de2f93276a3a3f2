//! HLS playlists (RFC 8216, draft-pantos-hls-rfc8216bis): read line by line as they arrive; everything except rewritten
//! references is copied.
//!
//! Only URI lines and URI attributes change; line ends, byte order mark, unknown tags and a missing last line feed
//! stay. Memory is bounded by one line.

mod attributes;
mod gather;
mod lines;
mod variables;

use memchr::{memchr2, memchr2_iter};

use self::lines::{Copier, Lines};
use super::disguise::Disguised;
use super::facts::{Outcome, Unparsable};
use super::reference::Target;

/// Maximum bytes of a line that is parsed, without its end. Longer ones pass unchanged.
const MAX_LINE: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Rewrites a playlist that arrives in chunks of any size.
#[derive(Debug)]
pub struct Scanner {
    phase: Phase,
    lines: Lines,
    /// The start of an incomplete line.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first line decides whether this is a playlist.
    First,
    Playlist,
    /// In the middle of a line that is too long.
    LongLine,
    /// Not a playlist: passes unchanged.
    Other,
}

impl Scanner {
    /// A scanner for one response.
    pub fn new(target: &Target<'_>) -> Self {
        Self { phase: Phase::First, lines: Lines::new(target), held: Vec::new() }
    }

    /// Takes the next bytes of the playlist and appends to `out` every line that is complete with them.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        out.reserve(self.held.len() + chunk.len());
        let rest = self.complete_held(chunk, out);
        let mut copier = Copier::new(rest, out);
        let mut at = 0;
        if self.phase != Phase::LongLine {
            for end in line_ends(rest) {
                self.line(rest.get(at..end).unwrap_or_default(), at, &mut copier);
                at = end + 1;
            }
        }
        let open = rest.get(at..).unwrap_or_default();
        if self.phase == Phase::Other || self.phase == Phase::LongLine {
            copier.copy_to(rest.len());
        } else if open.len() > MAX_LINE {
            copier.copy_to(rest.len());
            self.start_long_line();
        } else {
            copier.copy_to(at);
            self.held.extend_from_slice(open);
        }
    }

    /// Stops rewriting. The rest passes unchanged but is still read for its facts.
    pub fn stop(&mut self) {
        self.lines.stop();
    }

    /// Ends the playlist: appends the rest, and returns the facts.
    ///
    /// # Errors
    ///
    /// [`Unparsable::NotAPlaylist`] when the first line is not `#EXTM3U`; the output equals the input then.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<Outcome, Unparsable> {
        self.finish_and_note(out).0
    }

    /// As [`finish`](Self::finish), with the segments that have harmless names.
    pub fn finish_and_note(mut self, out: &mut Vec<u8>) -> (Result<Outcome, Unparsable>, Disguised) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() || self.phase == Phase::First {
            let mut copier = Copier::new(&held, out);
            self.line(&held, 0, &mut copier);
            copier.copy_to(held.len());
        }
        let outcome = if self.phase == Phase::Other { Err(Unparsable::NotAPlaylist) } else { Ok(self.lines.outcome()) };
        (outcome, self.lines.disguised)
    }

    /// Finishes the line that was begun in earlier chunks, if its end is here. Returns what follows it.
    fn complete_held<'c>(&mut self, chunk: &'c [u8], out: &mut Vec<u8>) -> &'c [u8] {
        if self.held.is_empty() && self.phase != Phase::LongLine {
            return chunk;
        }
        let end = memchr2(b'\n', b'\r', chunk);
        let (head, rest) = chunk.split_at_checked(end.map_or(chunk.len(), |end| end + 1)).unwrap_or((chunk, &[]));
        if self.phase == Phase::LongLine {
            out.extend_from_slice(head);
            if end.is_some() {
                self.phase = Phase::Playlist;
            }
            return rest;
        }
        let length = self.held.len() + end.unwrap_or(chunk.len());
        if end.is_none() && length <= MAX_LINE {
            self.held.extend_from_slice(chunk);
            return rest;
        }
        let mut begun = std::mem::take(&mut self.held);
        begun.extend_from_slice(head);
        let mut copier = Copier::new(&begun, out);
        if end.is_some() {
            self.line(begun.get(..length).unwrap_or_default(), 0, &mut copier);
        } else {
            self.start_long_line();
        }
        copier.copy_to(begun.len());
        begun.clear();
        self.held = begun;
        rest
    }

    fn start_long_line(&mut self) {
        self.phase = if self.phase == Phase::First { Phase::Other } else { Phase::LongLine };
    }

    fn line(&mut self, line: &[u8], at: usize, copier: &mut Copier<'_>) {
        match self.phase {
            Phase::First if is_header(line) => self.phase = Phase::Playlist,
            Phase::First => self.phase = Phase::Other,
            Phase::Playlist if line.len() <= MAX_LINE => self.lines.line(line, at, copier),
            Phase::Playlist | Phase::LongLine | Phase::Other => {}
        }
    }
}

/// Where lines end: RFC 8216 §4.1 has LF and CR LF, and players read CR alone as well. Of CR LF the LF ends an empty
/// line.
fn line_ends(text: &[u8]) -> impl Iterator<Item = usize> {
    memchr2_iter(b'\n', b'\r', text)
}

/// Rewrites a whole playlist.
///
/// # Errors
///
/// [`Unparsable::NotAPlaylist`] when the first line is not `#EXTM3U`; `out` has received the input then.
pub fn rewrite(input: &[u8], target: &Target<'_>, out: &mut Vec<u8>) -> Result<Outcome, Unparsable> {
    let mut scanner = Scanner::new(target);
    scanner.push(input, out);
    scanner.finish(out)
}

/// True if the first line is that of a playlist. Channel lists have attributes after the tag.
fn is_header(line: &[u8]) -> bool {
    let text = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    line.len() <= MAX_LINE
        && text.strip_prefix(b"#EXTM3U").is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}
