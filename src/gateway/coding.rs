//! Answers in a content coding that nobody asked for, made plain: a compressed manifest cannot be rewritten, and compressed bytes
//! do not show what they are. The framework knows Brotli and gzip of one member; the rest is here.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// What is done to a body to make it plain.
pub(super) enum Decoder {
    /// Gzip, of any number of members (RFC 1952 §2.2).
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// `deflate`, of which nothing has come yet: the zlib format (RFC 9110 §8.4.1.2), or without its header, as some servers send.
    Deflate,
    /// The former.
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    /// The latter.
    Raw(Box<DeflateDecoder<Vec<u8>>>),
}

/// How a body is coded.
pub(super) enum Coding {
    /// Not at all, whatever `Content-Encoding` says in many words.
    Plain,
    /// In a way that is undone here.
    Known(Decoder),
    /// In another way.
    Other,
}

impl Coding {
    /// What `Content-Encoding` says (RFC 9110 §8.4); `None` where there is none.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
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
            Self::Known(Decoder::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))))
        } else if is(b"deflate") {
            Self::Known(Decoder::Deflate)
        } else {
            Self::Other
        })
    }
}

impl Decoder {
    /// Makes the next piece of a body plain.
    ///
    /// # Errors
    /// The bytes are not what their coding says.
    pub(super) fn decode(&mut self, piece: &mut Option<Bytes>, end: bool) -> io::Result<()> {
        let coded = piece.take().unwrap_or_default();
        if let (Self::Deflate, [first, rest @ ..]) = (&self, &coded[..]) {
            // Eight in the low half: deflate; and the first two bytes are a multiple of 31 (RFC 1950 §2.2).
            let second = rest.first().copied();
            let check = second.map_or(0, |second| u16::from_be_bytes([*first, second]) % 31);
            *self = if first & 0x0F == 8 && check == 0 {
                Self::Zlib(Box::new(ZlibDecoder::new(Vec::new())))
            } else {
                Self::Raw(Box::new(DeflateDecoder::new(Vec::new())))
            };
        }
        let plain = match self {
            // Nothing, in whatever coding, is nothing.
            Self::Gzip(decoder) if end && coded.is_empty() && decoder.header().is_none() => Vec::new(),
            Self::Gzip(decoder) => {
                step(decoder.as_mut(), &coded, end, MultiGzDecoder::try_finish, MultiGzDecoder::get_mut)?
            }
            Self::Zlib(decoder) => step(decoder.as_mut(), &coded, end, ZlibDecoder::try_finish, ZlibDecoder::get_mut)?,
            Self::Raw(decoder) => {
                step(decoder.as_mut(), &coded, end, DeflateDecoder::try_finish, DeflateDecoder::get_mut)?
            }
            Self::Deflate => Vec::new(),
        };
        *piece = (!plain.is_empty()).then(|| plain.into());
        Ok(())
    }
}

fn step<D: Write>(
    decoder: &mut D,
    coded: &[u8],
    end: bool,
    finish: impl Fn(&mut D) -> io::Result<()>,
    out: impl Fn(&mut D) -> &mut Vec<u8>,
) -> io::Result<Vec<u8>> {
    decoder.write_all(coded)?;
    if end {
        finish(decoder)?;
    } else {
        decoder.flush()?;
    }
    Ok(std::mem::take(out(decoder)))
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
        let Some(Coding::Known(mut decoder)) = Coding::of(&headers) else { panic!("{coding} is not known") };
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
        assert!(plain("gzip", b"no gzip at all", 4096).is_err());
        assert!(plain("gzip", &gzip(PLAIN)[..20], 4096).is_err(), "cut short");
        for coding in ["gzip", "x-gzip", "deflate"] {
            assert_eq!(plain(coding, b"", 1).unwrap(), b"", "{coding}");
        }
    }

    #[test]
    fn what_says_nothing_is_plain_and_what_is_not_known_is_left() {
        let of = |coding: &'static str| {
            Coding::of(&HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]))
        };
        assert!(Coding::of(&HeaderMap::new()).is_none());
        for coding in ["", "identity", "Identity", " , identity"] {
            assert!(matches!(of(coding), Some(Coding::Plain)), "{coding:?}");
        }
        for coding in ["br", "zstd", "gzip, gzip", "aes128gcm"] {
            assert!(matches!(of(coding), Some(Coding::Other)), "{coding:?}");
        }
    }
}
