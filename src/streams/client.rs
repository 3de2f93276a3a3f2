//! Compact hashes of a client and of the media that it requests.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

use aws_lc_rs::digest;

use crate::model::{ClientEvidence, StreamId};

/// A client: hashes of its network and its user agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// The lowest bit is the IP version.
    pub(super) network: u32,
    pub(super) agent: u32,
}

impl Client {
    /// A client by network and `User-Agent`. An IPv4 address is used in full (a number below 2³²), an IPv6 address by
    /// its /64 (the lower 64 bits are zero). Zero is an unknown network.
    pub fn new(network: u128, agent: &[u8]) -> Self {
        let version_6 = u32::from(network >> 64 != 0);
        let network = hash(&[&network.to_ne_bytes()]);
        Self { network: network & !1 | version_6, agent: hash(&[agent]) }
    }

    /// Evidence about this client, with the hash of its token and the token's issue time in seconds, if known. An
    /// unknown address or agent is left out.
    pub fn evidence(self, is_known: bool, has_agent: bool, token: u32, issued: u32) -> ClientEvidence {
        let network = if is_known { self.network | 2 } else { 0 };
        let agent = if has_agent { self.agent | 1 } else { 0 };
        ClientEvidence { network, agent, token, issued }
    }

    /// The id of the stream that is split off from `stream` for this client's network: the head of a SHA-256, so that
    /// gateways of one build agree.
    pub fn split_from(self, stream: StreamId) -> StreamId {
        let mut bytes = [0; 20];
        let (head, tail) = bytes.split_at_mut(16);
        head.copy_from_slice(&stream.0);
        tail.copy_from_slice(&self.network.to_be_bytes());
        StreamId(digest::digest(&digest::SHA256, &bytes).as_ref().first_chunk().copied().unwrap_or_default())
    }
}

/// A hash of requested media: `parts` are its path, query and range.
pub fn media_hash(parts: &[&[u8]]) -> u32 {
    hash(parts)
}

fn hash(parts: &[&[u8]]) -> u32 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write(part);
        hasher.write_u8(0xff);
    }
    let hash = hasher.finish();
    #[allow(clippy::cast_possible_truncation, reason = "half of the bits are enough")]
    let half = hash as u32;
    half
}
