//! The play session: what a viewer's own requests carry to prove which stream they belong to.

use std::sync::Arc;

use crate::model::{Account, ApplicationId, Attributes, Device, Millis, StreamId};

use super::limits::{
    MAX_ACCOUNT, MAX_APPLICATION, MAX_ASSET, MAX_ATTRIBUTE, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES, MAX_DEVICE, bounded,
};
use super::scope::{MAX_SCOPE, Scope};
use super::token_id::TokenId;

/// Bytes of the stream's id that stand before the sealed part and serve as its nonce.
pub(super) const NONCE: usize = 12;

/// The form of [`PlaySession::encode`].
const VERSION: u8 = 3;
/// The version before, without the evidence of the token. It is still opened, so that an upgrade ends no stream.
const VERSION_WITHOUT_EVIDENCE: u8 = 2;
const HINT: u8 = 0;
const NAMED: u8 = 1;

/// Everything a gateway needs to rebuild a stream's record from one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaySession {
    /// The stream that it proves.
    pub stream: StreamId,
    /// Whose slot the stream takes.
    pub account: Account,
    /// The application whose token started it.
    pub application: ApplicationId,
    /// The device that started it.
    pub device: Device,
    /// What is played; see [`PlaySession::asset_name`].
    pub asset: Arc<str>,
    /// When it was minted.
    pub started: Millis,
    /// What policies wanted to know of it then.
    pub attributes: Attributes,
    /// The id of the token that proved the account, where it had one.
    pub token: Option<TokenId>,
    /// What the token was good for.
    pub scope: Scope,
    /// The token that it was started with, as far as a later start is compared with it.
    pub evidence: TokenEvidence,
}

/// What tells whether two starts came with the same token, or with tokens that were issued together. All zero: nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenEvidence {
    /// A hash of the token, byte for byte.
    pub hash: u32,
    /// When it was issued, in seconds since the epoch.
    pub issued: u32,
}

impl PlaySession {
    /// The name of the asset behind an entry manifest's path at the origin: the path itself, shortened to
    /// [`MAX_ASSET`] bytes (head and hash) where it is longer.
    pub fn asset_name(path: &str) -> Arc<str> {
        bounded(path, MAX_ASSET).into()
    }

    /// The same under another id, before anything is played with it: the first manifest that is asked for with it starts the
    /// stream.
    #[must_use]
    pub fn not_begun(&self, stream: StreamId) -> Self {
        Self { stream, asset: Arc::from(""), ..self.clone() }
    }

    /// Whether nothing has been played with it, as far as it says.
    pub fn has_not_begun(&self) -> bool {
        self.asset.is_empty()
    }

    /// The part of the stream's id that travels in the open. Ids are unique, so are nonces.
    pub(super) fn nonce(&self) -> [u8; NONCE] {
        self.stream.0.first_chunk().copied().unwrap_or_default()
    }

    /// What is sealed: version, rest of the stream's id, start, evidence of the token, then texts with their lengths before them, the token's id, its
    /// scope and the attributes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(
            64 + self.account.idp.len() + self.account.subject.len() + self.application.0.len() + self.asset.len(),
        );
        out.push(VERSION);
        out.extend(self.stream.0.iter().skip(NONCE));
        out.extend_from_slice(&self.started.0.to_be_bytes());
        out.extend_from_slice(&self.evidence.hash.to_be_bytes());
        out.extend_from_slice(&self.evidence.issued.to_be_bytes());
        put(&mut out, &self.account.idp, MAX_ACCOUNT);
        put(&mut out, &self.account.subject, MAX_ACCOUNT);
        put(&mut out, &self.application.0, MAX_APPLICATION);
        match &self.device {
            Device::Hint(hint) => {
                out.push(HINT);
                out.extend_from_slice(&hint.to_be_bytes());
            }
            Device::Named(name) => {
                out.push(NAMED);
                put(&mut out, name, MAX_DEVICE);
            }
        }
        put(&mut out, &self.asset, MAX_ASSET);
        // Most tokens have no id and most streams no attributes: nothing is written for what is not there.
        let scope = self.scope.lines();
        if self.token.is_some() || !self.attributes.is_empty() || !scope.is_empty() {
            out.extend_from_slice(&self.token.map_or(0, |TokenId(id)| id).to_be_bytes());
        }
        if !self.attributes.is_empty() || !scope.is_empty() {
            put(&mut out, scope, MAX_SCOPE);
        }
        for (name, value) in self.attributes.iter().take(MAX_ATTRIBUTES) {
            put(&mut out, name, MAX_ATTRIBUTE_NAME);
            put(&mut out, value, MAX_ATTRIBUTE);
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when it did not.
    pub(super) fn decode(nonce: &[u8; NONCE], sealed: &[u8]) -> Option<Self> {
        let mut rest = Reader(sealed);
        let [version] = rest.array()?;
        if ![VERSION, VERSION_WITHOUT_EVIDENCE].contains(&version) {
            return None;
        }
        let tail: [u8; 16 - NONCE] = rest.array()?;
        let mut stream = [0; 16];
        stream.iter_mut().zip(nonce.iter().chain(&tail)).for_each(|(to, from)| *to = *from);
        let started = Millis(u64::from_be_bytes(rest.array()?));
        let evidence = if version == VERSION {
            TokenEvidence { hash: u32::from_be_bytes(rest.array()?), issued: u32::from_be_bytes(rest.array()?) }
        } else {
            TokenEvidence::default()
        };
        let account = Account::new(rest.text()?, rest.text()?);
        let application = ApplicationId(rest.text()?.into());
        let device = match rest.array()? {
            [HINT] => Device::Hint(u64::from_be_bytes(rest.array()?)),
            [NAMED] => Device::Named(rest.text()?.into()),
            _ => return None,
        };
        let asset = rest.text()?.into();
        let token = if rest.0.is_empty() { 0 } else { u64::from_be_bytes(rest.array()?) };
        let scope = if rest.0.is_empty() { Scope::default() } else { Scope::from(rest.text()?) };
        let mut attributes = Vec::new();
        while !rest.0.is_empty() {
            attributes.push((rest.text()?.into(), rest.text()?.into()));
        }
        Some(Self {
            stream: StreamId(stream),
            account,
            application,
            device,
            asset,
            started,
            attributes: attributes.into_iter().collect(),
            token: (token != 0).then_some(TokenId(token)),
            scope,
            evidence,
        })
    }
}

/// Writes a text with its length before it: one byte up to 127, two above (the first with its high bit set).
fn put(out: &mut Vec<u8>, text: &str, most: usize) {
    let text = bounded(text, most);
    let length = u16::try_from(text.len()).unwrap_or_default(); // `most` is far below 32768
    let [high, low] = length.to_be_bytes();
    if length > 0x7f {
        out.push(high | 0x80);
    }
    out.push(low);
    out.extend_from_slice(text.as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn text(&mut self) -> Option<&'a str> {
        let [first] = self.array()?;
        let length = if first & 0x80 == 0 {
            usize::from(first)
        } else {
            let [low] = self.array()?;
            usize::from(u16::from_be_bytes([first & 0x7f, low]))
        };
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}
