//! The keys that seal play sessions.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::{AccountKey, ApplicationId, Millis, StreamId};

use super::error::{KeyError, OpenError};
use super::session::{NONCE, PlaySession};

/// Maximum characters of a sealed play session. [`KeyRing::seal`] stays below it.
pub const MAX_SEALED: usize = 5120;

/// Bytes of an issued id before its mark.
const MARKED: usize = 12;

/// Minimum bytes of a secret.
const MIN_SECRET: usize = 32;

/// Keys by id, with rotation: the first key seals, all open.
///
/// A sealed play session is URL-safe base64 (no padding) of: key id, 12 bytes of the stream id as nonce, the rest of
/// the play session under AES-256-GCM-SIV (RFC 8452), tag. That mode is safe with a repeated nonce, so the same play
/// session can seal to the same string every time without state.
pub struct KeyRing {
    first: Key,
    others: Vec<Key>,
    labels: hmac::Key,
    max_age: Duration,
}

struct Key {
    id: u8,
    aead: LessSafeKey,
    /// Marks the ids that were issued to applications.
    issued: hmac::Key,
    /// Creates termination codes.
    codes: hmac::Key,
}

impl KeyRing {
    /// A ring of (id, secret) pairs. A play session that started more than `max_age` ago is refused.
    ///
    /// # Errors
    /// No key, a duplicate id, or a secret of less than 32 bytes.
    pub fn new(keys: Vec<(u8, Vec<u8>)>, max_age: Duration) -> Result<Self, KeyError> {
        let mut ring: Option<Self> = None;
        for (id, secret) in keys {
            if secret.len() < MIN_SECRET {
                return Err(KeyError::ShortRingSecret { id, length: secret.len() });
            }
            // Secrets have any length and encoding; HKDF derives a key for each use.
            let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, b"streamgate").extract(&secret);
            let aead: UnboundKey =
                secret.expand(&[b"play session"], &AES_256_GCM_SIV).map_err(|_| KeyError::EmptyRing)?.into();
            let hmac_key = |purpose: &str| -> Result<hmac::Key, KeyError> {
                let purpose = [purpose.as_bytes()];
                Ok(secret.expand(&purpose, hmac::HMAC_SHA256).map_err(|_| KeyError::EmptyRing)?.into())
            };
            let (issued, codes) = (hmac_key("session id")?, hmac_key("termination code")?);
            let key = Key { id, aead: LessSafeKey::new(aead), issued, codes };
            match &mut ring {
                None => {
                    let labels = hmac_key("account label")?;
                    ring = Some(Self { first: key, others: Vec::new(), labels, max_age });
                }
                Some(ring) if ring.key(id).is_some() => return Err(KeyError::DuplicateId(id)),
                Some(ring) => ring.others.push(key),
            }
        }
        ring.ok_or(KeyError::EmptyRing)
    }

    /// Seals with the first key. The same play session always seals to the same string.
    ///
    /// Texts beyond their limits (`MAX_ACCOUNT` and others) are shortened, so that the result stays below
    /// [`MAX_SEALED`].
    pub fn seal(&self, session: &PlaySession) -> String {
        let nonce = session.nonce();
        let mut body = session.encode();
        let sealed = self.first.aead.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from([self.first.id]),
            &mut body,
        );
        // Sealing a text of this size cannot fail; if it did, no plain text may leave.
        if sealed.is_err() {
            return String::new();
        }
        let mut bytes = Vec::with_capacity(1 + NONCE + body.len());
        bytes.push(self.first.id);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&body);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Opens the result of [`seal`](Self::seal). Accepts any text; [`MAX_SEALED`] bounds the work.
    ///
    /// # Errors
    /// See [`OpenError`]. The age is checked after the seal.
    pub fn open(&self, sealed: &str, now: Millis) -> Result<PlaySession, OpenError> {
        let session = self.open_of_any_age(sealed)?;
        if self.has_expired(&session, now) { Err(OpenError::Expired) } else { Ok(session) }
    }

    /// True if a play session is too old to restore its stream.
    pub fn has_expired(&self, session: &PlaySession, now: Millis) -> bool {
        now.since(session.started) > self.max_age
    }

    /// Opens a play session without checking its age, as age does not end a playing stream.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_of_any_age(&self, sealed: &str) -> Result<PlaySession, OpenError> {
        if sealed.len() > MAX_SEALED {
            return Err(OpenError::Malformed);
        }
        let mut bytes = [0; MAX_SEALED / 4 * 3];
        let length = URL_SAFE_NO_PAD.decode_slice(sealed, &mut bytes).map_err(|_| OpenError::Malformed)?;
        let bytes = bytes.get_mut(..length).ok_or(OpenError::Malformed)?;
        let (id, bytes) = bytes.split_first_mut().ok_or(OpenError::Malformed)?;
        let (nonce, body) = bytes.split_first_chunk_mut::<NONCE>().ok_or(OpenError::Malformed)?;
        if body.len() <= AES_256_GCM_SIV.tag_len() {
            return Err(OpenError::Malformed);
        }
        let key = self.key(*id).ok_or(OpenError::UnknownKey)?;
        let body = key
            .aead
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from([*id]), body)
            .map_err(|_| OpenError::Forged)?;
        PlaySession::decode(nonce, body).ok_or(OpenError::Malformed)
    }

    /// Pseudonym of an account in logs: 16 hexadecimal digits of a keyed hash, the same for the same first key of the
    /// ring.
    pub fn account_label(&self, key: &AccountKey) -> String {
        let tag = hmac::sign(&self.labels, &key.0);
        let head: [u8; 8] = tag.as_ref().first_chunk().copied().unwrap_or_default();
        format!("{:016x}", u64::from_be_bytes(head))
    }

    /// A new id for a declared stream of `application` and account: start time, a random number, and a mark that
    /// identifies it without being stored.
    pub fn issue(
        &self,
        application: &ApplicationId,
        account: &AccountKey,
        started: Millis,
        random: [u8; 16],
    ) -> StreamId {
        let mut id = [0; 16];
        let random = random.iter().take(4);
        id.iter_mut().zip(started.0.to_be_bytes().iter().chain(random)).for_each(|(to, from)| *to = *from);
        let mark = self.first.mark(application, account, &id);
        id.iter_mut().skip(MARKED).zip(mark).for_each(|(to, from)| *to = from);
        StreamId(id)
    }

    /// True if `id` was [issued](Self::issue) to that application for that account, with a key of this ring.
    pub fn has_issued(&self, application: &ApplicationId, account: &AccountKey, id: StreamId) -> bool {
        let mark: [u8; 4] = id.0.last_chunk().copied().unwrap_or_default();
        self.all().fold(false, |found, key| equal(&key.mark(application, account, &id.0), &mark) | found)
    }

    /// The code with which another viewer of the account may kill the stream: 16 hexadecimal digits.
    pub fn termination_code(&self, account: &AccountKey, stream: StreamId) -> String {
        self.first.code(account, stream)
    }

    /// True if that is the stream's code, with any key of this ring.
    pub fn is_termination_code(&self, account: &AccountKey, stream: StreamId, code: &str) -> bool {
        self.all().fold(false, |found, key| equal(key.code(account, stream).as_bytes(), code.as_bytes()) | found)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn key(&self, id: u8) -> Option<&Key> {
        self.all().find(|key| key.id == id)
    }
}

/// Constant-time comparison. Every key of a ring is tried, for the same reason.
fn equal(known: &[u8], given: &[u8]) -> bool {
    verify_slices_are_equal(known, given).is_ok()
}

impl Key {
    /// The mark of an issued id. Guessing one of 2^32 only yields the answer that a nonexistent stream has ended.
    fn mark(&self, application: &ApplicationId, account: &AccountKey, id: &[u8; 16]) -> [u8; 4] {
        let mut text = Vec::with_capacity(64);
        text.extend_from_slice(id.get(..MARKED).unwrap_or_default());
        text.extend_from_slice(&account.0);
        text.extend_from_slice(application.as_str().as_bytes());
        hmac::sign(&self.issued, &text).as_ref().first_chunk().copied().unwrap_or_default()
    }

    fn code(&self, account: &AccountKey, stream: StreamId) -> String {
        let tag = hmac::sign(&self.codes, &[account.0, stream.0].concat());
        format!("{:016x}", u64::from_be_bytes(tag.as_ref().first_chunk().copied().unwrap_or_default()))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<u8> = std::iter::once(&self.first).chain(&self.others).map(|key| key.id).collect();
        f.debug_struct("KeyRing").field("ids", &ids).field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
