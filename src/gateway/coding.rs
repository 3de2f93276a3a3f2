//! Decodes answers in a content coding that was not requested: compressed manifests cannot be rewritten, and compressed
//! bytes cannot be inspected. The framework decodes Brotli and gzip of one member, this module the rest.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Minimum space in bytes for the output of a `deflate` step.
const INFLATED: usize = 16 << 10;

/// Decodes a body.
pub(super) enum Decoder {
    /// `gzip`, before the first byte.
    Gzip,
    /// Gzip, of any number of members (RFC 1952 §2.2).
    Members(Box<MultiGzDecoder<Vec<u8>>>),
    /// `deflate`, before the first byte: the zlib format (RFC 9110 §8.4.1.2), or without its header, as some servers
    /// send.
    Deflate,
    /// `deflate`, after the first byte.
    Inflate(Box<Inflate>),
}

/// How a body is coded.
pub(super) enum Coding {
    /// Not coded, although there is a `Content-Encoding`.
    Plain,
    /// In a coding that this module decodes.
    Known(Decoder),
    /// In another coding.
    Other,
}

impl Coding {
    /// Parses `Content-Encoding` (RFC 9110 §8.4); `None` without the field.
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        let values = headers.get_all(CONTENT_ENCODING).iter();
        let codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let mut codings = codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
        let Some(first) = codings.next() else { return Some(Self::Plain) };
        let is = |name: &[u8]| first.eq_ignore_ascii_case(name);
        Some(if codings.next().is_some() {
            Self::Other
        } else if is(b"gzip") || is(b"x-gzip") {
            Self::Known(Decoder::Gzip)
        } else if is(b"deflate") {
            Self::Known(Decoder::Deflate)
        } else {
            Self::Other
        })
    }
}

impl Decoder {
    /// Decodes the next piece of a body.
    ///
    /// # Errors
    /// The bytes are invalid in their coding.
    pub(super) fn decode(&mut self, piece: &mut Option<Bytes>, end: bool) -> io::Result<()> {
        let coded = piece.take().unwrap_or_default();
        if matches!(self, Self::Gzip) && !coded.is_empty() {
            *self = Self::Members(Box::new(MultiGzDecoder::new(Vec::new())));
        }
        if let (Self::Deflate, [first, rest @ ..]) = (&self, &coded[..]) {
            // The low half is 8 for deflate, and the first two bytes are a multiple of 31 (RFC 1950 §2.2).
            let second = rest.first().copied();
            let check = second.map_or(0, |second| u16::from_be_bytes([*first, second]) % 31);
            let is_zlib = first & 0x0F == 8 && check == 0;
            *self = Self::Inflate(Box::new(Inflate { stream: Decompress::new(is_zlib), ended: false }));
        }
        let plain = match self {
            // An empty body is valid in every coding.
            Self::Gzip | Self::Deflate => Vec::new(),
            Self::Members(decoder) => {
                decoder.write_all(&coded)?;
                if end {
                    decoder.try_finish()?;
                } else {
                    decoder.flush()?;
                }
                std::mem::take(decoder.get_mut())
            }
            Self::Inflate(inflate) => inflate.step(&coded, end)?,
        };
        *piece = (!plain.is_empty()).then(|| plain.into());
        Ok(())
    }
}

/// A `deflate` stream. The writers of `flate2` accept a truncated one as complete.
pub(super) struct Inflate {
    stream: Decompress,
    /// The last block was read. Later bytes are ignored.
    ended: bool,
}

impl Inflate {
    fn step(&mut self, coded: &[u8], end: bool) -> io::Result<Vec<u8>> {
        let (mut coded, mut plain) = (coded, Vec::new());
        while !self.ended {
            plain.reserve(INFLATED);
            let before = self.stream.total_in();
            let status = self.stream.decompress_vec(coded, &mut plain, FlushDecompress::None)?;
            let read = usize::try_from(self.stream.total_in() - before).unwrap_or(usize::MAX);
            coded = coded.get(read..).unwrap_or_default();
            self.ended = status == Status::StreamEnd;
            // Unused space means that all output was written.
            if coded.is_empty() && plain.len() < plain.capacity() || status == Status::BufError {
                break;
            }
        }
        if end && !self.ended {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    const PLAIN: &[u8] = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn plain(coding: &str, body: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap())]);
        let Some(Coding::Known(mut decoder)) = Coding::from_headers(&headers) else { panic!("{coding} is not known") };
        let mut out = Vec::new();
        for piece in body.chunks(size) {
            let mut piece = Some(Bytes::copy_from_slice(piece));
            decoder.decode(&mut piece, false)?;
            out.extend_from_slice(&piece.unwrap_or_default());
        }
        let mut last = None;
        decoder.decode(&mut last, true)?;
        out.extend_from_slice(&last.unwrap_or_default());
        Ok(out)
    }

    #[test]
    fn every_coding_is_made_plain_however_it_is_cut() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(PLAIN).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(PLAIN).unwrap();
        let (head, tail) = PLAIN.split_at(9);
        for (coding, body) in [
            ("gzip", gzip(PLAIN)),
            ("X-GZip", gzip(PLAIN)),
            ("identity, gzip", gzip(PLAIN)),
            ("gzip", [gzip(head), gzip(tail)].concat()),
            ("deflate", zlib.finish().unwrap()),
            ("Deflate", raw.finish().unwrap()),
        ] {
            for size in [2, 7, 4096] {
                assert_eq!(plain(coding, &body, size).unwrap(), PLAIN, "{coding} in pieces of {size}");
            }
        }
        // The output is much larger than the input.
        let long = PLAIN.repeat(10_000);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&long).unwrap();
        let zlib = zlib.finish().unwrap();
        for size in [7, 4096] {
            assert!(plain("deflate", &zlib, size).unwrap() == long, "in pieces of {size}");
        }
        assert_eq!(plain("gzip", &gzip(&long), 4096).unwrap().len(), long.len());
        assert!(plain("gzip", b"no gzip at all", 4096).is_err());
        for coding in ["gzip", "x-gzip", "deflate"] {
            assert_eq!(plain(coding, b"", 1).unwrap(), b"", "{coding}");
        }
    }

    #[test]
    fn a_body_that_is_cut_short_is_an_error_wherever_it_is_cut() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(PLAIN).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(PLAIN).unwrap();
        for (coding, body) in
            [("gzip", gzip(PLAIN)), ("deflate", zlib.finish().unwrap()), ("deflate", raw.finish().unwrap())]
        {
            for length in 1..body.len() {
                for size in [1, 4096] {
                    let plain = plain(coding, &body[..length], size);
                    assert!(plain.is_err(), "{coding} of {} bytes, cut after {length}: {plain:?}", body.len());
                }
            }
        }
        // Between two members, gzip is complete.
        let (one, two) = (gzip(PLAIN), [gzip(PLAIN), gzip(PLAIN)].concat());
        for length in one.len() + 1..two.len() {
            assert!(plain("gzip", &two[..length], 4096).is_err(), "cut after {length} of {}", two.len());
        }
    }

    #[test]
    fn what_says_nothing_is_plain_and_what_is_not_known_is_left() {
        let of = |coding: &'static str| {
            Coding::from_headers(&HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]))
        };
        assert!(Coding::from_headers(&HeaderMap::new()).is_none());
        for coding in ["", "identity", "Identity", " , identity"] {
            assert!(matches!(of(coding), Some(Coding::Plain)), "{coding:?}");
        }
        for coding in ["br", "zstd", "gzip, gzip", "aes128gcm"] {
            assert!(matches!(of(coding), Some(Coding::Other)), "{coding:?}");
        }
    }
}
