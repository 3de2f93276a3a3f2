//! The play session, which ties a viewer's requests to a stream.

use std::sync::Arc;

use crate::model::{Account, ApplicationId, Attributes, Device, Millis, StreamId};

use super::limits::{
    MAX_ACCOUNT, MAX_APPLICATION, MAX_ASSET, MAX_ATTRIBUTE, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES, MAX_DEVICE, bounded,
};
use super::scope::{MAX_SCOPE, Scope};
use super::token_id::TokenId;

/// Bytes of the stream id before the sealed part, used as its nonce.
pub(super) const NONCE: usize = 12;

/// Format version of [`PlaySession::encode`].
const VERSION: u8 = 2;
const HINT: u8 = 0;
const NAMED: u8 = 1;

/// All data to rebuild a stream from one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaySession {
    /// The stream.
    pub stream: StreamId,
    /// The account of the stream.
    pub account: Account,
    /// The application whose token started it.
    pub application: ApplicationId,
    /// The device that started it.
    pub device: Device,
    /// The asset; see [`PlaySession::asset_name`].
    pub asset: Arc<str>,
    /// When it was minted.
    pub started: Millis,
    /// Attributes for policies at that time.
    pub attributes: Attributes,
    /// The id of the token, if it had one.
    pub token: Option<TokenId>,
    /// The paths that the token covers.
    pub scope: Scope,
}

impl PlaySession {
    /// The asset's name: the entry manifest's path at the origin, shortened to [`MAX_ASSET`] bytes (head and hash) if
    /// longer.
    pub fn asset_name(path: &str) -> Arc<str> {
        bounded(path, MAX_ASSET).into()
    }

    /// A copy with another id that has not begun: the first manifest requested with it starts the stream.
    #[must_use]
    pub fn not_begun(&self, stream: StreamId) -> Self {
        Self { stream, asset: Arc::from(""), ..self.clone() }
    }

    /// True if its stream has not begun, according to its content.
    pub fn has_not_begun(&self) -> bool {
        self.asset.is_empty()
    }

    /// The unsealed part of the stream id. Ids are unique, so nonces are as well.
    pub(super) fn nonce(&self) -> [u8; NONCE] {
        self.stream.0.first_chunk().copied().unwrap_or_default()
    }

    /// The sealed content: version, rest of the stream id, start, then length-prefixed texts, the token's id, its scope
    /// and the attributes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(
            64 + self.account.idp.len() + self.account.subject.len() + self.application.0.len() + self.asset.len(),
        );
        out.push(VERSION);
        out.extend(self.stream.0.iter().skip(NONCE));
        out.extend_from_slice(&self.started.0.to_be_bytes());
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
        // Most tokens have no id and most streams no attributes: absent parts are omitted.
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

    /// Decodes the result of [`encode`](Self::encode); `None` for anything else.
    pub(super) fn decode(nonce: &[u8; NONCE], sealed: &[u8]) -> Option<Self> {
        let mut rest = Reader(sealed);
        let [version] = rest.array()?;
        if version != VERSION {
            return None;
        }
        let tail: [u8; 16 - NONCE] = rest.array()?;
        let mut stream = [0; 16];
        stream.iter_mut().zip(nonce.iter().chain(&tail)).for_each(|(to, from)| *to = *from);
        let started = Millis(u64::from_be_bytes(rest.array()?));
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
        })
    }
}

/// Writes a length-prefixed text: one byte up to 127, two above (the first with its high bit set).
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
