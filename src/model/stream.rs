//! Ids of streams and applications.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Id of a stream: 128 bits, written like a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub [u8; 16]);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = u128::from_be_bytes(self.0);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            n >> 96,
            (n >> 80) & 0xffff,
            (n >> 64) & 0xffff,
            (n >> 48) & 0xffff,
            n & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream:{self}")
    }
}

/// The text is not 32 hexadecimal digits with dashes as in a UUID.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a stream id is written as 8-4-4-4-12 hexadecimal digits")]
pub struct ParseStreamIdError;

impl FromStr for StreamId {
    type Err = ParseStreamIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let dashes_fit = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| (byte == b'-') == matches!(at, 8 | 13 | 18 | 23));
        if !dashes_fit || !text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()) {
            return Err(ParseStreamIdError);
        }
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        u128::from_str_radix(&digits, 16).map(|n| Self(n.to_be_bytes())).map_err(|_| ParseStreamIdError)
    }
}

impl Serialize for StreamId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The configured name of an application: an operator's app or site.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApplicationId(pub Arc<str>);

impl ApplicationId {
    /// The key in the configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Allows lookups by `str`.
impl Borrow<str> for ApplicationId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_id_reads_back_what_it_writes_and_nothing_else() {
        let id = StreamId(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse::<StreamId>().ok(), Some(id));
        for bad in ["", "3031323334353637-38396162-6364-6566", "+0313233-3435-3637-3839-616263646566"] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad}");
        }
    }
}
